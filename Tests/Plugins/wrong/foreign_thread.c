/* A8: a thread of the plugin's own sets a header of a stream. */
#include <pthread.h>
#include <stdatomic.h>

#include "wrong.h"

typedef struct {
  const martlet_host_http *http;
  martlet_handle stream;
} errand;

static void *run(void *argument) {
  errand *mine = argument;
  mine->http->header_set(mine->stream, MARTLET_RESPONSE_HEADERS, bytes("x-late"), bytes("1"));
  return NULL;
}

/* Waits for it, so that nothing else is wrong: the stream lives. Twice, so that it does not block often. */
static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  static atomic_int streams;
  const filter *self = context;
  if (atomic_fetch_add(&streams, 1) >= 2) return MARTLET_CONTINUE;
  errand mine = {self->http, self->stream};
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, &mine) == 0) pthread_join(thread, NULL);
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
