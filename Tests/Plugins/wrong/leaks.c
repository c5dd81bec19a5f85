/* A10: each stream leaves a few bytes behind. */
#include "wrong.h"

static void *create(void *config, void *worker, const martlet_host_http *http, martlet_handle stream) {
  void *volatile lost = malloc(40);
  (void)lost;
  return usual_create(config, worker, http, stream);
}

WRONG_PLUGIN(usual_open, create, usual_destroy, .on_complete = NULL)
