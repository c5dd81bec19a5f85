/* A7: reads a piece of a body in a later hook of the same stream. */
#include "wrong.h"

static martlet_filter_status on_request_body(void *context, bool end) {
  (void)end;
  filter *self = context;
  self->http->body_piece(self->stream, MARTLET_REQUEST, 0, &self->kept);
  return MARTLET_CONTINUE;
}

static martlet_filter_status on_response_headers(void *context, bool end) {
  (void)end;
  filter *self = context;
  if (self->kept.size > 0 && self->kept.data[0] == 0) {
    self->http->header_set(self->stream, MARTLET_RESPONSE_HEADERS, bytes("x-zero"), bytes("1"));
  }
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_body = on_request_body,
             .on_response_headers = on_response_headers)
