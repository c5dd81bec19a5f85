/* A19: answers, and lets the request go on as well. */
#include "wrong.h"

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  const filter *self = context;
  const martlet_reply reply = {
      .size = sizeof reply, .status = 403, .body = {(const uint8_t *)"no\n", 3}, .grpc_status = -1};
  self->http->reply(self->stream, &reply);
  self->http->continue_message(self->stream, MARTLET_REQUEST);
  return MARTLET_STOP;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
