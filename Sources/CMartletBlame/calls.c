// Tallies and the slots of threads; see the header.
#define _GNU_SOURCE
#include "CMartletBlame.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

// Tallies stand side by side in arenas whose address says where they begin. The distance between two is an
// odd number of cache lines: the counts of one hook in all filters of a chain then lie in different sets of
// the cache, which they share every request.
enum { arena_size = 64 << 10, tally_distance = 23 * 64, arena_tallies = arena_size / tally_distance };
_Static_assert(offsetof(martlet_tally, calls) == 0, "a count's place in the tally is its hook's number");
_Static_assert(sizeof(martlet_tally) <= tally_distance, "tallies do not overlap");
_Static_assert(offsetof(martlet_tally, bytes) == 4 * MARTLET_HOOKS * 8, "as martlet_call_allocated has it");

_Thread_local martlet_slot martlet_own_slot __attribute__((aligned(64)));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
// Under the lock. The list of tallies is read without it: it only ever grows at its head.
static martlet_slot *slots;
static martlet_tally *tallies;
// Of filters of the proxy's own.
static martlet_tally *own_tallies;
static uint64_t serials;
// What the watchdog sleeps on.
static uint32_t woken;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

// ---- Calls

uint64_t martlet_call_notice(martlet_slot *slot, uint64_t count) {
  if (__atomic_load_n(&slot->is_unwatched, __ATOMIC_RELAXED)) {
    __atomic_store_n(&slot->is_unwatched, 0, __ATOMIC_RELAXED);
    martlet_watch_wake();
  }
  return (count & (MARTLET_SAMPLE - 1)) == 1 ? now() : 0;
}

static void count_over(martlet_tally *tally, uint32_t hook, uint64_t took) {
  if (took <= __atomic_load_n(&tally->budget, __ATOMIC_RELAXED)) return;
  if (took > __atomic_load_n(&tally->longest[hook], __ATOMIC_RELAXED)) {
    __atomic_store_n(&tally->longest[hook], took, __ATOMIC_RELAXED);
  }
  __atomic_store_n(&tally->over[hook], tally->over[hook] + 1, __ATOMIC_RELEASE);
}

void martlet_call_measure(martlet_slot *slot, uint64_t *call, uint64_t start) {
  uint64_t end = now(), count = *call;
  uint32_t hook;
  martlet_tally *tally = martlet_tally_of(call, &hook);
  uint64_t *marked = __atomic_load_n(&slot->marked, __ATOMIC_ACQUIRE);
  // A call of the same function that this one was made from has counted on.
  bool is_marked = marked == call && __atomic_load_n(&slot->marked_count, __ATOMIC_RELAXED) == count;
  uint64_t marked_at = __atomic_load_n(&slot->marked_at, __ATOMIC_RELAXED);
  if (marked) __atomic_store_n(&slot->marked, NULL, __ATOMIC_RELEASE);
  if (start) {
    uint64_t took = end - start;
    // It stands for those since the last one that was measured.
    uint64_t weight = count > 1 ? MARTLET_SAMPLE : 1;
    __atomic_store_n(&tally->time[hook], tally->time[hook] + took * weight, __ATOMIC_RELAXED);
    count_over(tally, hook, took);
  } else if (is_marked) {
    count_over(tally, hook, end - marked_at);
  }
}

// ---- Tallies

// Under the lock.
static martlet_tally *new_tally(void) {
  static char *arena;
  static int used;
  if (!arena || used == arena_tallies) {
    if (posix_memalign((void **)&arena, arena_size, arena_size) != 0) abort();
    used = 0;
  }
  void *made = arena + used++ * tally_distance;
  memset(made, 0, tally_distance);
  return made;
}

static char *copy(const char *text) { return strdup(text ? text : ""); }

static bool is_of(const martlet_tally *tally, int64_t worker, const char *plugin, const char *version,
                  const char *hash, const char *filter) {
  return tally->worker == worker && tally->plugin && strcmp(tally->hash, hash) == 0 &&
         strcmp(tally->filter, filter) == 0 && strcmp(tally->plugin, plugin) == 0 &&
         strcmp(tally->version, version) == 0;
}

