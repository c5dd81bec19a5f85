// See the header. Not inline: the feature macro must stand before every include of the C library,
// which a header among others cannot promise.
#define _GNU_SOURCE
#include "CServerSystem.h"

#include <malloc.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t martlet_thread_id(void) { return syscall(SYS_gettid); }

int64_t martlet_affinity_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

void martlet_allocator(uint64_t *in_use, uint64_t *obtained) {
  struct mallinfo2 info = mallinfo2();
  *in_use = info.uordblks + info.hblkhd;
  *obtained = info.arena + info.hblkhd;
}
