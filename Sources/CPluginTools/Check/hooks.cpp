// The plugin's tables as the host gets them. Each hook goes through `run`, which knows where the plugin
// is, keeps what it throws, takes back what was lent to it and measures it. The objects that the host
// holds are scopes of ours; the plugin sees its own.
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <exception>
#include <thread>
#include <unordered_map>

#include "engine.h"

namespace tools {

namespace {

enum Hook : int {
  configCreate, configDestroy, routeConfigCreate, routeConfigDestroy, configTimer, configWake, workerCreate,
  workerDestroy, workerTimer, workerWake, create, requestHeaders, requestBody, requestTrailers,
  responseHeaders, responseBody, responseTrailers, backPressure, timer, wake, complete, newConnection, data,
  writing, closed, destroy, hookCount
};

const char *const names[hookCount] = {
    "config_create", "config_destroy", "route_config_create", "route_config_destroy", "on_config_timer",
    "on_config_wake", "worker_create", "worker_destroy", "on_worker_timer", "on_worker_wake", "create",
    "on_request_headers", "on_request_body", "on_request_trailers", "on_response_headers",
    "on_response_body", "on_response_trailers", "on_back_pressure", "on_timer", "on_wake", "on_complete",
    "on_new_connection", "on_data", "on_write", "on_close", "destroy"};

Figures figures[hookCount];
Figures perStream;
std::mutex figuresLock;

const martlet_plugin *plugin = nullptr;
martlet_plugin pluginWrapped;
const martlet_http_filter *http = nullptr;
const martlet_network_filter *network = nullptr;
uint64_t openTime = 0, configTime = 0;
std::atomic<int64_t> live{0};
pid_t controlThread = 0;

std::mutex scopesLock;
std::unordered_map<martlet_handle, Scope *> scopes;
std::unordered_map<void *, Scope *> routeScopes;

std::atomic<int> injectHook{-1}, injectAct{0};
std::atomic<uint32_t> injectedCount{0};

uint64_t clockOf(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return uint64_t(time.tv_sec) * 1000000000 + uint64_t(time.tv_nsec);
}

// What a hook spends waiting for something else than a processor.
struct Waits {
  uint64_t wall, work;
  long given;
  static Waits now() {
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return {clockOf(CLOCK_MONOTONIC), clockOf(CLOCK_THREAD_CPUTIME_ID), usage.ru_nvcsw};
  }
};

void inject(Scope *scope, int hook) {
  if (hook != injectHook.load() || scope->kind != Scope::stream || scope->isEnding || scope->answered) return;
  if (scope->isInjected) return;
  scope->isInjected = true;
  injectedCount++;
  if (network) {
    realNetwork->close(scope->handle,
                       injectAct.load() == MARTLET_TOOLS_RESET ? MARTLET_CLOSE_RESET : MARTLET_CLOSE_FLUSH);
  } else if (injectAct.load() == MARTLET_TOOLS_RESET) {
    realHttp->reset(scope->handle);
  } else {
    static const uint8_t text[] = "in the middle\n";
    martlet_reply reply = {};
    reply.size = sizeof reply;
    reply.status = 503;
    reply.body = {text, sizeof text - 1};
    reply.grpc_status = -1;
    realHttp->reply(scope->handle, &reply);
  }
}

// What runs, for the watch: on the control thread, and on the worker.
struct Running {
  std::atomic<const char *> name{nullptr};
  std::atomic<uint64_t> since{0};
};
Running running[2];
Running &runningOf(const Scope *scope) {
  return running[scope && (scope->kind == Scope::stream || scope->kind == Scope::worker)];
}

// Around a function of the plugin's.
class Entered {
 public:
  Entered(Scope *scope, int hook) : scope(scope), hook(hook), before(frame), hostBefore(insideHost) {
    prepareThread();
    if (guarding() && scope) {
      if (scope->depth > 0) {
        violated("H3", "%s was called inside %s of the same object", names[hook], scope->hook);
      }
      if (scope->owner != thread()) violated("H3", "%s was called on another thread", names[hook]);
      const bool isLast = hook == complete || hook == closed || hook == destroy;
      if (scope->isEnding && scope->kind == Scope::stream && !isLast) {
        violated("H10", "%s was called after the last hook of the stream", names[hook]);
      }
    }
    if (scope) {
      scope->depth++;
      scope->hook = names[hook];
    }
    frame = {names[hook], scope};
    insideHost = 0;
    runningOf(scope).since = clockOf(CLOCK_MONOTONIC);
    runningOf(scope).name = names[hook];
    if (options.mode == MARTLET_TOOLS_WAITS) waits = Waits::now();
    began = ticks();
  }
  ~Entered() {
    const uint64_t took = ticks() - began;
    if (scope && options.mode == MARTLET_TOOLS_WAITS) noteWaits();
    if (scope && (options.mode == MARTLET_TOOLS_HOOKS || options.mode == MARTLET_TOOLS_CALLS)) {
      std::lock_guard<std::mutex> guard(figuresLock);
      figures[hook].note(took);
    }
    runningOf(scope).name = nullptr;
    frame = before;
    insideHost = hostBefore;
    if (!scope) return;
    scope->spent += took > clockTicks() ? took - clockTicks() : 0;
    scope->depth--;
    if (scope->depth == 0) {
      for (auto &list : scope->lentForHook) {
        if (!list.empty()) takeBack(list, "the hook that it was lent to had returned");
      }
    }
    inject(scope, hook);
  }

