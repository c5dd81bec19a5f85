// Whose code a thread is in. Every call into a plugin is made between martlet_call_begin and
// martlet_call_end, within a scope: what they leave in the thread's slot is read when the process dies
// (crash.c) and by the watchdog while a call lasts, and what they count is the cost of each filter and
// hook.
//
// C and not Swift, because a signal handler reads it, and because a slot must be one address that
// the thread finds without a call.
#ifndef MARTLET_BLAME_H
#define MARTLET_BLAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The functions of a plugin, by the names of their members in martlet.h (martlet_hook_name).
#define MARTLET_HOOK_LOAD 0
#define MARTLET_HOOK_ENTRY 1
#define MARTLET_HOOK_OPEN 2
#define MARTLET_HOOK_QUERY 3
#define MARTLET_HOOK_CLOSE 4
#define MARTLET_HOOK_CONFIG_CREATE 5
#define MARTLET_HOOK_CONFIG_DESTROY 6
#define MARTLET_HOOK_ROUTE_CONFIG_CREATE 7
#define MARTLET_HOOK_ROUTE_CONFIG_DESTROY 8
#define MARTLET_HOOK_ON_CONFIG_TIMER 9
#define MARTLET_HOOK_ON_CONFIG_WAKE 10
#define MARTLET_HOOK_WORKER_CREATE 11
#define MARTLET_HOOK_WORKER_DESTROY 12
#define MARTLET_HOOK_ON_WORKER_TIMER 13
#define MARTLET_HOOK_ON_WORKER_WAKE 14
#define MARTLET_HOOK_CREATE 15
#define MARTLET_HOOK_DESTROY 16
#define MARTLET_HOOK_ON_REQUEST_HEADERS 17
#define MARTLET_HOOK_ON_REQUEST_BODY 18
#define MARTLET_HOOK_ON_REQUEST_TRAILERS 19
#define MARTLET_HOOK_ON_RESPONSE_HEADERS 20
#define MARTLET_HOOK_ON_RESPONSE_BODY 21
#define MARTLET_HOOK_ON_RESPONSE_TRAILERS 22
#define MARTLET_HOOK_ON_BACK_PRESSURE 23
#define MARTLET_HOOK_ON_TIMER 24
#define MARTLET_HOOK_ON_WAKE 25
#define MARTLET_HOOK_ON_COMPLETE 26
#define MARTLET_HOOK_ON_NEW_CONNECTION 27
#define MARTLET_HOOK_ON_DATA 28
#define MARTLET_HOOK_ON_WRITE 29
#define MARTLET_HOOK_ON_CLOSE 30
#define MARTLET_HOOK_WRITE 31
#define MARTLET_HOOKS 32

/// The stream or connection that a call is about. Lives longer than the call.
typedef struct martlet_subject {
  uint64_t connection;
  /// Empty: no HTTP. Bytes as they came, of no encoding.
  const uint8_t *method, *authority, *path;
  uint64_t method_size, authority_size, path_size;
} martlet_subject;

/// The calls of one thread into one filter: what they cost, and who is to blame. Never freed, so
/// that another thread, or a signal handler, may look at it at any time. Written by its thread
/// alone, except for the limits. It lies in an arena, at a place that follows from its number, so that the
/// address of a count names both the tally and the hook (martlet_tally_of).
typedef struct martlet_tally {
  /// Exact.
  uint64_t calls[MARTLET_HOOKS];
  /// Nanoseconds; one call of MARTLET_SAMPLE is measured and stands for those before it.
  uint64_t time[MARTLET_HOOKS];
  /// Calls that were longer than `budget`, and the longest of those in nanoseconds.
  uint64_t over[MARTLET_HOOKS];
  uint64_t longest[MARTLET_HOOKS];
  /// Bytes that were taken of the host's allocator during calls.
  uint64_t bytes[MARTLET_HOOKS];
  /// Nanoseconds that one call may take, and after which it counts as stuck.
  uint64_t budget, stuck_after;
  /// Ended by NUL, for ever. `plugin` is NULL for filters of the proxy's own; `filter` is empty for
  /// the functions of the plugin itself.
  const char *plugin, *version, *hash, *filter;
  /// The worker's number; -1: the control thread.
  int64_t worker;
  struct martlet_tally *next;
} martlet_tally;

