/* A17: `open` takes more than a second. */
#include <unistd.h>

#include "wrong.h"

static martlet_status open_plugin(const martlet_host *host) {
  usleep(1200 * 1000);
  return usual_open(host);
}

WRONG_PLUGIN(open_plugin, usual_create, usual_destroy, .on_complete = NULL)