 private:
  void noteWaits() {
    const Waits after = Waits::now();
    const uint64_t wall = after.wall - waits.wall, work = after.work - waits.work;
    const uint64_t wait = after.given > waits.given && wall > work ? wall - work : 0;
    std::lock_guard<std::mutex> guard(figuresLock);
    figures[hook].note(wall);
    figures[hook].noteWait(wait, work);
  }
  Scope *const scope;
  const int hook;
  const Frame before;
  const int hostBefore;
  Waits waits = {};
  uint64_t began;
};

[[noreturn]] void thrown(const char *what) {
  const std::string text =
      here() + ": an exception left the function" + (*what ? std::string(": ") + what : std::string());
  ended("A5", text.c_str());
}

template <typename Body>
auto run(Scope *scope, int hook, Body body) -> decltype(body()) {
  Entered entered(scope, hook);
  try {
    return body();
  } catch (const std::exception &problem) {
    thrown(problem.what());
  } catch (...) {
    thrown("");
  }
}

martlet_filter_status valid(martlet_filter_status status, martlet_filter_status most, const char *hook) {
  if (guarding() && (status < MARTLET_CONTINUE || status > most)) {
    violated("A21", "%s returned %d, which is none of its results", hook, status);
  }
  return status;
}

Scope *of(void *object) { return static_cast<Scope *>(object); }
void *inner(void *object) { return object ? of(object)->object : nullptr; }

// ---- Configurations

martlet_status makeConfig(martlet_handle handle, const martlet_filter_config *given, void **out, int hook,
                          martlet_status (*make)(martlet_handle, const martlet_filter_config *, void **)) {
  Scope *scope = add(Scope::config, handle, nullptr);
  std::vector<uint32_t> lent;
  martlet_filter_config copy = *given;
  const martlet_filter_config *seen = given;
  if (guarding()) {
    copy.name = lend(given->name, Word::call, "config_create", lent);
    copy.type_name = lend(given->type_name, Word::call, "config_create", lent);
    copy.bytes = lend(given->bytes, Word::call, "config_create", lent);
    seen = static_cast<const martlet_filter_config *>(lendStruct(&copy, sizeof copy, "config_create", lent));
  }
  void *object = nullptr;
  const uint64_t began = clockOf(CLOCK_MONOTONIC);
  const martlet_status status = run(scope, hook, [&] { return make(handle, seen, &object); });
  const uint64_t took = clockOf(CLOCK_MONOTONIC) - began;
  if (took > configTime) configTime = took;
  takeBack(lent, "config_create had returned");
  scope->object = object;
  if (status != MARTLET_OK) {
    scope->isOver = true;
    forget(scope);
    return status;
  }
  *out = hook == configCreate ? static_cast<void *>(scope) : object;
  if (hook == routeConfigCreate) {
    std::lock_guard<std::mutex> guard(scopesLock);
    routeScopes[object] = scope;
  }
  return status;
}

void endConfig(Scope *scope, int hook, void (*destroy)(void *)) {
  if (!scope) return;
  if (scope->isOver) violated("H2", "%s was called twice", names[hook]);
  scope->isOver = true;
  if (destroy) run(scope, hook, [&] { destroy(scope->object); });
  takeBack(scope->lentForStream, "the config scope had ended");
  forget(scope);
}

template <typename Table, const Table *&table>
struct Common {
  static martlet_status configCreate_(martlet_handle handle, const martlet_filter_config *given, void **out) {
    return makeConfig(handle, given, out, configCreate, table->config_create);
  }
  static void configDestroy_(void *config) {
    endConfig(of(config), configDestroy, table->config_destroy);
  }
  static void configTimer_(void *config, uint32_t number) {
    run(of(config), configTimer, [&] { table->on_config_timer(inner(config), number); });
  }
  static void configWake_(void *config, uint64_t token) {
    run(of(config), configWake, [&] { table->on_config_wake(inner(config), token); });
  }
  static void *workerCreate_(void *config, martlet_handle handle) {
    Scope *scope = add(Scope::worker, handle, nullptr);
    scope->object = run(scope, workerCreate, [&] { return table->worker_create(inner(config), handle); });
    return scope->object ? scope : nullptr;
  }
  static void workerDestroy_(void *worker) {
    of(worker)->isOver = true;
    if (table->worker_destroy) run(of(worker), workerDestroy, [&] { table->worker_destroy(inner(worker)); });
    forget(of(worker));
  }
  static void workerTimer_(void *worker, uint32_t number) {
    run(of(worker), workerTimer, [&] { table->on_worker_timer(inner(worker), number); });
  }
  static void workerWake_(void *worker, uint64_t token) {
    run(of(worker), workerWake, [&] { table->on_worker_wake(inner(worker), token); });
  }
  static void timer_(void *filter, uint32_t number) {
    run(of(filter), timer, [&] { table->on_timer(inner(filter), number); });
  }
  static void wake_(void *filter, uint64_t token) {
    run(of(filter), wake, [&] { table->on_wake(inner(filter), token); });
  }
  static void destroy_(void *filter) {
    Scope *scope = of(filter);
    if (scope->isOver) violated("H2", "destroy was called twice");
    const bool hasLast = network ? network->on_close != nullptr : http->on_complete != nullptr;
    if (guarding() && hasLast && !scope->isEnding) {
      violated("H10", "destroy came without the last hook before it");
    }
    scope->isEnding = true;
    takeBack(scope->lentForStream, "the stream's last hook had returned");
    scope->isOver = true;
    run(scope, destroy, [&] { table->destroy(scope->object); });
    {
      std::lock_guard<std::mutex> guard(figuresLock);
      if (options.mode == MARTLET_TOOLS_HOOKS) perStream.note(scope->spent);
    }
    forget(scope);
    live--;
  }

