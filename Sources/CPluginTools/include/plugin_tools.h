// What `martlet plugin check` and `bench` put between a plugin and the host: the host's tables wrapped
// so that each call is checked, counted or timed, and the plugin's tables wrapped so that each hook is.
// One plugin and one of its filters (the subject) in a process; all state is the process's own.
//
// The wrappers stand around the tables that the real host and the real plugin have given; nothing in the
// data plane knows of them. What they find is written as lines to a descriptor, so that nothing is lost
// when the plugin ends the process:
//
//     V <requirement> <what happened>        goes on
//     C <requirement> <what happened>        the process ends here
//     Q <id>                                 the plugin has asked for this table
//
// Threading: `start`, `wrap_*` before any filter runs; the rest from any thread.
#ifndef MARTLET_PLUGIN_TOOLS_H
#define MARTLET_PLUGIN_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "martlet.h"

#ifdef __cplusplus
extern "C" {
#endif

// What is between plugin and host.
typedef int32_t martlet_tools_mode;
#define MARTLET_TOOLS_HOOKS 0 // hooks are timed, the host's tables are its own
#define MARTLET_TOOLS_CALLS 1 // hooks and calls of the host are counted and timed
#define MARTLET_TOOLS_GUARD 2 // every rule is checked; what is lent stands in pages of its own
#define MARTLET_TOOLS_WAITS 3 // as HOOKS, and what a hook waits for is looked at

typedef struct martlet_tools_options {
  martlet_tools_mode mode;
  // Where findings are written.
  int32_t report;
  // Seed of `random` of the core services; the host's own where it is 0.
  uint64_t seed;
  // The name of the filter that is looked at.
  const char *filter;
  // A table that the host is to lack, or NULL.
  const char *denied;
} martlet_tools_options;

// Copies what it is given. Also takes over the signals of crashes, so that the last finding says
// where the plugin was.
void martlet_tools_start(const martlet_tools_options *options);

// The host's table as the plugin gets it.
const void *martlet_tools_wrap_host(const char *id, const void *table);
// The plugin's descriptor as the host gets it.
const martlet_plugin *martlet_tools_wrap_plugin(const martlet_plugin *plugin);

// What a crash outside of any hook is blamed on ("loading the library"); NULL: the host itself.
void martlet_tools_place(const char *place);
// A finding of the caller's.
void martlet_tools_say(const char *line);

// ---- Exchanges

// A new one: its description stands in findings, `random` begins at `seed` again, and what the filter
// leaves (metadata, filter state, metrics) is collected from here on.
void martlet_tools_exchange(const char *description, uint64_t seed);
// Streams of the subject that stand.
int64_t martlet_tools_live(void);
// What it has left since, as lines of text. Gives the length; writes at most `capacity` bytes.
size_t martlet_tools_outcome(char *out, size_t capacity);
// Different label values that the filter has asked for.
uint64_t martlet_tools_series(void);
// How long `open`, and the longest `config_create`, took: nanoseconds.
uint64_t martlet_tools_open_time(void);
uint64_t martlet_tools_config_time(void);

// ---- Injection: after the subject's hook of this number has returned, an act on its stream.
typedef int32_t martlet_tools_act;
#define MARTLET_TOOLS_NOTHING 0
#define MARTLET_TOOLS_REPLY 1
#define MARTLET_TOOLS_RESET 2
void martlet_tools_inject(int32_t hook, martlet_tools_act act);
// How often it was done since it was asked for.
uint32_t martlet_tools_injected(void);

// ---- Hooks and calls by number

typedef struct martlet_tools_figures {
  const char *name;
  uint64_t count;
  // Of one, nanoseconds, the clock's own cost taken off.
  double median;
  double total;
  // Hooks: the longest that one has waited for something else than the processor, and worked.
  uint64_t longest_wait;
  uint64_t longest_work;
  // Hooks: how many have waited 0.2 ms or more.
  uint64_t waited;
} martlet_tools_figures;

int32_t martlet_tools_hook_count(void);
// False: the subject lacks it.
bool martlet_tools_has_hook(int32_t hook);
const char *martlet_tools_hook_name(int32_t hook);
bool martlet_tools_hook(int32_t hook, martlet_tools_figures *out);
// False: there is no call of that number (they are numbered as they were first made).
bool martlet_tools_call(int32_t call, martlet_tools_figures *out);
// Per stream: creation, hooks and end.
void martlet_tools_stream_figures(martlet_tools_figures *out);
// Begins to count anew.
void martlet_tools_clear_figures(void);

// The end of a run: rules that only then can be looked at.
void martlet_tools_finish(void);

// Ends the process where a function of the plugin has not returned after so many seconds.
void martlet_tools_watch(uint32_t seconds);

// Waits until the other end of a TCP connection over IPv4 on this machine has read all that was written, up
// to about `milliseconds`. False: it has not, has gone, or the kernel does not say.
bool martlet_tools_wait_until_read(int descriptor, uint32_t milliseconds);

// Bytes of malloc that are in use, in all arenas.
uint64_t martlet_tools_heap(void);
// A text of the process's own state that plugins must not change: signal actions, locale, directory,
// mask, environment. Gives the length.
size_t martlet_tools_process_state(char *out, size_t capacity);

// ---- Files of new plugins, in this binary

typedef struct martlet_tools_file {
  const char *name;
  const uint8_t *bytes;
  size_t size;
} martlet_tools_file;
// NULL bytes: no file of that number.
martlet_tools_file martlet_tools_template(int32_t number);

#ifdef __cplusplus
}
#endif
#endif
