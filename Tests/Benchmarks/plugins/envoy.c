/* The filters of the benchmark's plugin rows for Envoy, as one of its dynamic modules: the same work as
 * martlet.c, told in probe.h. Envoy calls one function of a module for all of its filters, so an object
 * begins with what it is.
 *
 * Declared here is what these filters use of the interface of Envoy 1.40, by the names and signatures
 * that its executable has. Events (envoy_dynamic_module_on_...) are ours, and a module lacking one that
 * Envoy asks for is not loaded; callbacks are Envoy's. Envoy knows no numbers for headers: its calls by
 * name are what stands against Martlet's by number as well, being what a filter there has for every
 * request.
 */
#include "probe.h"

typedef struct {
  const char *data;
  size_t size;
} buffer; /* passed by value: two words */

enum { REQUEST_HEADERS = 0, RESPONSE_HEADERS = 2 };
enum { CONTINUE = 0, DONE = 0 };

bool envoy_dynamic_module_callback_http_get_header(void *stream, int map, buffer name, buffer *out, size_t nth,
                                                   size_t *count);
bool envoy_dynamic_module_callback_http_set_header(void *stream, int map, buffer name, buffer value);
int envoy_dynamic_module_callback_http_filter_config_define_counter(void *config, buffer name, buffer *labels,
                                                                    size_t label_count, size_t *out);
int envoy_dynamic_module_callback_http_filter_increment_counter(void *stream, size_t counter, buffer *labels,
                                                                size_t label_count, uint64_t amount);

#define get_header envoy_dynamic_module_callback_http_get_header
#define set_header envoy_dynamic_module_callback_http_set_header
#define increment envoy_dynamic_module_callback_http_filter_increment_counter
#define EVENT(name) envoy_dynamic_module_on_##name

static buffer text(const char *words) {
  buffer result = {words, strlen(words)};
  return result;
}

static bool equal(buffer left, const char *right) {
  return left.size == strlen(right) && memcmp(left.data, right, left.size) == 0;
}

typedef enum { WORK, NOOP, FIRST, LAST } kind;

/* A filter in the configuration. `written` is the name of the header that a working filter sets. */
typedef struct {
  kind kind;
  size_t counter;
  buffer written;
  char name[64];
} settings;

/* One request and its response. Filters that keep nothing have `nothing`, or `nothing_first`. */
typedef struct {
  kind kind;
  bool seen;
  const settings *settings;
  char *figures;
} filter;

static filter nothing = {.kind = NOOP}, nothing_first = {.kind = FIRST};

/* ---- The module and its configurations. */

const char *EVENT(program_init)(void) { return "v0.2.0"; }

void *EVENT(http_filter_config_new)(void *config, buffer name, buffer given) {
  settings *made = calloc(1, sizeof *made);
  if (!made || given.size > sizeof made->name) goto refused;
  if (equal(name, "Work")) made->kind = WORK;
  else if (equal(name, "Noop")) made->kind = NOOP;
  else if (equal(name, "First")) made->kind = FIRST;
  else if (equal(name, "Last")) made->kind = LAST;
  else goto refused;
  memcpy(made->name, given.data, given.size);
  made->written = (buffer){made->name, given.size};
  buffer counter = text(made->kind == WORK ? WORK_COUNTER : CALLS_COUNTER);
  if (envoy_dynamic_module_callback_http_filter_config_define_counter(config, counter, NULL, 0,
                                                                      &made->counter) == DONE) {
    return made;
  }
refused:
  free(made);
  return NULL;
}

void EVENT(http_filter_config_destroy)(void *config) { free(config); }

/* ---- Streams. */

void *EVENT(http_filter_new)(void *config, void *stream) {
  (void)stream;
  const settings *mine = config;
  if (mine->kind == NOOP) return &nothing;
  if (mine->kind == FIRST) return &nothing_first;
  filter *self = malloc(sizeof *self);
  if (!self) return NULL;
  *self = (filter){.kind = mine->kind, .settings = mine};
  return self;
}

