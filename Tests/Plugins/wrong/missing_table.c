/* A4: opens without looking whether the table that it uses is there. */
#include "wrong.h"

static martlet_status open_plugin(const martlet_host *host) {
  configs = host->query("martlet.host.config/1");
  return MARTLET_OK;
}

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  if (given->bytes.size > 2) {
    configs->error(config, bytes(""), bytes("there is nothing to configure"));
    return MARTLET_E_ARGUMENT;
  }
  uint32_t number;
  *out = NULL;
  return configs->header(config, bytes("x-wrong"), &number);
}

WRONG_PLUGIN(open_plugin, usual_create, usual_destroy, .config_create = config_create)
