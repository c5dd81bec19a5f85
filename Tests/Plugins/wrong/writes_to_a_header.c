/* A21: writes through a borrowed pointer. */
#include "wrong.h"

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  const filter *self = context;
  martlet_bytes path;
  if (self->http->header_get(self->stream, MARTLET_REQUEST_HEADERS, bytes(":path"), 0, &path) == MARTLET_OK &&
      path.size > 1) {
    ((uint8_t *)(uintptr_t)path.data)[1] = 'X';
  }
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
