/* A filter that refuses every configuration, at two paths. */
#define PLUGIN_ID "com.example.refuses"
#define FILTER_NAME "com.example.refuses"
#define TYPE_NAME "com.example.Refuses"
#define OPEN_RESULT find_services(host)
#define CONFIG_CREATE config_create
#include <stdint.h>
#include "martlet.h"

static const martlet_host_config *configs;

static martlet_status find_services(const martlet_host *host) {
  configs = host->query("martlet.host.config/1");
  return configs ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  static const char where[] = "limits[1].bytes", what[] = "expected less", other[] = "colour", why[] = "must be green";
  (void)given, (void)out;
  configs->error(config, (martlet_bytes){(const uint8_t *)where, sizeof where - 1},
                 (martlet_bytes){(const uint8_t *)what, sizeof what - 1});
  configs->error(config, (martlet_bytes){(const uint8_t *)other, sizeof other - 1},
                 (martlet_bytes){(const uint8_t *)why, sizeof why - 1});
  return MARTLET_E_ARGUMENT;
}

#include "minimal.h"
