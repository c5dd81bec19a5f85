// What cannot be an inline: a pointer per thread, and calls that only `_GNU_SOURCE` declares.
#define _GNU_SOURCE
#include "CMartletSystem.h"

// For C functions that are called by filters with a handle and nothing else.
static _Thread_local void *thread_pointer;

void martlet_set_thread_pointer(void *pointer) { thread_pointer = pointer; }
void *martlet_thread_pointer(void) { return thread_pointer; }

int64_t martlet_accept(int32_t fd, struct sockaddr_storage *address, socklen_t *length) {
  MARTLET_RETRY(accept4(fd, (struct sockaddr *)address, length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

void martlet_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
