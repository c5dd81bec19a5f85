/* A21: writes to an address that is nobody's. */
#include "wrong.h"

static martlet_filter_status on_response_body(void *context, bool end) {
  (void)context, (void)end;
  *(volatile int *)16 = 1;
  return MARTLET_CONTINUE;
}

WRONG_PLUGIN(usual_open, usual_create, usual_destroy, .on_response_body = on_response_body)
