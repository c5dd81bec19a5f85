/* A filter in C: sets a header on every response and counts how often.
 *
 *     name: com.example.add_header
 *     typed_config:
 *       "@type": type.googleapis.com/com.example.AddHeader
 *       header: x-served-by           # required
 *       value: "%ROUTE_NAME%, %PROTOCOL%"   # required; Envoy's format operators work
 *
 * On a route or virtual host, typed_per_filter_config may give another `value`. The counter is
 * `<stat prefix>add_header.added`.
 *
 * Who owns what: the host calls config_create once for each place in the configuration and keeps the
 * pointer; worker threads only read it. A stream needs two pointers of its own, no more.
 */
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

static const martlet_host *host;
static const martlet_host_core *core;
static const martlet_host_config *configs;
static const martlet_host_metrics *metrics;
static const martlet_host_text *texts;

/* What one configuration says. Numbers are the host's for a header, a format and a metric. */
typedef struct {
  uint32_t header;
  uint32_t value;
  uint32_t added;
} settings;

/* One request and its response. */
typedef struct {
  const settings *settings;
  const martlet_host_http *http;
  martlet_handle stream;
} filter;

static martlet_bytes bytes(const char *text) {
  martlet_bytes result = {(const uint8_t *)text, strlen(text)};
  return result;
}

static bool equal(martlet_bytes left, const char *right) {
  return left.size == strlen(right) && memcmp(left.data, right, left.size) == 0;
}

/* ---- Configuration: a flat JSON object of texts, read in place. */

static martlet_status refuse(martlet_handle config, martlet_bytes path, const char *why) {
  configs->error(config, path, bytes(why));
  return MARTLET_E_ARGUMENT;
}

typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} reader;

static void skip_space(reader *in) {
  while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at) in->at++;
}

static bool take(reader *in, uint8_t expected) {
  skip_space(in);
  if (in->at == in->end || *in->at != expected) return false;
  in->at++;
  return true;
}

/* A text without escapes: a header's name or value that needs one is refused, not misread. */
static bool take_text(reader *in, martlet_bytes *out) {
  if (!take(in, '"')) return false;
  out->data = in->at;
  while (in->at < in->end && *in->at != '"' && *in->at != '\\') in->at++;
  out->size = (size_t)(in->at - out->data);
  return take(in, '"');
}

/* Reads the members `header` and `value`; anything else is an error at its own path. */
static martlet_status read_members(martlet_handle config, martlet_bytes json, martlet_bytes *header,
                                   martlet_bytes *value) {
  reader in = {json.data, json.data + json.size};
  martlet_bytes name, text;
  if (!take(&in, '{')) return refuse(config, bytes(""), "expected an object");
  if (take(&in, '}')) return MARTLET_OK;
  do {
    if (!take_text(&in, &name) || !take(&in, ':')) break;
    if (!take_text(&in, &text)) return refuse(config, name, "expected a text without escapes");
    if (equal(name, "header") && header) {
      *header = text;
    } else if (equal(name, "value")) {
      *value = text;
    } else {
      return refuse(config, name, "there is no such field");
    }
  } while (take(&in, ','));
  if (!take(&in, '}')) return refuse(config, bytes(""), "this is not JSON");
  return MARTLET_OK;
}

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  martlet_bytes header = {NULL, 0}, value = {NULL, 0};
  martlet_status status = read_members(config, given->bytes, &header, &value);
  if (status != MARTLET_OK) return status;
  if (header.size == 0) refuse(config, bytes("header"), "is required");
  if (value.size == 0) refuse(config, bytes("value"), "is required");
  if (header.size == 0 || value.size == 0) return MARTLET_E_ARGUMENT;

  settings *made = malloc(sizeof *made);
  if (!made) return MARTLET_E_LIMIT;
  status = configs->header(config, header, &made->header);
  if (status != MARTLET_OK) refuse(config, bytes("header"), "is not a header's name");
  if (status == MARTLET_OK) status = configs->format(config, bytes("value"), value, &made->value);
  if (status == MARTLET_OK) {
    status = configs->metric(config, MARTLET_COUNTER, bytes("add_header.added"), true, NULL, 0, &made->added);
  }
  if (status != MARTLET_OK) {
    free(made);
    return status;
  }
  *out = made;
  return MARTLET_OK;
}

static void config_destroy(void *config) { free(config); }

/* A route's configuration is only another value. */
static martlet_status route_config_create(martlet_handle config, const martlet_filter_config *given,
                                          void **out) {
  martlet_bytes value = {NULL, 0};
  martlet_status status = read_members(config, given->bytes, NULL, &value);
  if (status != MARTLET_OK) return status;
  if (value.size == 0) return refuse(config, bytes("value"), "is required");
  uint32_t *made = malloc(sizeof *made);
  if (!made) return MARTLET_E_LIMIT;
  status = configs->format(config, bytes("value"), value, made);
  if (status != MARTLET_OK) {
    free(made);
    return status;
  }
  *out = made;
  return MARTLET_OK;
}

/* ---- Streams. */

static void *create(void *config, void *worker, const martlet_host_http *http, martlet_handle stream) {
  (void)worker;
  filter *self = malloc(sizeof *self);
  if (!self) return NULL;
  self->settings = config;
  self->http = http;
  self->stream = stream;
  return self;
}

static martlet_filter_status on_response_headers(void *context, bool end) {
  (void)end;
  filter *self = context;
  const settings *mine = self->settings;
  uint32_t format = mine->value;
  void *of_route;
  if (self->http->route_config(self->stream, 0, &of_route) == MARTLET_OK) format = *(uint32_t *)of_route;

  martlet_bytes value;
  if (texts->format(self->stream, format, &value) != MARTLET_OK) return MARTLET_CONTINUE;
  self->http->header_set_by_id(self->stream, MARTLET_RESPONSE_HEADERS, mine->header, value);
  metrics->add(self->stream, mine->added, 1);
  return MARTLET_CONTINUE;
}

static void destroy(void *context) { free(context); }

/* ---- The plugin. */

static const char *const type_names[] = {"com.example.AddHeader", NULL};

static const martlet_filter_info info = {
    .size = sizeof info,
    .name = "com.example.add_header",
    .type_names = type_names,
    .route_type_names = type_names,
};

static const martlet_http_filter add_header = {
    .size = sizeof add_header,
    .info = &info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .route_config_create = route_config_create,
    .route_config_destroy = config_destroy,
    .create = create,
    .on_response_headers = on_response_headers,
    .destroy = destroy,
};

static const martlet_http_filter *const filters[] = {&add_header};
static const martlet_http_filter_list list = {sizeof list, 1, filters};

static martlet_status open_plugin(const martlet_host *given) {
  host = given;
  core = host->query("martlet.host.core/1");
  configs = host->query("martlet.host.config/1");
  metrics = host->query("martlet.host.metrics/1");
  texts = host->query("martlet.host.text/1");
  if (!core || !configs || !metrics || !texts) return MARTLET_E_NOT_FOUND;
  core->log(host->plugin, MARTLET_LOG_DEBUG, bytes("open"));
  return MARTLET_OK;
}

static const void *query(const char *id) {
  return strcmp(id, "martlet.plugin.http_filter/1") == 0 ? &list : NULL;
}

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = "com.example.add_header",
    .version = "1.0.0",
    .open = open_plugin,
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