martlet_tally *martlet_tally_find(int64_t worker, const char *plugin, const char *version,
                                  const char *hash, const char *filter) {
  pthread_mutex_lock(&lock);
  for (martlet_tally *known = tallies; known && plugin; known = known->next) {
    if (!is_of(known, worker, plugin, version, hash, filter)) continue;
    pthread_mutex_unlock(&lock);
    return known;
  }
  for (martlet_tally *known = own_tallies; known && !plugin; known = known->next) {
    if (known->worker != worker) continue;
    pthread_mutex_unlock(&lock);
    return known;
  }
  martlet_tally *made = new_tally();
  made->worker = worker;
  made->plugin = plugin ? copy(plugin) : NULL;
  made->version = copy(version);
  made->hash = copy(hash);
  made->filter = copy(filter);
  // The control thread may block for a while: no call of its is too long, only stuck.
  made->budget = worker < 0 ? UINT64_MAX : 10000000;
  made->stuck_after = 1000000000;
  martlet_tally **list = plugin ? &tallies : &own_tallies;
  made->next = *list;
  __atomic_store_n(list, made, __ATOMIC_RELEASE);
  pthread_mutex_unlock(&lock);
  return made;
}

martlet_tally *martlet_tally_next(const martlet_tally *tally) {
  return tally ? tally->next : __atomic_load_n(&tallies, __ATOMIC_ACQUIRE);
}

void martlet_tally_limit(martlet_tally *tally, uint64_t budget, uint64_t stuck_after) {
  if (tally->worker >= 0) __atomic_store_n(&tally->budget, budget, __ATOMIC_RELAXED);
  __atomic_store_n(&tally->stuck_after, stuck_after, __ATOMIC_RELAXED);
}

martlet_tally *martlet_tally_of(const uint64_t *call, uint32_t *hook) {
  uintptr_t address = (uintptr_t)call, within = address & (arena_size - 1);
  *hook = (uint32_t)(within % tally_distance / sizeof(uint64_t));
  return (martlet_tally *)(address - within % tally_distance);
}

const char *martlet_hook_name(uint32_t hook) {
  static const char *const names[MARTLET_HOOKS] = {
      "load", "martlet_plugin_v1", "open", "query", "close", "config_create", "config_destroy",
      "route_config_create", "route_config_destroy", "on_config_timer", "on_config_wake",
      "worker_create", "worker_destroy", "on_worker_timer", "on_worker_wake", "create", "destroy",
      "on_request_headers", "on_request_body", "on_request_trailers", "on_response_headers",
      "on_response_body", "on_response_trailers", "on_back_pressure", "on_timer", "on_wake",
      "on_complete", "on_new_connection", "on_data", "on_write", "on_close", "write",
  };
  return hook < MARTLET_HOOKS ? names[hook] : "?";
}

// ---- Threads

// Enough for the report and for a backtrace that another handler makes behind it.
enum { stack_size = 128 << 10, guard_size = 4 << 10 };

