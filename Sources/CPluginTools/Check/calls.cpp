// What is checked, counted and timed at each call of the host, and where the wrapped tables are found.
#include "engine.h"

#include <string.h>
#include <time.h>

#include <algorithm>
#include <map>

namespace tools {

std::vector<Figures *> callFigures;
std::mutex callFiguresLock;

NamedFigures::NamedFigures(const char *text) {
  name = text;
  std::lock_guard<std::mutex> guard(callFiguresLock);
  callFigures.push_back(this);
}

// ---- Rules

Call::Call(Figures &figures, martlet_handle handle, unsigned flags, int what)
    : figures(figures), flags(flags) {
  if (guarding()) {
    const char *name = figures.name;
    scope = find(handle);
    // A plugin's own handle belongs to no thread.
    const bool isOwn = scope && scope->kind != Scope::plugin;
    const bool isBound = flags & (onWorker | onControl);
    if (isClosed) {
      violated("A11", "%s was called after `close` had returned", name);
    } else if (isOwn && isBound && scope->owner != thread()) {
      violated("A8", "%s was called on a thread that does not own the handle, %s", name, here().c_str());
      scope = nullptr;
    } else if (isOwn && scope->kind == Scope::stream && (flags & (acts | answers))) {
      if (scope->isEnding && !scope->isOver) {
        violated("A19", "%s was called %s, when the stream had ended", name, here().c_str());
      } else if (scope->answered && !scope->isInjected) {
        const bool isOther = what == MARTLET_RESPONSE;
        const bool endsStreaming = scope->isStreaming && strcmp(name, "http.reset") == 0;
        if (!isOther && !endsStreaming) {
          violated("A19", "%s was called %s, after %s of the same stream", name, here().c_str(),
                   scope->answered);
        }
      }
    }
  }
  insideHost++;
  if (options.mode == MARTLET_TOOLS_CALLS) began = ticks();
}

Call::~Call() { insideHost--; }

martlet_status Call::done(martlet_status status) {
  if (options.mode == MARTLET_TOOLS_CALLS) {
    const uint64_t took = ticks() - began;
    std::lock_guard<std::mutex> guard(callFiguresLock);
    figures.note(took);
  }
  if (!guarding() || !scope) return status;
  const bool isRefused = status == MARTLET_E_GONE || (status == MARTLET_E_ARGUMENT && (flags & mayBeLate));
  if (isRefused && scope->isOver && strcmp(figures.name, "core.wake") != 0) {
    static const char *const kinds[] = {"plugin", "configuration", "worker scope", "stream"};
    violated("A18", "%s was called %s with the handle of a %s that had ended", figures.name, here().c_str(),
             kinds[scope->kind]);
  }
  if (status == MARTLET_OK && (flags & answers)) scope->answered = figures.name;
  return status;
}

void Call::lend(martlet_status status, martlet_bytes *out, Word word, int direction) {
  if (!guarding() || !scope || status != MARTLET_OK || !out) return;
  auto &list = word == Word::hook ? scope->lentForHook[direction & 1] : scope->lentForStream;
  *out = tools::lend(*out, word, figures.name, list);
}

void Call::name(martlet_bytes name) {
  if (!guarding() || !name.data) return;
  for (size_t index = 0; index < name.size; index++) {
    if (name.data[index] >= 'A' && name.data[index] <= 'Z') {
      violated("A13", "%s was asked for `%.*s` %s: names are in lower case", figures.name, int(name.size),
               reinterpret_cast<const char *>(name.data), here().c_str());
      return;
    }
  }
}

// ---- Clocks and figures

uint64_t ticks() {
#if defined(__x86_64__)
  return __builtin_ia32_rdtsc();
#else
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return uint64_t(time.tv_sec) * 1000000000 + uint64_t(time.tv_nsec);
#endif
}

double nanosecondsPerTick() {
  static const double rate = [] {
    timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    const uint64_t first = ticks();
    double passed;
    do {
      clock_gettime(CLOCK_MONOTONIC, &to);
      passed = double(to.tv_sec - from.tv_sec) * 1e9 + double(to.tv_nsec - from.tv_nsec);
    } while (passed < 2e7);
    return passed / double(ticks() - first);
  }();
  return rate;
}

uint64_t clockTicks() {
  static const uint64_t cost = [] {
    std::vector<uint64_t> all;
    for (int round = 0; round < 1001; round++) {
      const uint64_t first = ticks();
      all.push_back(ticks() - first);
    }
    std::nth_element(all.begin(), all.begin() + 500, all.end());
    return all[500];
  }();
  return cost;
}

double clockCost() { return double(clockTicks()) * nanosecondsPerTick(); }

void Figures::note(uint64_t took) {
  count++;
  sum += took;
  // The newest stand in the place of the oldest.
  if (samples.size() < kept) {
    samples.push_back(uint32_t(std::min<uint64_t>(took, UINT32_MAX)));
  } else {
    samples[count % kept] = uint32_t(std::min<uint64_t>(took, UINT32_MAX));
  }
}

void Figures::noteWait(uint64_t wait, uint64_t work) {
  longestWait = std::max(longestWait, wait);
  longestWork = std::max(longestWork, work);
  if (wait >= 200000) waited++;
}

void Figures::read(martlet_tools_figures *out, double cost) {
  *out = {};
  out->name = name;
  out->count = count;
  out->longest_wait = longestWait;
  out->longest_work = longestWork;
  out->waited = waited;
  if (samples.empty()) return;
  std::vector<uint32_t> sorted = samples;
  std::nth_element(sorted.begin(), sorted.begin() + long(sorted.size() / 2), sorted.end());
  const double rate = nanosecondsPerTick();
  out->median = std::max(0.0, double(sorted[sorted.size() / 2]) * rate - cost);
  out->total = std::max(0.0, double(sum) * rate - cost * double(count));
}

void Figures::clear() {
  samples.clear();
  count = sum = longestWait = longestWork = waited = 0;
}

// ---- What streams leave

namespace {
std::mutex outcomeLock;
std::map<std::string, std::string> left;
std::map<std::string, uint64_t> counted;
std::map<std::string, uint64_t> members;
std::map<uint32_t, std::string> metricNames;
std::atomic<uint64_t> randomState{0};
char descriptions[2][300];
std::atomic<const char *> described{""};
}  // namespace

std::atomic<bool> isSeeded{false};

const char *exchange() { return described.load(); }

void leave(const std::string &key, const std::string &value) {
  std::lock_guard<std::mutex> guard(outcomeLock);
  left[key] = value;
}

void nameMetric(uint32_t metric, const std::string &name) {
  std::lock_guard<std::mutex> guard(outcomeLock);
  metricNames[metric] = name;
}

void count(const char *what, uint32_t metric, uint64_t amount) {
  std::lock_guard<std::mutex> guard(outcomeLock);
  const auto name = metricNames.find(metric);
  const std::string of = name == metricNames.end() ? std::to_string(metric) : name->second;
  counted[std::string(what) + " " + of] += amount;
}

void noteSeries(uint32_t family, const martlet_bytes *values, size_t count) {
  std::string key = std::to_string(family);
  for (size_t index = 0; index < count; index++) {
    key += '\0';
    const auto *text = reinterpret_cast<const char *>(values[index].data);
    key.append(text, text ? values[index].size : 0);
  }
  std::lock_guard<std::mutex> guard(outcomeLock);
  members[key]++;
}

// splitmix64: the same exchange draws the same numbers.
uint64_t nextRandom() {
  uint64_t value = randomState.fetch_add(0x9e3779b97f4a7c15) + 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// ---- Tables

const martlet_host_core *realCore;
const martlet_host_config *realConfig;
const martlet_host_metrics *realMetrics;
const martlet_host_text *realText;
const martlet_host_shared_data *realShared;
const martlet_host_stream_info *realInfo;
const martlet_host_network *realNetwork;
const martlet_host_http *realHttp;

static bool isWrapping() { return guarding() || options.mode == MARTLET_TOOLS_CALLS; }

const martlet_host_http *httpForFilters(const martlet_host_http *given) {
  realHttp = given;
  return isWrapping() ? wrapHttp() : given;
}

const martlet_host_network *networkForFilters(const martlet_host_network *given) {
  realNetwork = given;
  return isWrapping() ? wrapNetwork() : given;
}

}  // namespace tools

using namespace tools;

void martlet_tools_start(const martlet_tools_options *given) {
  options.mode = given->mode;
  options.report = given->report;
  options.seed = given->seed;
  options.filter = given->filter ? given->filter : "";
  options.denied = given->denied ? given->denied : "";
  isSeeded = given->seed != 0;
  clockCost();
  takeSignals();
}

const void *martlet_tools_wrap_host(const char *id, const void *table) {
  const std::string name = id;
  martlet_tools_say(("Q " + name).c_str());
  if (!table || name == options.denied) return nullptr;
  if (!isWrapping()) return table;
#define TABLE(id_, type, real, wrap)                \
  if (name == id_) {                                \
    real = static_cast<const type *>(table);        \
    return wrap();                                  \
  }
  TABLE("martlet.host.core/1", martlet_host_core, realCore, wrapCore)
  TABLE("martlet.host.config/1", martlet_host_config, realConfig, wrapConfig)
  TABLE("martlet.host.metrics/1", martlet_host_metrics, realMetrics, wrapMetrics)
  TABLE("martlet.host.text/1", martlet_host_text, realText, wrapText)
  TABLE("martlet.host.shared_data/1", martlet_host_shared_data, realShared, wrapShared)
  TABLE("martlet.host.stream_info/1", martlet_host_stream_info, realInfo, wrapInfo)
  TABLE("martlet.host.network/1", martlet_host_network, realNetwork, wrapNetwork)
  TABLE("martlet.host.http/1", martlet_host_http, realHttp, wrapHttp)
#undef TABLE
  return table;
}

void martlet_tools_exchange(const char *description, uint64_t seed) {
  static int slot = 0;
  slot ^= 1;
  strncpy(descriptions[slot], description, sizeof descriptions[slot] - 1);
  described = descriptions[slot];
  randomState = seed;
  std::lock_guard<std::mutex> guard(outcomeLock);
  left.clear();
  counted.clear();
}

size_t martlet_tools_outcome(char *out, size_t capacity) {
  std::string all;
  {
    std::lock_guard<std::mutex> guard(outcomeLock);
    for (const auto &one : left) all += one.first + "=" + one.second + "\n";
    for (const auto &one : counted) all += one.first + "=" + std::to_string(one.second) + "\n";
  }
  if (capacity > 0) memcpy(out, all.data(), std::min(capacity, all.size()));
  return all.size();
}

uint64_t martlet_tools_series(void) {
  std::lock_guard<std::mutex> guard(outcomeLock);
  return members.size();
}

bool martlet_tools_call(int32_t number, martlet_tools_figures *out) {
  std::lock_guard<std::mutex> guard(callFiguresLock);
  if (number < 0 || size_t(number) >= callFigures.size()) return false;
  callFigures[size_t(number)]->read(out, clockCost());
  return true;
}
