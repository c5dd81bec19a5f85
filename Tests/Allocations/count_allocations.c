/* A library for LD_PRELOAD that counts what worker threads (named `wrk:...`) ask of malloc.
 *
 * The count stands in a file that the test maps as well ($ALLOCATIONS_FILE), so that it can be read
 * at any moment without a signal or a pause:
 *
 *     u64 calls      malloc, calloc, realloc, posix_memalign, aligned_alloc, memalign
 *     u64 recording  written by the test: while it is not 0, where the calls come from is kept
 *     u64 recorded   records used
 *     record[256]    u64 size, u64 depth, u64 frames[16]
 *
 * Built with the system's C compiler by Tests/Integration/test_allocations.py.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

enum { frame_count = 16, record_count = 256 };

struct record {
  uint64_t size, depth, frames[frame_count];
};

struct shared {
  volatile uint64_t calls, recording, recorded;
  struct record records[record_count];
};

static struct shared *shared;
static __thread int is_worker;
static __thread int busy;

static __attribute__((constructor)) void open_shared(void) {
  const char *path = getenv("ALLOCATIONS_FILE");
  if (path == NULL) return;
  int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(struct shared)) < 0) return;
  void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  void *warm[2];
  backtrace(warm, 2); /* the first call loads the unwinder, which allocates */
  if (memory != MAP_FAILED) shared = memory;
}

static void note(size_t size) {
  if (!is_worker || busy || shared == NULL) return;
  __atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
  if (!shared->recording) return;
  uint64_t index = __atomic_fetch_add(&shared->recorded, 1, __ATOMIC_RELAXED);
  if (index >= record_count) return;
  busy = 1;
  void *frames[frame_count];
  int depth = backtrace(frames, frame_count);
  struct record *record = &shared->records[index];
  for (int i = 0; i < depth; i++) record->frames[i] = (uint64_t)(uintptr_t)frames[i];
  record->size = size;
  record->depth = (uint64_t)depth;
  busy = 0;
}

int pthread_setname_np(pthread_t thread, const char *name) {
  static int (*next)(pthread_t, const char *);
  if (next == NULL) *(void **)&next = dlsym(RTLD_NEXT, "pthread_setname_np");
  if (pthread_equal(thread, pthread_self())) is_worker = strncmp(name, "wrk:", 4) == 0;
  return next(thread, name);
}

void *malloc(size_t size) {
  note(size);
  return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
  note(count * size);
  return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size) {
  note(size);
  return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
  note(size);
  return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size) {
  note(size);
  void *made = __libc_memalign(alignment, size);
  if (made == NULL) return ENOMEM;
  *memory = made;
  return 0;
}
