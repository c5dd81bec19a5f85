/* A filter that refuses every configuration and does not say why. */
#define PLUGIN_ID "com.example.refuses"
#define FILTER_NAME "com.example.refuses"
#define TYPE_NAME "com.example.Refuses"
#define CONFIG_CREATE config_create
#include "martlet.h"

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  (void)config, (void)given, (void)out;
  return MARTLET_E_ARGUMENT;
}

#include "minimal.h"
