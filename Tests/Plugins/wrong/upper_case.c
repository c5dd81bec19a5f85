/* A13: asks for a header in upper case. */
#include "wrong.h"

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  const filter *self = context;
  martlet_bytes agent;
  self->http->header_get(self->stream, MARTLET_REQUEST_HEADERS, bytes("User-Agent"), 0, &agent);
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
