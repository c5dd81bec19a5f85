/* A plugin that misbehaves where it is told to, for tests of blame, budgets and quarantine. Its HTTP filter
 * (com.example.faulty) and its network filter (com.example.faulty.network) read "at", "how" and "ms" of their JSON:
 *
 *   at    the function by its name in martlet.h: "on_request_headers", "config_create", ...; "thread": one of its
 *         own; "open" (by the environment: FAULTY_OPEN)
 *   how   "null" writes to address 0, "abort", "trap", "divide", "illegal", "overflow" fills the stack, "block"
 *         sleeps `ms`, "allocate" takes 1000 bytes of the host's allocator and gives them back, "nothing"
 *
 * With "path" in the configuration the HTTP filter does it in streams alone whose path begins with it. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "martlet.h"

#ifndef VERSION
#define VERSION "1.0.0"
#endif

static const martlet_host *host;
static const martlet_host_core *core;

typedef struct {
  char at[48], how[16], path[64];
  long milliseconds;
  martlet_handle handle;
} settings;

typedef struct {
  const settings *settings;
  const martlet_host_http *http;
  const martlet_host_network *network;
  martlet_handle handle;
} filter;

/* ---- JSON, as far as flat objects of texts and numbers go. */

static const char *value_of(const char *json, const char *name) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":", name);
  const char *found = strstr(json, quoted);
  return found ? found + strlen(quoted) : NULL;
}

static void text_of(const char *json, const char *name, char *out, size_t capacity) {
  const char *value = value_of(json, name);
  size_t size = 0;
  if (value && *value == '"') {
    for (value++; *value && *value != '"' && size + 1 < capacity; value++) out[size++] = *value;
  }
  out[size] = 0;
}

static void read_settings(settings *out, const martlet_filter_config *given) {
  char json[1024];
  size_t size = given->bytes.size < sizeof json - 1 ? given->bytes.size : sizeof json - 1;
  memcpy(json, given->bytes.data, size);
  json[size] = 0;
  text_of(json, "at", out->at, sizeof out->at);
  text_of(json, "how", out->how, sizeof out->how);
  text_of(json, "path", out->path, sizeof out->path);
  const char *number = value_of(json, "ms");
  out->milliseconds = number ? strtol(number, NULL, 10) : 0;
}

/* ---- What goes wrong. */