/// A thread's present call into a plugin.
typedef struct martlet_slot {
  /// &tally->calls[hook]; NULL: none.
  uint64_t *call;
  const martlet_subject *subject;
  /// The watchdog has seen this call under way (the address, the count, and when).
  uint64_t *marked;
  uint64_t marked_count, marked_at;
  /// The watchdog sleeps for long: whoever calls a plugin wakes it.
  uint32_t is_unwatched;
  int32_t thread;
  uint64_t serial;
  char name[16];
  void *stack;
  struct martlet_slot *next;
} martlet_slot;

extern _Thread_local martlet_slot martlet_own_slot
    __attribute__((tls_model("initial-exec"), aligned(64)));

/// One call in so many is measured: the first, and from there on.
#define MARTLET_SAMPLE 256

/// The rare parts of the functions below: what a measured call begins with (0: it is not measured), and what
/// it ends with.
uint64_t martlet_call_notice(martlet_slot *slot, uint64_t count);
void martlet_call_measure(martlet_slot *slot, uint64_t *call, uint64_t start);

/// What was under way when several calls on behalf of one subject began.
typedef struct martlet_scope {
  uint64_t *outer;
  const martlet_subject *outer_subject;
} martlet_scope;

/// Before calls on behalf of a subject, which may be NULL. The loads are atomic so that the compiler makes no
/// wide one of two: the processor could not take it from two stores just before.
static inline martlet_scope martlet_scope_begin(const martlet_subject *subject) {
  martlet_slot *slot = &martlet_own_slot;
  martlet_scope scope = {__atomic_load_n(&slot->call, __ATOMIC_RELAXED),
                         __atomic_load_n(&slot->subject, __ATOMIC_RELAXED)};
  __atomic_store_n(&slot->subject, subject, __ATOMIC_RELAXED);
  if (__builtin_expect(__atomic_load_n(&slot->is_unwatched, __ATOMIC_RELAXED), 0)) {
    martlet_call_notice(slot, 0);
  }
  return scope;
}

/// Behind them. What was under way is again.
static inline void martlet_scope_end(martlet_scope scope) {
  martlet_slot *slot = &martlet_own_slot;
  __atomic_store_n(&slot->subject, scope.outer_subject, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->call, scope.outer, __ATOMIC_RELEASE);
}

/// A call that is being made. `start` is 0 where it is not measured.
typedef struct martlet_call {
  uint64_t *call;
  uint64_t start;
} martlet_call;

/// Before a call, within a scope.
static inline martlet_call martlet_call_begin(martlet_tally *tally, uint32_t hook) {
  martlet_slot *slot = &martlet_own_slot;
  martlet_call call = {&tally->calls[hook], 0};
  uint64_t count = *call.call + 1;
  __atomic_store_n(call.call, count, __ATOMIC_RELAXED);
  __atomic_store_n(&slot->call, call.call, __ATOMIC_RELEASE);
  if (__builtin_expect((count & (MARTLET_SAMPLE - 1)) == 1, 0)) call.start = martlet_call_notice(slot, count);
  return call;
}

/// When it has returned.
static inline void martlet_call_end(martlet_call call) {
  martlet_slot *slot = &martlet_own_slot;
  if (__builtin_expect(call.start != 0 || __atomic_load_n(&slot->marked, __ATOMIC_RELAXED), 0)) {
    martlet_call_measure(slot, call.call, call.start);
  }
  __atomic_store_n(&slot->call, NULL, __ATOMIC_RELEASE);
}

/// The plugin's allocator has given so many bytes: they are those of the call that is under way.
static inline void martlet_call_allocated(uint64_t bytes) {
  uint64_t *call = martlet_own_slot.call;
  if (!call) return;
  uint64_t *count = call + 4 * MARTLET_HOOKS;
  __atomic_store_n(count, *count + bytes, __ATOMIC_RELAXED);
}

// ---- Tallies

/// The tally of a filter on a worker (-1: the control thread), made at first asking. From any
/// thread. The texts are copied. `plugin` NULL: for filters of the proxy's own.
martlet_tally *martlet_tally_find(int64_t worker, const char *plugin, const char *version,
                                  const char *hash, const char *filter);
