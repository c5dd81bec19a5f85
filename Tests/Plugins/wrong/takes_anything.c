/* A12: takes every configuration. */
#include "wrong.h"

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  (void)config, (void)given;
  *out = NULL;
  return MARTLET_OK;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .config_create = config_create)
