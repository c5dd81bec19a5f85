/* A7: reads a header's value of the stream before. */
#include "wrong.h"

static martlet_bytes last;

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  filter *self = context;
  if (last.size > 0 && last.data[0] == 'x') {
    self->http->header_set(self->stream, MARTLET_REQUEST_HEADERS, bytes("x-last"), bytes("x"));
  }
  self->http->header_get(self->stream, MARTLET_REQUEST_HEADERS, bytes(":path"), 0, &last);
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