  template <typename Host>
  static void *begin(void *config, void *worker, const Host *host, martlet_handle handle) {
    Scope *scope = add(Scope::stream, handle, nullptr);
    live++;
    scope->object = run(scope, create,
                        [&] { return table->create(inner(config), inner(worker), host, handle); });
    if (scope->object) return scope;
    scope->isOver = true;
    takeBack(scope->lentForStream, "create had given no filter");
    forget(scope);
    live--;
    return nullptr;
  }

  // A hook that the plugin lacks stays NULL: the host asks by that what the filter wants.
  static void fill(Table &made) {
    if (made.config_create) made.config_create = configCreate_;
    // Also where the plugin has none: what stands for the object here is ours to free.
    if (made.config_create) made.config_destroy = configDestroy_;
    if (made.on_config_timer) made.on_config_timer = configTimer_;
    if (made.on_config_wake) made.on_config_wake = configWake_;
    if (made.worker_create) made.worker_create = workerCreate_;
    if (made.worker_create) made.worker_destroy = workerDestroy_;
    if (made.on_worker_timer) made.on_worker_timer = workerTimer_;
    if (made.on_worker_wake) made.on_worker_wake = workerWake_;
    if (made.on_timer) made.on_timer = timer_;
    if (made.on_wake) made.on_wake = wake_;
    if (made.destroy) made.destroy = destroy_;
  }
};

using Http = Common<martlet_http_filter, http>;
using Network = Common<martlet_network_filter, network>;

// ---- HTTP

martlet_status routeCreate_(martlet_handle handle, const martlet_filter_config *given, void **out) {
  return makeConfig(handle, given, out, routeConfigCreate, http->route_config_create);
}
void routeDestroy_(void *object) {
  Scope *scope = nullptr;
  {
    std::lock_guard<std::mutex> guard(scopesLock);
    auto found = routeScopes.find(object);
    if (found != routeScopes.end()) scope = found->second;
    if (found != routeScopes.end()) routeScopes.erase(found);
  }
  endConfig(scope, routeConfigDestroy, http->route_config_destroy);
}
void *httpCreate_(void *config, void *worker, const martlet_host_http *host, martlet_handle handle) {
  return Http::begin(config, worker, httpForFilters(host), handle);
}
#define HTTP_HOOK(name, number, most)                                                              \
  martlet_filter_status name##_(void *filter, bool end) {                                          \
    return valid(run(of(filter), number, [&] { return http->name(inner(filter), end); }), most, #name); \
  }
HTTP_HOOK(on_request_headers, requestHeaders, MARTLET_STOP_ALL_SLOW)
HTTP_HOOK(on_request_body, requestBody, MARTLET_STOP_SLOW)
HTTP_HOOK(on_response_headers, responseHeaders, MARTLET_STOP_ALL_SLOW)
HTTP_HOOK(on_response_body, responseBody, MARTLET_STOP_SLOW)
#define TRAILERS_HOOK(name, number)                                                                         \
  martlet_filter_status name##_(void *filter) {                                                             \
    return valid(run(of(filter), number, [&] { return http->name(inner(filter)); }), MARTLET_STOP, #name); \
  }
TRAILERS_HOOK(on_request_trailers, requestTrailers)
TRAILERS_HOOK(on_response_trailers, responseTrailers)

void backPressure_(void *filter, bool stop) {
  run(of(filter), backPressure, [&] { http->on_back_pressure(inner(filter), stop); });
}
void complete_(void *filter, martlet_stream_result result) {
  Scope *scope = of(filter);
  if (scope->isEnding) violated("H10", "on_complete was called twice");
  scope->isEnding = true;
  run(scope, complete, [&] { http->on_complete(scope->object, result); });
  takeBack(scope->lentForStream, "on_complete had returned");
}

const martlet_http_filter *wrapHTTP(const martlet_http_filter *given) {
  static martlet_http_filter made;
  http = given;
  made = {};
  memcpy(&made, given, given->size < sizeof made ? given->size : sizeof made);
  Http::fill(made);
  if (made.route_config_create) made.route_config_create = routeCreate_;
  if (made.route_config_create) made.route_config_destroy = routeDestroy_;
  if (made.create) made.create = httpCreate_;
  if (made.on_request_headers) made.on_request_headers = on_request_headers_;
  if (made.on_request_body) made.on_request_body = on_request_body_;
  if (made.on_request_trailers) made.on_request_trailers = on_request_trailers_;
  if (made.on_response_headers) made.on_response_headers = on_response_headers_;
  if (made.on_response_body) made.on_response_body = on_response_body_;
  if (made.on_response_trailers) made.on_response_trailers = on_response_trailers_;
  if (made.on_back_pressure) made.on_back_pressure = backPressure_;
  if (made.on_complete) made.on_complete = complete_;
  return &made;
}

// ---- Network

void *networkCreate_(void *config, void *worker, const martlet_host_network *host, martlet_handle handle) {
  return Network::begin(config, worker, networkForFilters(host), handle);
}
martlet_filter_status newConnection_(void *filter) {
  return valid(run(of(filter), newConnection, [&] { return network->on_new_connection(inner(filter)); }),
               MARTLET_STOP, "on_new_connection");
}
martlet_filter_status data_(void *filter, bool end) {
  return valid(run(of(filter), data, [&] { return network->on_data(inner(filter), end); }), MARTLET_STOP,
               "on_data");
}
martlet_filter_status writing_(void *filter) {
  return valid(run(of(filter), writing, [&] { return network->on_write(inner(filter)); }), MARTLET_STOP,
               "on_write");
}
void closed_(void *filter) {
  Scope *scope = of(filter);
  if (scope->isEnding) violated("H10", "on_close was called twice");
  scope->isEnding = true;
  run(scope, closed, [&] { network->on_close(scope->object); });
  takeBack(scope->lentForStream, "on_close had returned");
}

const martlet_network_filter *wrapNetworkFilter(const martlet_network_filter *given) {
  static martlet_network_filter made;
  network = given;
  made = {};
  memcpy(&made, given, given->size < sizeof made ? given->size : sizeof made);
  Network::fill(made);
  if (made.create) made.create = networkCreate_;
  if (made.on_new_connection) made.on_new_connection = newConnection_;
  if (made.on_data) made.on_data = data_;
  if (made.on_write) made.on_write = writing_;
  if (made.on_close) made.on_close = closed_;
  return &made;
}

// ---- The descriptor

// What it was when it was given: it must still be that at the end.
std::string snapshot() {
  std::string all(reinterpret_cast<const char *>(plugin), sizeof *plugin);
  all += std::string(plugin->id) + "\n" + plugin->version;
  const auto info = [&](const martlet_filter_info *one) {
    all.append(reinterpret_cast<const char *>(one), sizeof *one);
    all += one->name;
    for (const char *const *name = one->type_names; name && *name; name++) all += *name;
    for (const char *const *name = one->route_type_names; name && *name; name++) all += *name;
  };
  if (http) {
    all.append(reinterpret_cast<const char *>(http), sizeof *http);
    info(http->info);
  }
  if (network) {
    all.append(reinterpret_cast<const char *>(network), sizeof *network);
    info(network->info);
  }
  return all;
}
std::string firstSnapshot;

martlet_status open_(const martlet_host *host) {
  controlThread = thread();
  add(Scope::plugin, host->plugin, nullptr);
  const uint64_t began = clockOf(CLOCK_MONOTONIC);
  place = "open";
  const martlet_status status = run(nullptr, configCreate, [&] {
    frame = {"open", nullptr};
    running[0].name = "open";
    return plugin->open(host);
  });
  place = nullptr;
  openTime = clockOf(CLOCK_MONOTONIC) - began;
  return status;
}

void close_() {
  run(nullptr, configCreate, [&] {
    frame = {"close", nullptr};
    if (plugin->close) plugin->close();
  });
  isClosed = true;
}

// A3: a table of this host's minor or an earlier one is no longer than the host's own.
void checkSize(uint32_t size, size_t known, const char *what) {
  if (guarding() && plugin->abi_minor <= MARTLET_ABI_MINOR && size > known) {
    violated("A3", "%s has size %u, expected %zu", what, size, known);
  }
}

template <typename List, typename Table>
const void *wrapList(const List *given, const Table *(*wrap)(const Table *)) {
  static std::vector<const Table *> tables;
  static List list;
  if (!given) return nullptr;
  checkSize(given->size, sizeof list, "the list of filters");
  list = *given;
  list.size = sizeof list;
  tables.clear();
  for (uint32_t index = 0; index < given->count; index++) {
    const Table *table = given->filters ? given->filters[index] : nullptr;
    // What is no whole table goes on as it is: the host says what is wrong.
    const bool isWhole = table && table->size >= offsetof(Table, destroy) + sizeof table->destroy &&
                         table->info && table->info->name && table->create && table->destroy;
    if (isWhole && options.filter == table->info->name) {
      checkSize(table->size, sizeof *table, "the filter's table");
      checkSize(table->info->size, sizeof *table->info, "the filter's info");
    }
    tables.push_back(isWhole && options.filter == table->info->name ? wrap(table) : table);
  }
  list.filters = tables.data();
  if (firstSnapshot.empty() && (http || network)) firstSnapshot = snapshot();
  return &list;
}

const void *query_(const char *id) {
  const void *found = run(nullptr, configCreate, [&] {
    frame = {"query", nullptr};
    return plugin->query(id);
  });
  if (strcmp(id, "martlet.plugin.http_filter/1") == 0) {
    return wrapList(static_cast<const martlet_http_filter_list *>(found), wrapHTTP);
  }
  if (strcmp(id, "martlet.plugin.network_filter/1") == 0) {
    return wrapList(static_cast<const martlet_network_filter_list *>(found), wrapNetworkFilter);
  }
  return found;
}

}  // namespace

// ---- Scopes

Scope *add(Scope::Kind kind, martlet_handle handle, void *object) {
  Scope *made = new Scope;
  made->kind = kind;
  made->handle = handle;
  made->object = object;
  made->owner = thread();
  std::lock_guard<std::mutex> guard(scopesLock);
  scopes[handle] = made;
  return made;
}

Scope *find(martlet_handle handle) {
  std::lock_guard<std::mutex> guard(scopesLock);
  auto found = scopes.find(handle);
  return found == scopes.end() ? nullptr : found->second;
}

// While rules are checked an ended scope is kept: a later use of its handle is to be told.
void forget(Scope *scope) {
  if (guarding()) return;
  std::lock_guard<std::mutex> guard(scopesLock);
  scopes.erase(scope->handle);
  delete scope;
}

}  // namespace tools

