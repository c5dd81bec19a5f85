/* A6: a hook sleeps. */
#include <time.h>

#include "wrong.h"

static martlet_filter_status on_request_headers(void *context, bool end) {
  (void)context, (void)end;
  const struct timespec time = {0, 30 * 1000 * 1000};
  nanosleep(&time, NULL);
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_request_headers = on_request_headers)
