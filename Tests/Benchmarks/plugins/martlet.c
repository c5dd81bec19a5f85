/* The filters of the benchmark's plugin rows for Martlet, written as an outside author would: against
 * martlet.h alone. What they do, and why, is told in probe.h; envoy.c does the same for Envoy.
 *
 * A filter's type says which of them it is (bench.Work, bench.Noop, bench.First, bench.Last). There is
 * nothing to configure: the header that a working filter sets has the filter's name in the chain.
 */
#include "martlet.h"
#include "probe.h"

static const martlet_host_config *configs;
static const martlet_host_metrics *metrics;

static martlet_bytes text(const char *words) {
  martlet_bytes result = {(const uint8_t *)words, strlen(words)};
  return result;
}

static bool equal(martlet_bytes left, const char *right) {
  return left.size == strlen(right) && memcmp(left.data, right, left.size) == 0;
}

/* Numbers of the host's for what the filters name. */
typedef struct {
  uint32_t read, written, counter, get, set;
} settings;

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  settings *made = calloc(1, sizeof *made);
  if (!made) return MARTLET_E_LIMIT;
  bool works = equal(given->type_name, "bench.Work");
  martlet_bytes written = works ? given->name : text(FIGURES_HEADER);
  martlet_bytes counter = text(works ? WORK_COUNTER : CALLS_COUNTER);
  martlet_status status = configs->header(config, text(WORK_HEADER), &made->read);
  if (!status) status = configs->header(config, written, &made->written);
  if (!status) status = configs->header(config, text(GET_HEADER), &made->get);
  if (!status) status = configs->header(config, text(SET_HEADER), &made->set);
  if (!status) status = configs->metric(config, MARTLET_COUNTER, counter, true, NULL, 0, &made->counter);
  if (status) {
    free(made);
    return status;
  }
  *out = made;
  return MARTLET_OK;
}

static void config_destroy(void *config) { free(config); }

/* One request and its response. `figures` is for `last` alone. */
typedef struct {
  const martlet_host_http *http;
  martlet_handle stream;
  const settings *settings;
  bool seen;
  char *figures;
} filter;

static void *create(void *config, void *worker, const martlet_host_http *http, martlet_handle stream) {
  (void)worker;
  filter *self = malloc(sizeof *self);
  if (!self) return NULL;
  *self = (filter){.http = http, .stream = stream, .settings = config};
  return self;
}

static void destroy(void *context) {
  filter *self = context;
  free(self->figures);
  free(self);
}

/* ---- Work. */

static martlet_filter_status work_on_request(void *context, bool end) {
  (void)end;
  filter *self = context;
  martlet_bytes value;
  martlet_status status = self->http->header_get_by_id(self->stream, MARTLET_REQUEST_HEADERS,
                                                       self->settings->read, 0, &value);
  self->seen = status == MARTLET_OK && equal(value, WORK_VALUE);
  return MARTLET_CONTINUE;
}

static martlet_filter_status work_on_response(void *context, bool end) {
  (void)end;
  filter *self = context;
  self->http->header_set_by_id(self->stream, MARTLET_RESPONSE_HEADERS, self->settings->written,
                               text(self->seen ? "seen" : "missed"));
  metrics->add(self->stream, self->settings->counter, 1);
  return MARTLET_CONTINUE;
}

/* ---- No-op: no object of its own, both hooks there. */

static char nothing;

static void *noop_create(void *config, void *worker, const martlet_host_http *http, martlet_handle stream) {
  (void)config, (void)worker, (void)http, (void)stream;
  return &nothing;
}

static martlet_filter_status noop(void *context, bool end) {
  (void)context, (void)end;
  return MARTLET_CONTINUE;
}

static void noop_destroy(void *context) { (void)context; }

/* ---- Probes. */

static martlet_filter_status first_on_request(void *context, bool end) {
  (void)context, (void)end;
  first_leaves();
  return MARTLET_CONTINUE;
}

/* Both ways to name a header: by the number that it got when the configuration was read, which is the
 * way meant for every request, and by its text. */
