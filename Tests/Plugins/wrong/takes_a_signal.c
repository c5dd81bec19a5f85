/* A16: takes a signal of the process's. */
#include <signal.h>

#include "wrong.h"

static void handle(int number) { (void)number; }

static martlet_status open_plugin(const martlet_host *host) {
  signal(SIGUSR2, handle);
  return usual_open(host);
}

WRONG_PLUGIN(open_plugin, usual_create, usual_destroy, .on_complete = NULL)
