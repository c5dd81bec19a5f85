/* The network filter com.example.my_filter: greets every client with a line before the bytes of the
 * connection go on, and counts them.
 *
 *     name: com.example.my_filter
 *     typed_config:
 *       "@type": type.googleapis.com/com.example.MyFilter
 *       greeting: hello        # required
 *
 * The counters are `my_filter.connections` and `my_filter.bytes`.
 */
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

/* The host's services, found when the plugin is opened. */
static const martlet_host_config *configs;
static const martlet_host_metrics *metrics;

static martlet_bytes bytes(const char *text) {
  martlet_bytes result = {(const uint8_t *)text, strlen(text)};
  return result;
}

/* ---- Configuration: read once, on the control thread; all workers read what comes of it. */

typedef struct {
  uint32_t connections, bytes; /* the host's numbers for the counters */
  size_t size;
  uint8_t greeting[]; /* with its end of line */
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
static const char *read_settings(martlet_bytes json, martlet_bytes *greeting, martlet_bytes *path) {
  reader in = {json.data, json.data + json.size};
  *path = bytes("");
  if (!take(&in, '{')) return "expected an object";
  if (!take(&in, '}')) {
    do {
      martlet_bytes name;
      *path = bytes("");
      if (!take_text(&in, &name) || !take(&in, ':')) return "this is not JSON";
      *path = name;
      if (!named(name, "greeting")) return "there is no such field";
      if (!take_text(&in, greeting)) return "expected a text without escapes";
    } while (take(&in, ','));
    *path = bytes("");
    if (!take(&in, '}')) return "this is not JSON";
  }
  *path = bytes("greeting");
  return greeting->size == 0 ? "is required" : NULL;
}

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  martlet_bytes greeting = {NULL, 0}, path;
  const char *wrong = read_settings(given->bytes, &greeting, &path);
  if (wrong) {
    configs->error(config, path, bytes(wrong));
    return MARTLET_E_ARGUMENT;
  }
  settings *made = malloc(sizeof *made + greeting.size + 2);
  if (!made) return MARTLET_E_LIMIT;
  memcpy(made->greeting, greeting.data, greeting.size);
  memcpy(made->greeting + greeting.size, "\r\n", 2);
  made->size = greeting.size + 2;
  martlet_status status = configs->metric(config, MARTLET_COUNTER, bytes("my_filter.connections"), true,
                                          NULL, 0, &made->connections);
  if (status == MARTLET_OK) {
    status = configs->metric(config, MARTLET_COUNTER, bytes("my_filter.bytes"), true, NULL, 0, &made->bytes);
  }
  if (status != MARTLET_OK) {
    free(made);
    return status;
  }
  *out = made;
  return MARTLET_OK;
}

static void config_destroy(void *config) { free(config); }

/* ---- One connection, on a worker. Nothing here may block. */

typedef struct {
  const settings *settings;
  const martlet_host_network *network;
  martlet_handle connection;
} filter;

static void *create(void *config, void *worker, const martlet_host_network *network,
                    martlet_handle connection) {
  (void)worker;
  filter *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->settings = config;
  self->network = network;
  self->connection = connection;
  return self;
}

static martlet_filter_status on_new_connection(void *context) {
  filter *self = context;
  martlet_bytes greeting = {self->settings->greeting, self->settings->size};
  self->network->write(self->connection, greeting, false);
  metrics->add(self->connection, self->settings->connections, 1);
  return MARTLET_CONTINUE;
}

static martlet_filter_status on_data(void *context, bool end) {
  (void)end;
  filter *self = context;
  martlet_bytes come;
  if (self->network->read_buffer(self->connection, &come) == MARTLET_OK) {
    metrics->add(self->connection, self->settings->bytes, come.size);
  }
  return MARTLET_CONTINUE;
}

static void destroy(void *context) { free(context); }

/* ---- The tables. A hook that is not needed is left out; martlet.h has them all. */

static const char *const types[] = {"com.example.MyFilter", NULL};
static const martlet_filter_info info = {
    .size = sizeof info, .name = "com.example.my_filter", .type_names = types};

static const martlet_network_filter my_filter = {
    .size = sizeof my_filter,
    .info = &info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .create = create,
    .on_new_connection = on_new_connection,
    .on_data = on_data,
    .destroy = destroy,
};
static const martlet_network_filter *const filters[] = {&my_filter};
static const martlet_network_filter_list list = {sizeof list, 1, filters};

static martlet_status open_plugin(const martlet_host *host) {
  configs = host->query("martlet.host.config/1");
  metrics = host->query("martlet.host.metrics/1");
  return configs && metrics ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static const void *query(const char *id) {
  return strcmp(id, "martlet.plugin.network_filter/1") == 0 ? &list : NULL;
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
