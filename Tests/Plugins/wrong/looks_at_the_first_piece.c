/* A20: takes the first piece of a body for the body. */
#include "wrong.h"

static bool has(martlet_bytes piece, const char *word) {
  const size_t size = strlen(word);
  for (size_t at = 0; at + size <= piece.size; at++) {
    if (memcmp(piece.data + at, word, size) == 0) return true;
  }
  return false;
}

static martlet_filter_status on_request_body(void *context, bool end) {
  (void)end;
  filter *self = context;
  martlet_bytes piece;
  if (self->kept.size > 0) return MARTLET_CONTINUE;
  self->kept.size = 1;
  if (self->http->body_piece(self->stream, MARTLET_REQUEST, 0, &piece) != MARTLET_OK) return MARTLET_CONTINUE;
  if (!has(piece, "4111111111111111")) return MARTLET_CONTINUE;
  const martlet_reply reply = {
      .size = sizeof reply, .status = 403, .body = {(const uint8_t *)"no\n", 3}, .grpc_status = -1};
  self->http->reply(self->stream, &reply);
  return MARTLET_STOP;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_body = on_request_body)