// A stack for signals, with a guard below it; nothing where the thread has one (sanitizers).
static void give_stack(martlet_slot *slot) {
  stack_t present;
  if (sigaltstack(NULL, &present) != 0 || !(present.ss_flags & SS_DISABLE)) return;
  char *memory = mmap(NULL, guard_size + stack_size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return;
  mprotect(memory, guard_size, PROT_NONE);
  stack_t stack = {.ss_sp = memory + guard_size, .ss_flags = 0, .ss_size = stack_size};
  if (sigaltstack(&stack, NULL) == 0) {
    slot->stack = memory;
  } else {
    munmap(memory, guard_size + stack_size);
  }
}

void martlet_slot_open(const char *name) {
  martlet_slot *slot = &martlet_own_slot;
  if (slot->serial) return;
  slot->thread = (int32_t)syscall(SYS_gettid);
  strncpy(slot->name, name, sizeof slot->name - 1);
  give_stack(slot);
  pthread_mutex_lock(&lock);
  slot->serial = ++serials;
  // The watchdog may be asleep: the first call wakes it.
  slot->is_unwatched = 1;
  slot->next = slots;
  slots = slot;
  pthread_mutex_unlock(&lock);
}

void martlet_slot_close(void) {
  martlet_slot *slot = &martlet_own_slot;
  if (!slot->serial) return;
  pthread_mutex_lock(&lock);
  for (martlet_slot **place = &slots; *place; place = &(*place)->next) {
    if (*place != slot) continue;
    *place = slot->next;
    break;
  }
  slot->serial = 0;
  pthread_mutex_unlock(&lock);
  if (!slot->stack) return;
  stack_t none = {.ss_flags = SS_DISABLE};
  sigaltstack(&none, NULL);
  munmap(slot->stack, guard_size + stack_size);
  slot->stack = NULL;
}

// ---- The watchdog's side

size_t martlet_slots_observe(martlet_observation *out, size_t capacity) {
  size_t count = 0;
  pthread_mutex_lock(&lock);
  for (martlet_slot *slot = slots; slot && count < capacity; slot = slot->next) {
    // Taken before the call is seen: what is measured from here is never too long.
    uint64_t time = now();
    uint64_t *call = __atomic_load_n(&slot->call, __ATOMIC_ACQUIRE);
    if (!call) continue;
    martlet_observation *seen = &out[count++];
    seen->serial = slot->serial;
    seen->call = call;
    seen->count = __atomic_load_n(call, __ATOMIC_RELAXED);
    seen->tally = martlet_tally_of(call, &seen->hook);
    seen->thread = slot->thread;
    memcpy(seen->name, slot->name, sizeof seen->name);
    // One mark at a time: the thread takes it off, and so does this one when it is for a call that
    // is over.
    uint64_t *marked = __atomic_load_n(&slot->marked, __ATOMIC_ACQUIRE);
    if (marked == call && slot->marked_count == seen->count) continue;
    __atomic_store_n(&slot->marked_count, seen->count, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->marked_at, time, __ATOMIC_RELAXED);
    __atomic_store_n(&slot->marked, call, __ATOMIC_RELEASE);
  }
  pthread_mutex_unlock(&lock);
  return count;
}

bool martlet_slot_describe(const martlet_observation *seen, char *out, size_t capacity) {
  bool is_same = false;
  *out = 0;
  pthread_mutex_lock(&lock);
  for (martlet_slot *slot = slots; slot; slot = slot->next) {
    if (slot->serial != seen->serial) continue;
    const martlet_subject *subject = __atomic_load_n(&slot->subject, __ATOMIC_RELAXED);
    // The call may end meanwhile, and its stream with it: what is read is read by the kernel, which
    // refuses where nothing is, and thrown away where the call is another by then.
    martlet_describe(subject, out, capacity, false);
    is_same = __atomic_load_n(&slot->call, __ATOMIC_ACQUIRE) == seen->call &&
              __atomic_load_n(seen->call, __ATOMIC_RELAXED) == seen->count;
  }
  pthread_mutex_unlock(&lock);
  return is_same;
}

// True: some thread is in a call.
static bool set_unwatched(uint32_t value) {
  bool is_busy = false;
  pthread_mutex_lock(&lock);
  for (martlet_slot *slot = slots; slot; slot = slot->next) {
    __atomic_store_n(&slot->is_unwatched, value, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&slot->call, __ATOMIC_SEQ_CST)) is_busy = true;
  }
  pthread_mutex_unlock(&lock);
  return is_busy;
}

bool martlet_watch_sleep(uint64_t nanoseconds, bool until_called) {
  struct timespec time = {(time_t)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};
  // Who is in a call already wakes nobody.
  if (until_called && set_unwatched(1)) return true;
  syscall(SYS_futex, &woken, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
  bool was_woken = __atomic_exchange_n(&woken, 0, __ATOMIC_ACQUIRE);
  if (until_called) set_unwatched(0);
  return was_woken;
}

void martlet_watch_name(void) { pthread_setname_np(pthread_self(), "watchdog"); }

void martlet_watch_wake(void) {
  __atomic_store_n(&woken, 1, __ATOMIC_RELEASE);
  syscall(SYS_futex, &woken, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}
