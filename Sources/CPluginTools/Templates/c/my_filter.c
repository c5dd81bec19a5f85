/* The filter com.example.my_filter: sets a header on every response and counts how often.
 *
 *     name: com.example.my_filter
 *     typed_config:
 *       "@type": type.googleapis.com/com.example.MyFilter
 *       header: x-my-filter       # required
 *       value: "hello, %PROTOCOL%" # required; Envoy's format operators work
 *
 * The counter is `<stat prefix>my_filter.served`.
 */
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

/* The host's services, found when the plugin is opened. */
static const martlet_host_config *configs;
static const martlet_host_metrics *metrics;
static const martlet_host_text *texts;

static martlet_bytes bytes(const char *text) {
  martlet_bytes result = {(const uint8_t *)text, strlen(text)};
  return result;
}

/* ---- Configuration: read once, on the control thread; all workers read what comes of it. */

/* The host's numbers for the header's name, the format and the counter. */
typedef struct {
  uint32_t header, value, served;
} settings;

typedef struct {
  const uint8_t *at, *end;
} reader;

static bool take(reader *in, uint8_t expected) {
  while (in->at < in->end && (*in->at == ' ' || (*in->at >= '\t' && *in->at <= '\r'))) in->at++;
  if (in->at == in->end || *in->at != expected) return false;
  in->at++;
  return true;
}

/* A JSON text without escapes. */
static bool take_text(reader *in, martlet_bytes *out) {
  if (!take(in, '"')) return false;
  out->data = in->at;
  while (in->at < in->end && *in->at != '"' && *in->at != '\\') in->at++;
  out->size = (size_t)(in->at - out->data);
  return take(in, '"');
}

static bool named(martlet_bytes name, const char *expected) {
  return name.size == strlen(expected) && memcmp(name.data, expected, name.size) == 0;
}

/* NULL, or what is wrong with the field at `path`. */
static const char *read_settings(martlet_bytes json, martlet_bytes *header, martlet_bytes *value,
                                 martlet_bytes *path) {
  reader in = {json.data, json.data + json.size};
  *path = bytes("");
  if (!take(&in, '{')) return "expected an object";
  if (!take(&in, '}')) {
    do {
      martlet_bytes name;
      *path = bytes("");
      if (!take_text(&in, &name) || !take(&in, ':')) return "this is not JSON";
      *path = name;
      martlet_bytes *field = named(name, "header") ? header : named(name, "value") ? value : NULL;
      if (!field) return "there is no such field";
      if (!take_text(&in, field)) return "expected a text without escapes";
    } while (take(&in, ','));
    *path = bytes("");
    if (!take(&in, '}')) return "this is not JSON";
  }
  *path = bytes(header->size == 0 ? "header" : "value");
  return header->size == 0 || value->size == 0 ? "is required" : NULL;
}

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  martlet_bytes header = {NULL, 0}, value = {NULL, 0}, path;
  const char *wrong = read_settings(given->bytes, &header, &value, &path);
  if (wrong) {
    configs->error(config, path, bytes(wrong));
    return MARTLET_E_ARGUMENT;
  }
  settings *made = calloc(1, sizeof *made);
  if (!made) return MARTLET_E_LIMIT;
  martlet_status status = configs->header(config, header, &made->header);
  if (status != MARTLET_OK) configs->error(config, bytes("header"), bytes("is not a header's name"));
  if (status == MARTLET_OK) status = configs->format(config, bytes("value"), value, &made->value);
  if (status == MARTLET_OK) {
    status = configs->metric(config, MARTLET_COUNTER, bytes("my_filter.served"), true, NULL, 0,
                             &made->served);
  }
  if (status != MARTLET_OK) {
    free(made);
    return status;
  }
  *out = made;
  return MARTLET_OK;
}

static void config_destroy(void *config) { free(config); }

/* ---- One request and its response, on a worker. Nothing here may block. */

typedef struct {
  const settings *settings;
  const martlet_host_http *http;
  martlet_handle stream;
} filter;

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
  martlet_bytes value;
  if (texts->format(self->stream, self->settings->value, &value) == MARTLET_OK) {
    self->http->header_set_by_id(self->stream, MARTLET_RESPONSE_HEADERS, self->settings->header, value);
    metrics->add(self->stream, self->settings->served, 1);
  }
  return MARTLET_CONTINUE;
}

static void destroy(void *context) { free(context); }

/* ---- The tables. A hook that is not needed is left out; martlet.h has them all. */

static const char *const types[] = {"com.example.MyFilter", NULL};
static const martlet_filter_info info = {
    .size = sizeof info, .name = "com.example.my_filter", .type_names = types};

static const martlet_http_filter my_filter = {
    .size = sizeof my_filter,
    .info = &info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .create = create,
    .on_response_headers = on_response_headers,
    .destroy = destroy,
};
static const martlet_http_filter *const filters[] = {&my_filter};
static const martlet_http_filter_list list = {sizeof list, 1, filters};

static martlet_status open_plugin(const martlet_host *host) {
  configs = host->query("martlet.host.config/1");
  metrics = host->query("martlet.host.metrics/1");
  texts = host->query("martlet.host.text/1");
  return configs && metrics && texts ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static const void *query(const char *id) {
  return strcmp(id, "martlet.plugin.http_filter/1") == 0 ? &list : NULL;
}

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = "com.example.my_filter",
    .version = "0.1.0",
    .open = open_plugin,
    .query = query,
};

MARTLET_EXPORT const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