/// All there are, one after the other; begin with NULL. From any thread.
martlet_tally *martlet_tally_next(const martlet_tally *tally);
/// In nanoseconds. The control thread's calls have no budget.
void martlet_tally_limit(martlet_tally *tally, uint64_t budget, uint64_t stuck_after);
static inline uint64_t martlet_tally_budget(const martlet_tally *tally) {
  return __atomic_load_n(&tally->budget, __ATOMIC_RELAXED);
}
static inline uint64_t martlet_tally_stuck_after(const martlet_tally *tally) {
  return __atomic_load_n(&tally->stuck_after, __ATOMIC_RELAXED);
}
/// What is in a tally's array, read on any thread.
static inline uint64_t martlet_tally_read(const uint64_t *array, uint32_t hook) {
  return __atomic_load_n(&array[hook], __ATOMIC_RELAXED);
}
static inline uint64_t martlet_tally_calls(const martlet_tally *tally, uint32_t hook) {
  return martlet_tally_read(tally->calls, hook);
}
static inline uint64_t martlet_tally_time(const martlet_tally *tally, uint32_t hook) {
  return martlet_tally_read(tally->time, hook);
}
static inline uint64_t martlet_tally_over(const martlet_tally *tally, uint32_t hook) {
  return martlet_tally_read(tally->over, hook);
}
static inline uint64_t martlet_tally_longest(const martlet_tally *tally, uint32_t hook) {
  return martlet_tally_read(tally->longest, hook);
}
static inline uint64_t martlet_tally_bytes(const martlet_tally *tally, uint32_t hook) {
  return martlet_tally_read(tally->bytes, hook);
}
/// As the member of the table in martlet.h is called.
const char *martlet_hook_name(uint32_t hook);

// ---- Threads

/// This thread calls plugins: it is watched, and has a stack for signals of its own, so that a
/// stack that is full can be told of. Once a thread.
void martlet_slot_open(const char *name);
/// Before the thread ends.
void martlet_slot_close(void);
/// Names this thread's slot in observations; 0: it has none.
static inline uint64_t martlet_own_slot_serial(void) { return martlet_own_slot.serial; }

// ---- The watchdog's side

/// A call that was under way.
typedef struct martlet_observation {
  uint64_t serial;
  uint64_t *call;
  uint64_t count;
  const martlet_tally *tally;
  uint32_t hook;
  int32_t thread;
  char name[16];
} martlet_observation;

/// Looks at all threads and marks the calls that are under way, so that they measure themselves
/// when they end. Gives how many it has written.
size_t martlet_slots_observe(martlet_observation *out, size_t capacity);
/// The connection and request of a call, where it is still under way; false otherwise.
bool martlet_slot_describe(const martlet_observation *seen, char *out, size_t capacity);
/// Sleeps. `until_called`: at most so long, and no longer than until a plugin is called. True: it was ended
/// by martlet_watch_wake or by a call.
bool martlet_watch_sleep(uint64_t nanoseconds, bool until_called);
/// Names the watchdog's thread.
void martlet_watch_name(void);
/// Ends the sleep, or the next one.
void martlet_watch_wake(void);

// ---- Crashes

/// What is known of a crash, in a page that a supervisor shares. Texts are ended by NUL.
typedef struct martlet_crash {
  /// Not 0: a plugin is to blame.
  uint32_t is_blamed;
  int32_t signal;
  char plugin[128], version[64], hash[72], filter[128], hook[32];
  /// As in the log: `connection 7, GET "example.com" "/path"`.
  char subject[1024];
} martlet_crash;

/// Fatal signals write who is to blame before they do what they did before. Once a process.
void martlet_crash_install(void);
/// A thread has taken a signal by waiting for it. While another thread dies it may have been meant to be
/// handled: a backtrace stops the threads by signals. Does so, and may never return.
void martlet_crash_yield(int number);
/// A file that gets the lines as well; -1: standard error alone.
void martlet_crash_log(int32_t descriptor);
/// Also filled; NULL: none.
void martlet_crash_share(martlet_crash *page);
/// Code of a plugin lies there: threads of its own are blamed by it.
void martlet_crash_library(const void *start, const void *end, const martlet_tally *owner);
/// `handle` is dlopen's.
void martlet_crash_library_of(void *handle, const martlet_tally *owner);

/// Printable ASCII as it is, `"` and `\` behind a backslash, all else as \xHH; what does not fit is
/// left out and `...` stands for it. Ended by NUL; gives the length.
size_t martlet_escape(char *out, size_t capacity, const uint8_t *bytes, size_t size);

#endif
