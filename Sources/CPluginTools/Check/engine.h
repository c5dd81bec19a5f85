// The parts of the wrappers, for each other: findings, lent memory, scopes, hooks, calls.
//
//     findings.cpp   what is reported, and the signals of crashes
//     lent.cpp       memory that is lent: its pages, and what a fault in them means
//     hooks.cpp      the plugin's tables: scopes begin and end here, hooks are timed
//     calls*.cpp     the host's tables
//     state.cpp      facts of the whole process
#ifndef MARTLET_PLUGIN_TOOLS_ENGINE_H
#define MARTLET_PLUGIN_TOOLS_ENGINE_H

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "plugin_tools.h"

namespace tools {

// ---- Findings

struct Options {
  martlet_tools_mode mode = MARTLET_TOOLS_HOOKS;
  int report = -1;
  uint64_t seed = 0;
  std::string filter, denied;
};
extern Options options;
inline bool guarding() { return options.mode == MARTLET_TOOLS_GUARD; }

// One line, each text once.
void violated(const char *requirement, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The same as the last line; from a signal handler too.
[[noreturn]] void ended(const char *requirement, const char *text);
void takeSignals();
// The calling thread's own stack for signals.
void prepareThread();
pid_t thread();

// ---- Scopes: what a handle names, for as long as the process lives (findings name ended ones)

struct Scope {
  enum Kind { plugin, config, worker, stream };
  Kind kind;
  martlet_handle handle;
  void *object = nullptr;
  pid_t owner = 0;  // the only thread that may touch it
  const char *hook = "";
  int depth = 0;
  bool isEnding = false;  // on_complete or on_close has been called
  bool isOver = false;    // its end has begun: no handle any more
  bool isInjected = false;
  bool isStreaming = false;  // reply_start without its end
  const char *answered = nullptr;  // the terminal call that it has made
  int closeMode = -1;
  uint64_t spent = 0;  // ticks
  std::vector<uint32_t> lentForStream, lentForHook[2];
};

// The scope of a handle; nullptr: not one of the subject's.
Scope *find(martlet_handle handle);
Scope *add(Scope::Kind kind, martlet_handle handle, void *object);
void forget(Scope *scope);
// Where this thread is: the hook that runs, or what it was said to be doing.
struct Frame {
  const char *hook;
  Scope *scope;
};
extern thread_local Frame frame;
extern thread_local int insideHost;
extern std::atomic<const char *> place;
extern std::atomic<bool> isClosed;
std::string here();
// For signal handlers: no allocation.
const char *exchange();

// ---- Lent memory

enum class Word { call, hook, stream, config };
// A copy in pages of its own, read-only, right-aligned, so that the byte behind it cannot be read.
martlet_bytes lend(martlet_bytes bytes, Word word, const char *from, std::vector<uint32_t> &list);
// Any memory, aligned as malloc's.
const void *lendStruct(const void *memory, size_t size, const char *from, std::vector<uint32_t> &list);
// What is in the list may not be touched any more. `when` says since when.
void takeBack(std::vector<uint32_t> &list, const char *when);
// Whether the address is lent memory, and what its fault means: the requirement and a text.
bool explainFault(uintptr_t address, bool isWrite, const char **requirement, char *text, size_t capacity);

// ---- Clocks and figures

uint64_t ticks();
double nanosecondsPerTick();

class Figures {
 public:
  const char *name = nullptr;
  void note(uint64_t ticks);
  void noteWait(uint64_t wait, uint64_t work);
  void read(martlet_tools_figures *out, double cost);
  void clear();

 private:
  static constexpr size_t kept = 1 << 15;
  std::vector<uint32_t> samples;
  uint64_t count = 0, sum = 0, longestWait = 0, longestWork = 0, waited = 0;
};
extern std::vector<Figures *> callFigures;
extern std::mutex callFiguresLock;
// What reading the clock twice costs: nanoseconds, and ticks.
double clockCost();
uint64_t clockTicks();

// ---- What a stream leaves

void leave(const std::string &key, const std::string &value);
void count(const char *what, uint32_t metric, uint64_t amount);
void nameMetric(uint32_t metric, const std::string &name);
void noteSeries(uint32_t family, const martlet_bytes *values, size_t count);
uint64_t nextRandom();
extern std::atomic<bool> isSeeded;

// ---- Host tables

extern const martlet_host_core *realCore;
extern const martlet_host_config *realConfig;
extern const martlet_host_metrics *realMetrics;
extern const martlet_host_text *realText;
extern const martlet_host_shared_data *realShared;
extern const martlet_host_stream_info *realInfo;
extern const martlet_host_network *realNetwork;
extern const martlet_host_http *realHttp;
const martlet_host_core *wrapCore();
const martlet_host_config *wrapConfig();
const martlet_host_metrics *wrapMetrics();
const martlet_host_text *wrapText();
const martlet_host_shared_data *wrapShared();
const martlet_host_stream_info *wrapInfo();
const martlet_host_network *wrapNetwork();
const martlet_host_http *wrapHttp();
// The table that a filter's `create` is handed.
const martlet_host_http *httpForFilters(const martlet_host_http *given);
const martlet_host_network *networkForFilters(const martlet_host_network *given);

// A call of the host: what is checked before it and after it.
class Call {
 public:
  enum Flags : unsigned { onWorker = 1, onControl = 2, onAny = 4, acts = 8, answers = 16, mayBeLate = 32 };
  // `what`: the part of a stream that it acts on (a direction), or -1.
  Call(Figures &figures, martlet_handle handle, unsigned flags, int what = -1);
  ~Call();
  Scope *scope = nullptr;
  // After the host's function: its status, or the one that is given on.
  martlet_status done(martlet_status status);
  void lend(martlet_status status, martlet_bytes *out, Word word, int direction = 0);
  // A header's name as the plugin writes it.
  void name(martlet_bytes name);

 private:
  Figures &figures;
  unsigned flags;
  uint64_t began = 0;
};

struct NamedFigures : Figures {
  explicit NamedFigures(const char *text);
};

}  // namespace tools

// At the head of each wrapper: `call` checks and measures it.
#define MARTLET_CALL(table, function, handle, ...)           \
  static tools::NamedFigures figures_(#table "." #function); \
  tools::Call call(figures_, handle, __VA_ARGS__)

#endif
