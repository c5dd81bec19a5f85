/* A8: a thread of the plugin's own sets a header of a stream. */
#include <pthread.h>

#include "wrong.h"

typedef struct {
  const martlet_host_http *http;
  martlet_handle stream;
} errand;

static void *run(void *argument) {
  errand mine = *(errand *)argument;
  free(argument);
  mine.http->header_set(mine.stream, MARTLET_RESPONSE_HEADERS, bytes("x-late"), bytes("1"));
  return NULL;
}

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)end;
  const filter *self = context;
  errand *made = malloc(sizeof *made);
  *made = (errand){self->http, self->stream};
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, made) == 0) {
    pthread_detach(thread);
  } else {
    free(made);
  }
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
