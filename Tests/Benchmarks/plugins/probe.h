/* What the benchmark's two plugins share (martlet.c and envoy.c do the same work, each through its
 * host's interface): the clock, and what a probe measures and answers.
 *
 *     request:   work x 4                         a header is read; the answer is kept in the stream
 *     response:  work x 4                         a header is set, a counter counts one
 *
 *     request:   first -> no-op x 64 -> last      `last` keeps the time between the two
 *                                                 and, when the request asks for it, measures calls
 *     response:  last                             sets the header that hands the figures out
 *
 * All of this is for one worker thread: a request's hooks follow each other without a gap, and
 * nothing here is shared with a second thread.
 */
#ifndef BENCH_PROBE_H
#define BENCH_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A request with this header has `last` measure the calls, and has the answer's header of the same
 * name say what was found. */
#define FIGURES_HEADER "x-bench-figures"

/* The header that the loops read and the one that they set, both in the request. */
#define GET_HEADER "x-bench-get"
#define SET_HEADER "x-bench-set"
#define GET_VALUE "0123456789abcdef"
static const char *const set_values[2] = {"fedcba9876543210", "0123456789abcdef"};
#define VALUE_SIZE (sizeof GET_VALUE - 1)

/* The counter of the loops, and that of the working filters. */
#define CALLS_COUNTER "bench_calls"
#define WORK_COUNTER "bench_work"

/* The header that the working filters read: both proxies have set it before the first filter. */
#define WORK_HEADER "x-forwarded-proto"
#define WORK_VALUE "http"

/* The clock is read in the plugin: a host's own (martlet_host_core.now) stands still during a turn. */
static inline uint64_t nanoseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- The time of the no-op hooks: from the end of `first` to the beginning of `last`. One reading of
 * the clock is part of it, and one step of the chain more than there are no-op filters: over 64 of them
 * about half a nanosecond each, against the proxy. */

#define KEPT 4096

static uint64_t first_left;
static uint64_t kept[KEPT]; /* of the last requests, as a ring */
static uint64_t kept_count;

static inline void first_leaves(void) { first_left = nanoseconds(); }

static inline void last_enters(void) { kept[kept_count++ % KEPT] = nanoseconds() - first_left; }

static int by_size(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

static uint64_t median(const uint64_t *values, size_t count) {
  static uint64_t sorted[KEPT];
  memcpy(sorted, values, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, by_size);
  return count ? sorted[count / 2] : 0;
}

/* ---- The time of calls, in batches short enough that most are not interrupted. */

#define BATCHES 100
#define CALLS 1000

/* Nanoseconds of CALLS calls, the median of BATCHES of them, or -1 when one of the calls did not answer
 * as it should. `right` is the call and the check of its answer; `i` counts. The calls lead out of this
 * library, to where the compiler cannot look, and each answer is used: nothing of the loop can be left
 * out. The loop and the check are in the figure, for about a nanosecond. */
#define TIME_OF_CALLS(result, right)                                  \
  do {                                                                \
    uint64_t took[BATCHES];                                           \
    uint32_t good = 0;                                                \
    for (uint32_t batch = 0; batch < BATCHES; batch++) {              \
      uint64_t began = nanoseconds();                                 \
      for (uint32_t i = 0; i < CALLS; i++) good += (right) ? 1 : 0;   \
      took[batch] = nanoseconds() - began;                            \
    }                                                                 \
    (result) = good == BATCHES * CALLS ? (int64_t)median(took, BATCHES) : -1; \
  } while (0)

/* Of CALLS calls each. A host that knows no numbers for names leaves `by_id` as 0. */
typedef struct {
  int64_t get_by_id, get_by_name, set_by_id, set_by_name, add;
} call_times;

#define FIGURES_SIZE 256

/* `hooks` is the time from `first` to `last`, `requests` how many there were, `calls` how many each of
 * the others is the time of, `added` how often the counter was added to for this. */
static int write_figures(char *text, const call_times *times) {
  uint64_t hooks = median(kept, kept_count < KEPT ? (size_t)kept_count : KEPT);
  return snprintf(text, FIGURES_SIZE,
                  "hooks=%llu requests=%llu calls=%d added=%d get=%lld get-name=%lld set=%lld set-name=%lld add=%lld",
                  (unsigned long long)hooks, (unsigned long long)kept_count, CALLS, BATCHES * CALLS,
                  (long long)times->get_by_id, (long long)times->get_by_name, (long long)times->set_by_id,
                  (long long)times->set_by_name, (long long)times->add);
}

#endif