static void block(long milliseconds) {
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static int deeper(volatile char *from) {
  volatile char room[4096];
  room[0] = from ? *from : 1;
  if (room[0] == 2) return 0; /* never, which the compiler does not know */
  return deeper(room) + room[0];
}

static void misbehave(const settings *mine) {
  volatile int zero = 0;
  if (strcmp(mine->how, "null") == 0) *(volatile int *)NULL = 1;
  if (strcmp(mine->how, "abort") == 0) abort();
  if (strcmp(mine->how, "trap") == 0) raise(SIGTRAP);
  if (strcmp(mine->how, "divide") == 0) zero = 7 / zero;
  if (strcmp(mine->how, "illegal") == 0) __builtin_trap();
  if (strcmp(mine->how, "overflow") == 0) zero = deeper(NULL);
  if (strcmp(mine->how, "block") == 0) block(mine->milliseconds);
  if (strcmp(mine->how, "allocate") == 0) core->release(host->plugin, core->allocate(host->plugin, 1000));
}

static void at(const settings *mine, const char *hook) {
  if (strcmp(mine->at, hook) == 0) misbehave(mine);
}

static bool is_meant(const filter *self) {
  martlet_bytes path;
  size_t size = strlen(self->settings->path);
  if (size == 0) return true;
  martlet_bytes name = {(const uint8_t *)":path", 5};
  return self->http->header_get(self->handle, MARTLET_REQUEST_HEADERS, name, 0, &path) == MARTLET_OK &&
         path.size >= size && memcmp(path.data, self->settings->path, size) == 0;
}

static void hook(void *context, const char *name) {
  filter *self = context;
  if (strcmp(self->settings->at, name) == 0 && is_meant(self)) misbehave(self->settings);
}

/* ---- Scopes. */

static void *thread(void *context) {
  block(50);
  misbehave(context);
  return NULL;
}

static martlet_status config_create(martlet_handle handle, const martlet_filter_config *given, void **out) {
  settings *made = calloc(1, sizeof *made);
  read_settings(made, given);
  made->handle = handle;
  at(made, "config_create");
  if (strcmp(made->at, "on_config_timer") == 0) core->set_timer(handle, 0, 20);
  if (strcmp(made->at, "on_config_wake") == 0) core->wake(handle, 1);
  if (strcmp(made->at, "thread") == 0) {
    pthread_t started;
    pthread_create(&started, NULL, thread, made);
  }
  *out = made;
  return MARTLET_OK;
}

static void config_destroy(void *context) {
  at(context, "config_destroy");
  free(context);
}

static martlet_status route_config_create(martlet_handle handle, const martlet_filter_config *given, void **out) {
  settings *made = calloc(1, sizeof *made);
  (void)handle;
  read_settings(made, given);
  at(made, "route_config_create");
  *out = made;
  return MARTLET_OK;
}

static void route_config_destroy(void *context) { free(context); }
static void on_config_timer(void *context, uint32_t timer) {
  (void)timer;
  at(context, "on_config_timer");
}
static void on_config_wake(void *context, uint64_t token) {
  (void)token;
  at(context, "on_config_wake");
}

static void *worker_create(void *config, martlet_handle worker) {
  settings *mine = config;
  at(mine, "worker_create");
  if (strcmp(mine->at, "on_worker_timer") == 0) core->set_timer(worker, 0, 20);
  if (strcmp(mine->at, "on_worker_wake") == 0) core->wake(worker, 1);
  return mine;
}
static void worker_destroy(void *worker) { at(worker, "worker_destroy"); }
static void on_worker_timer(void *worker, uint32_t timer) {
  (void)timer;
  at(worker, "on_worker_timer");
}
static void on_worker_wake(void *worker, uint64_t token) {
  (void)token;
  at(worker, "on_worker_wake");
}

/* ---- The HTTP filter. */

static void *create(void *config, void *worker, const martlet_host_http *http, martlet_handle stream) {
  (void)worker;
  filter *self = calloc(1, sizeof *self);
  *self = (filter){.settings = config, .http = http, .handle = stream};
  hook(self, "create");
  return self;
}
static void destroy(void *context) {
  filter *self = context;
  if (strcmp(self->settings->at, "destroy") == 0) misbehave(self->settings);
  free(self);
}
static martlet_filter_status on_request_headers(void *context, bool end) {
  filter *self = context;
  (void)end;
  hook(context, "on_request_headers");
  if (strcmp(self->settings->at, "on_timer") == 0 && is_meant(self)) {
    core->set_timer(self->handle, 0, 10);
    return MARTLET_STOP_ALL;
  }
  if (strcmp(self->settings->at, "on_wake") == 0 && is_meant(self)) {
    core->wake(self->handle, 1);
    return MARTLET_STOP_ALL;
  }
  return MARTLET_CONTINUE;
}
static martlet_filter_status on_request_body(void *context, bool end) {
  (void)end;
  hook(context, "on_request_body");
  return MARTLET_CONTINUE;
}
static martlet_filter_status on_request_trailers(void *context) {
  hook(context, "on_request_trailers");
  return MARTLET_CONTINUE;
}
static martlet_filter_status on_response_headers(void *context, bool end) {
  (void)end;
  hook(context, "on_response_headers");
  return MARTLET_CONTINUE;
}
static martlet_filter_status on_response_body(void *context, bool end) {
  (void)end;
  hook(context, "on_response_body");
  return MARTLET_CONTINUE;
}
static martlet_filter_status on_response_trailers(void *context) {
  hook(context, "on_response_trailers");
  return MARTLET_CONTINUE;
}
static void on_timer(void *context, uint32_t timer) {
  filter *self = context;
  (void)timer;
  hook(context, "on_timer");
  self->http->continue_message(self->handle, MARTLET_REQUEST);
}
static void on_wake(void *context, uint64_t token) {
  filter *self = context;
  (void)token;
  hook(context, "on_wake");
  self->http->continue_message(self->handle, MARTLET_REQUEST);
}
static void on_complete(void *context, martlet_stream_result result) {
  (void)result;
  hook(context, "on_complete");
}

/* ---- The network filter. */

static void *network_create(void *config, void *worker, const martlet_host_network *network,
                            martlet_handle connection) {
  (void)worker;
  filter *self = calloc(1, sizeof *self);
  *self = (filter){.settings = config, .network = network, .handle = connection};
  at(self->settings, "create");
  return self;
}
static martlet_filter_status on_new_connection(void *context) {
  filter *self = context;
  at(self->settings, "on_new_connection");
  if (strcmp(self->settings->at, "on_timer") == 0) core->set_timer(self->handle, 0, 10);
  if (strcmp(self->settings->at, "on_wake") == 0) core->wake(self->handle, 1);
  return MARTLET_CONTINUE;
}
static martlet_filter_status on_data(void *context, bool end) {
  filter *self = context;
  (void)end;
  at(self->settings, "on_data");
  return MARTLET_CONTINUE;
}
static martlet_filter_status on_write(void *context) {
  filter *self = context;
  at(self->settings, "on_write");
  return MARTLET_CONTINUE;
}
static void network_timer(void *context, uint32_t timer) {
  filter *self = context;
  (void)timer;
  at(self->settings, "on_timer");
}
static void network_wake(void *context, uint64_t token) {
  filter *self = context;
  (void)token;
  at(self->settings, "on_wake");
}
static void on_close(void *context) {
  filter *self = context;
  at(self->settings, "on_close");
}

/* ---- Tables. */

static const char *const types[] = {"com.example.Faulty", NULL};
static const char *const route_types[] = {"com.example.FaultyRoute", NULL};
static const martlet_filter_info info = {
    .size = sizeof info, .name = "com.example.faulty", .type_names = types, .route_type_names = route_types};
static const martlet_http_filter http = {
    .size = sizeof http,
    .info = &info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .route_config_create = route_config_create,
    .route_config_destroy = route_config_destroy,
    .on_config_timer = on_config_timer,
    .on_config_wake = on_config_wake,
    .worker_create = worker_create,
    .worker_destroy = worker_destroy,
    .on_worker_timer = on_worker_timer,
    .on_worker_wake = on_worker_wake,
    .create = create,
    .on_request_headers = on_request_headers,
    .on_request_body = on_request_body,
    .on_request_trailers = on_request_trailers,
    .on_response_headers = on_response_headers,
    .on_response_body = on_response_body,
    .on_response_trailers = on_response_trailers,
    .on_timer = on_timer,
    .on_wake = on_wake,
    .on_complete = on_complete,
    .destroy = destroy,
};
static const martlet_http_filter *const filters[] = {&http};
static const martlet_http_filter_list list = {sizeof list, 1, filters};

static const char *const network_types[] = {"com.example.FaultyNetwork", NULL};
static const martlet_filter_info network_info = {
    .size = sizeof network_info, .name = "com.example.faulty.network", .type_names = network_types};
static const martlet_network_filter network = {
    .size = sizeof network,
    .info = &network_info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .worker_create = worker_create,
    .worker_destroy = worker_destroy,
    .create = network_create,
    .on_new_connection = on_new_connection,
    .on_data = on_data,
    .on_write = on_write,
    .on_timer = network_timer,
    .on_wake = network_wake,
    .on_close = on_close,
    .destroy = destroy,
};
static const martlet_network_filter *const network_filters[] = {&network};
static const martlet_network_filter_list network_list = {sizeof network_list, 1, network_filters};

static martlet_status open_plugin(const martlet_host *given) {
  host = given;
  core = host->query("martlet.host.core/1");
  settings mine = {.at = "open"};
  const char *how = getenv("FAULTY_OPEN");
  if (how) {
    snprintf(mine.how, sizeof mine.how, "%s", how);
    misbehave(&mine);
  }
  return core ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static const void *query(const char *id) {
  if (strcmp(id, "martlet.plugin.http_filter/1") == 0) return &list;
  return strcmp(id, "martlet.plugin.network_filter/1") == 0 ? &network_list : NULL;
}

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = "com.example.faulty",
    .version = VERSION,
    .open = open_plugin,
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
