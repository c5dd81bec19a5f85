/* A14: a label whose values clients choose. */
#include "wrong.h"

static uint32_t family;

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  if (given->bytes.size > 2) {
    configs->error(config, bytes(""), bytes("there is nothing to configure"));
    return MARTLET_E_ARGUMENT;
  }
  const martlet_bytes label = bytes("path");
  *out = NULL;
  return configs->metric(config, MARTLET_COUNTER, bytes("wrong.requests"), true, &label, 1, &family);
}

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  const filter *self = context;
  martlet_bytes path;
  uint32_t member;
  if (self->http->header_get(self->stream, MARTLET_REQUEST_HEADERS, bytes(":path"), 0, &path) == MARTLET_OK &&
      metrics->series(self->stream, family, &path, 1, &member) == MARTLET_OK) {
    metrics->add(self->stream, member, 1);
  }
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .config_create = config_create,
             .on_request_headers = on_request_headers)
