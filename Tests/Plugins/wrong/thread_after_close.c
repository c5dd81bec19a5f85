/* A11: a thread of the plugin's own logs after `close` has returned. */
#include <pthread.h>
#include <unistd.h>

#include "wrong.h"

static const martlet_host *given;
static const martlet_host_core *core;

static void *run(void *argument) {
  (void)argument;
  for (int round = 0; round < 30000; round++) {
    usleep(1000);
    core->log(given->plugin, MARTLET_LOG_TRACE, bytes("still here"));
  }
  return NULL;
}

static martlet_status open_plugin(const martlet_host *host) {
  given = host;
  core = host->query("martlet.host.core/1");
  if (!core || usual_open(host) != MARTLET_OK) return MARTLET_E_NOT_FOUND;
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, NULL) != 0) return MARTLET_E_LIMIT;
  pthread_detach(thread);
  return MARTLET_OK;
}

WRONG_PLUGIN(open_plugin, usual_create, usual_destroy, .on_complete = NULL)