static call_times time_calls(const filter *self) {
  const martlet_host_http *http = self->http;
  martlet_handle stream = self->stream;
  const settings *ids = self->settings;
  const martlet_header_map map = MARTLET_REQUEST_HEADERS;
  const martlet_bytes get = text(GET_HEADER), set = text(SET_HEADER);
  const martlet_bytes values[2] = {text(set_values[0]), text(set_values[1])};
  martlet_bytes found;
  call_times times;
  TIME_OF_CALLS(times.get_by_id, http->header_get_by_id(stream, map, ids->get, 0, &found) == MARTLET_OK &&
                                     found.size == VALUE_SIZE);
  TIME_OF_CALLS(times.get_by_name, http->header_get(stream, map, get, 0, &found) == MARTLET_OK &&
                                       found.size == VALUE_SIZE);
  TIME_OF_CALLS(times.set_by_id, http->header_set_by_id(stream, map, ids->set, values[i & 1]) == MARTLET_OK);
  TIME_OF_CALLS(times.set_by_name, http->header_set(stream, map, set, values[i & 1]) == MARTLET_OK);
  TIME_OF_CALLS(times.add, metrics->add(stream, ids->counter, 1) == MARTLET_OK);
  bool is_set = http->header_get(stream, map, set, 0, &found) == MARTLET_OK && equal(found, set_values[1]);
  if (!is_set) times.set_by_id = times.set_by_name = -1;
  return times;
}

static martlet_filter_status last_on_request(void *context, bool end) {
  last_enters();
  (void)end;
  filter *self = context;
  martlet_bytes asked;
  if (self->http->header_get_by_id(self->stream, MARTLET_REQUEST_HEADERS, self->settings->written, 0,
                                   &asked) == MARTLET_OK) {
    call_times times = time_calls(self);
    self->figures = malloc(FIGURES_SIZE);
    if (self->figures) write_figures(self->figures, &times);
  }
  return MARTLET_CONTINUE;
}

static martlet_filter_status last_on_response(void *context, bool end) {
  (void)end;
  filter *self = context;
  if (self->figures) {
    self->http->header_set_by_id(self->stream, MARTLET_RESPONSE_HEADERS, self->settings->written,
                                 text(self->figures));
  }
  return MARTLET_CONTINUE;
}

/* ---- The plugin. */

static const char *const work_types[] = {"bench.Work", NULL};
static const char *const noop_types[] = {"bench.Noop", NULL};
static const char *const first_types[] = {"bench.First", NULL};
static const char *const last_types[] = {"bench.Last", NULL};

static const martlet_filter_info work_info = {
    .size = sizeof work_info, .name = "bench.work", .type_names = work_types};
static const martlet_filter_info noop_info = {
    .size = sizeof noop_info, .name = "bench.noop", .type_names = noop_types};
static const martlet_filter_info first_info = {
    .size = sizeof first_info, .name = "bench.first", .type_names = first_types};
static const martlet_filter_info last_info = {
    .size = sizeof last_info, .name = "bench.last", .type_names = last_types};

static const martlet_http_filter work_filter = {
    .size = sizeof work_filter,
    .info = &work_info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .create = create,
    .on_request_headers = work_on_request,
    .on_response_headers = work_on_response,
    .destroy = destroy,
};

static const martlet_http_filter noop_filter = {
    .size = sizeof noop_filter,
    .info = &noop_info,
    .create = noop_create,
    .on_request_headers = noop,
    .on_response_headers = noop,
    .destroy = noop_destroy,
};

static const martlet_http_filter first_filter = {
    .size = sizeof first_filter,
    .info = &first_info,
    .create = noop_create,
    .on_request_headers = first_on_request,
    .destroy = noop_destroy,
};

static const martlet_http_filter last_filter = {
    .size = sizeof last_filter,
    .info = &last_info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .create = create,
    .on_request_headers = last_on_request,
    .on_response_headers = last_on_response,
    .destroy = destroy,
};

static const martlet_http_filter *const filters[] = {&work_filter, &noop_filter, &first_filter, &last_filter};
static const martlet_http_filter_list list = {sizeof list, sizeof filters / sizeof *filters, filters};

static martlet_status open_plugin(const martlet_host *host) {
  configs = host->query("martlet.host.config/1");
  metrics = host->query("martlet.host.metrics/1");
  return configs && metrics ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static const void *query(const char *id) {
  return strcmp(id, "martlet.plugin.http_filter/1") == 0 ? &list : NULL;
}

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = "bench.filters",
    .version = "1.0.0",
    .open = open_plugin,
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