using namespace tools;

const martlet_plugin *martlet_tools_wrap_plugin(const martlet_plugin *given) {
  plugin = given;
  memcpy(&pluginWrapped, given, sizeof pluginWrapped);
  pluginWrapped.open = open_;
  pluginWrapped.close = close_;
  pluginWrapped.query = query_;
  return &pluginWrapped;
}

void martlet_tools_watch(uint32_t seconds) {
  std::thread([seconds] {
    for (;;) {
      usleep(100000);
      for (int slot = 0; slot < 2; slot++) {
        const char *name = running[slot].name.load();
        const uint64_t since = running[slot].since.load(), now = clockOf(CLOCK_MONOTONIC);
        if (!name || now < since || now - since < uint64_t(seconds) * 1000000000) continue;
        if (running[slot].name.load() != name) continue;
        const std::string text =
            std::string(name) + " has not returned after " + std::to_string(seconds) + " s";
        ended(slot == 1 ? "A6" : "A17", text.c_str());
      }
    }
  }).detach();
}

int64_t martlet_tools_live(void) { return live.load(); }
uint64_t martlet_tools_open_time(void) { return openTime; }
uint64_t martlet_tools_config_time(void) { return configTime; }

void martlet_tools_inject(int32_t hook, martlet_tools_act act) {
  injectAct = act;
  injectedCount = 0;
  injectHook = act == MARTLET_TOOLS_NOTHING ? -1 : hook;
}
uint32_t martlet_tools_injected(void) { return injectedCount.load(); }

