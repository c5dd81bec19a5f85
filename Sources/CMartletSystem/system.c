// What cannot be an inline: a pointer per thread, and calls that only `_GNU_SOURCE` declares.
#define _GNU_SOURCE
#include "CMartletSystem.h"

_Thread_local void *martlet_thread_pointer_value;

int64_t martlet_accept(int32_t fd, struct sockaddr_storage *address, socklen_t *length) {
  MARTLET_RETRY(accept4(fd, (struct sockaddr *)address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

void martlet_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
