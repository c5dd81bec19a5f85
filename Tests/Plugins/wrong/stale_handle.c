/* A18: asks with the handle of the stream before. */
#include "wrong.h"

static martlet_handle last;

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  const filter *self = context;
  martlet_bytes path;
  if (last != 0) self->http->header_get(last, MARTLET_REQUEST_HEADERS, bytes(":path"), 0, &path);
  last = self->stream;
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