void EVENT(http_filter_destroy)(void *context) {
  filter *self = context;
  if (self->kind == NOOP || self->kind == FIRST) return;
  free(self->figures);
  free(self);
}

static call_times time_calls(void *stream, const settings *mine) {
  const buffer get = text(GET_HEADER), set = text(SET_HEADER);
  const buffer values[2] = {text(set_values[0]), text(set_values[1])};
  buffer found;
  call_times times = {0};
  TIME_OF_CALLS(times.get_by_name, get_header(stream, REQUEST_HEADERS, get, &found, 0, NULL) &&
                                       found.size == VALUE_SIZE);
  TIME_OF_CALLS(times.set_by_name, set_header(stream, REQUEST_HEADERS, set, values[i & 1]));
  TIME_OF_CALLS(times.add, increment(stream, mine->counter, NULL, 0, 1) == DONE);
  bool is_set = get_header(stream, REQUEST_HEADERS, set, &found, 0, NULL) && equal(found, set_values[1]);
  if (!is_set) times.set_by_name = -1;
  return times;
}

static void last_on_request(void *stream, filter *self) {
  buffer asked;
  if (!get_header(stream, REQUEST_HEADERS, text(FIGURES_HEADER), &asked, 0, NULL)) return;
  call_times times = time_calls(stream, self->settings);
  self->figures = malloc(FIGURES_SIZE);
  if (self->figures) write_figures(self->figures, &times);
}

int EVENT(http_filter_request_headers)(void *stream, void *context, bool end) {
  (void)end;
  filter *self = context;
  buffer value;
  switch (self->kind) {
    case NOOP:
      break;
    case WORK:
      self->seen = get_header(stream, REQUEST_HEADERS, text(WORK_HEADER), &value, 0, NULL) &&
                   equal(value, WORK_VALUE);
      break;
    case FIRST:
      first_leaves();
      break;
    case LAST:
      last_enters();
      last_on_request(stream, self);
      break;
  }
  return CONTINUE;
}

int EVENT(http_filter_response_headers)(void *stream, void *context, bool end) {
  (void)end;
  filter *self = context;
  if (self->kind == WORK) {
    set_header(stream, RESPONSE_HEADERS, self->settings->written, text(self->seen ? "seen" : "missed"));
    increment(stream, self->settings->counter, NULL, 0, 1);
  } else if (self->kind == LAST && self->figures) {
    set_header(stream, RESPONSE_HEADERS, text(FIGURES_HEADER), text(self->figures));
  }
  return CONTINUE;
}

/* ---- What Envoy asks of every module, and these filters do not need. */

int EVENT(http_filter_request_body)(void *stream, void *context, bool end) {
  (void)stream, (void)context, (void)end;
  return CONTINUE;
}

int EVENT(http_filter_request_trailers)(void *stream, void *context) {
  (void)stream, (void)context;
  return CONTINUE;
}

int EVENT(http_filter_response_body)(void *stream, void *context, bool end) {
  (void)stream, (void)context, (void)end;
  return CONTINUE;
}

int EVENT(http_filter_response_trailers)(void *stream, void *context) {
  (void)stream, (void)context;
  return CONTINUE;
}

/* Events about what these filters never begin, but for the watermarks. No argument is looked at. */
void EVENT(http_filter_stream_complete)(void) {}
void EVENT(http_filter_http_callout_done)(void) {}
void EVENT(http_filter_http_stream_headers)(void) {}
void EVENT(http_filter_http_stream_data)(void) {}
void EVENT(http_filter_http_stream_trailers)(void) {}
void EVENT(http_filter_http_stream_complete)(void) {}
void EVENT(http_filter_http_stream_reset)(void) {}
void EVENT(http_filter_scheduled)(void) {}
void EVENT(http_filter_downstream_above_write_buffer_high_watermark)(void) {}
void EVENT(http_filter_downstream_below_write_buffer_low_watermark)(void) {}