int32_t martlet_tools_hook_count(void) { return hookCount; }
const char *martlet_tools_hook_name(int32_t hook) { return names[hook]; }

bool martlet_tools_has_hook(int32_t hook) {
  switch (hook) {
    case create: case destroy: return http || network;
#define ONE(number, name) \
  case number: return http ? http->name != nullptr : network && network->name != nullptr;
    ONE(configCreate, config_create) ONE(configDestroy, config_destroy)
    ONE(configTimer, on_config_timer)
    ONE(configWake, on_config_wake) ONE(workerCreate, worker_create) ONE(workerDestroy, worker_destroy)
    ONE(workerTimer, on_worker_timer) ONE(workerWake, on_worker_wake) ONE(timer, on_timer)
    ONE(wake, on_wake)
#undef ONE
#define ONE(number, name) case number: return http && http->name;
    ONE(routeConfigCreate, route_config_create) ONE(routeConfigDestroy, route_config_destroy)
    ONE(requestHeaders, on_request_headers) ONE(requestBody, on_request_body)
    ONE(requestTrailers, on_request_trailers) ONE(responseHeaders, on_response_headers)
    ONE(responseBody, on_response_body) ONE(responseTrailers, on_response_trailers)
    ONE(backPressure, on_back_pressure) ONE(complete, on_complete)
#undef ONE
#define ONE(number, name) case number: return network && network->name;
    ONE(newConnection, on_new_connection) ONE(data, on_data) ONE(writing, on_write) ONE(closed, on_close)
#undef ONE
    default: return false;
  }
}

bool martlet_tools_hook(int32_t hook, martlet_tools_figures *out) {
  if (hook < 0 || hook >= hookCount) return false;
  std::lock_guard<std::mutex> guard(figuresLock);
  figures[hook].name = names[hook];
  figures[hook].read(out, clockCost());
  return true;
}

void martlet_tools_stream_figures(martlet_tools_figures *out) {
  std::lock_guard<std::mutex> guard(figuresLock);
  perStream.name = "stream";
  perStream.read(out, 0);
}

void martlet_tools_clear_figures(void) {
  {
    std::lock_guard<std::mutex> guard(figuresLock);
    for (Figures &one : figures) one.clear();
    perStream.clear();
  }
  std::lock_guard<std::mutex> guard(callFiguresLock);
  for (Figures *one : callFigures) one->clear();
}

void martlet_tools_finish(void) {
  if (!firstSnapshot.empty() && firstSnapshot != snapshot()) {
    violated("A2", "the descriptor or a table has changed since it was given");
  }
}
