/* Two network filters in C.
 *
 * `com.example.first_bytes` lets a connection through to the filters behind it only when it begins
 * with one of the given texts. Others get an answer and are closed; so are those that say nothing in
 * time. Until it is decided, the filters behind do not know of the connection: a TCP proxy behind it
 * does not connect.
 *
 *     name: com.example.first_bytes
 *     typed_config:
 *       "@type": type.googleapis.com/com.example.FirstBytes
 *       accept: ["GET ", "PING"]       # required, up to 16
 *       refusal: "go away\r\n"         # nothing where it is left out
 *       timeout_ms: 2000               # 1 to 3,600,000; 5000 where it is left out
 *
 * `com.example.echo` ends a chain: it sends back what comes. It has nothing to configure.
 *
 * Counted: first_bytes.accepted and first_bytes.refused.
 */
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

enum { most_texts = 16, decision_timer = 0 };

static const martlet_host_config *configs;
static const martlet_host_core *core;
static const martlet_host_metrics *metrics;

static martlet_bytes bytes(const char *text) {
  martlet_bytes result = {(const uint8_t *)text, strlen(text)};
  return result;
}

/* ---- Configuration. All its texts stand in one block behind it. */

typedef struct {
  martlet_bytes accept[most_texts];
  size_t accept_count;
  martlet_bytes refusal;
  uint32_t timeout_ms;
  uint32_t accepted, refused; /* counters */
  uint8_t texts[];            /* as long as the JSON was: no text in it is longer */
} settings;

typedef struct {
  const uint8_t *at, *end;
  uint8_t *free; /* where the next text goes */
} reader;

static bool take(reader *in, uint8_t expected) {
  while (in->at < in->end && (*in->at == ' ' || (*in->at >= '\t' && *in->at <= '\r'))) in->at++;
  if (in->at == in->end || *in->at != expected) return false;
  in->at++;
  return true;
}

/* A text, with every escape but \u. */
static bool take_text(reader *in, martlet_bytes *out) {
  static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  if (!take(in, '"')) return false;
  out->data = in->free;
  while (in->at < in->end && *in->at != '"') {
    uint8_t byte = *in->at++;
    if (byte == '\\') {
      const char *name = in->at < in->end && *in->at ? strchr(names, *in->at) : NULL;
      if (!name) return false;
      byte = (uint8_t)meanings[name - names];
      in->at++;
    }
    *in->free++ = byte;
  }
  out->size = (size_t)(in->free - out->data);
  return take(in, '"');
}

static bool take_number(reader *in, uint32_t *out) {
  (void)take(in, 0); /* white space */
  const uint8_t *first = in->at;
  *out = 0;
  while (in->at < in->end && *in->at >= '0' && *in->at <= '9' && *out < 100000000) {
    *out = *out * 10 + (uint32_t)(*in->at++ - '0');
  }
  return in->at > first;
}

static bool take_texts(reader *in, settings *made) {
  if (!take(in, '[')) return false;
  do {
    if (made->accept_count == most_texts || !take_text(in, &made->accept[made->accept_count])) return false;
    if (made->accept[made->accept_count++].size == 0) return false;
  } while (take(in, ','));
  return take(in, ']');
}

static bool named(martlet_bytes name, const char *expected) {
  return name.size == strlen(expected) && memcmp(name.data, expected, name.size) == 0;
}

/* NULL, or what is wrong with the field at `path`. */
static const char *read_settings(reader *in, settings *made, martlet_bytes *path) {
  martlet_bytes name = bytes("");
  if (!take(in, '{')) return "expected an object";
  if (!take(in, '}')) {
    do {
      if (!take_text(in, &name) || !take(in, ':')) return "this is not JSON";
      *path = name;
      if (named(name, "accept")) {
        if (!take_texts(in, made)) return "expected a list of 1 to 16 texts, none of them empty";
      } else if (named(name, "refusal")) {
        if (!take_text(in, &made->refusal)) return "expected a text";
      } else if (named(name, "timeout_ms")) {
        if (!take_number(in, &made->timeout_ms) || made->timeout_ms < 1 || made->timeout_ms > 3600000) {
          return "expected a whole number from 1 to 3600000";
        }
      } else {
        return "there is no such field";
      }
    } while (take(in, ','));
    *path = bytes("");
    if (!take(in, '}')) return "this is not JSON";
  }
  *path = bytes("accept");
  return made->accept_count == 0 ? "is required" : NULL;
}

static martlet_status config_create(martlet_handle config, const martlet_filter_config *given, void **out) {
  settings *made = calloc(1, sizeof *made + given->bytes.size);
  if (!made) return MARTLET_E_LIMIT;
  made->timeout_ms = 5000;
  reader in = {given->bytes.data, given->bytes.data + given->bytes.size, made->texts};
  martlet_bytes path = bytes("");
  const char *wrong = read_settings(&in, made, &path);
  martlet_status status = MARTLET_OK;
  if (wrong) {
    configs->error(config, path, bytes(wrong));
    status = MARTLET_E_ARGUMENT;
  }
  if (status == MARTLET_OK) {
    status = configs->metric(config, MARTLET_COUNTER, bytes("first_bytes.accepted"), true, NULL, 0,
                             &made->accepted);
  }
  if (status == MARTLET_OK) {
    status = configs->metric(config, MARTLET_COUNTER, bytes("first_bytes.refused"), true, NULL, 0,
                             &made->refused);
  }
  if (status == MARTLET_OK) {
    *out = made;
  } else {
    free(made);
  }
  return status;
}

static void config_destroy(void *config) { free(config); }

/* ---- A connection, for either filter. */

typedef struct {
  const settings *settings; /* NULL for echo */
  const martlet_host_network *network;
  martlet_handle connection;
  bool accepted;
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

static void destroy(void *context) { free(context); }

/* ---- com.example.first_bytes */

static martlet_filter_status refuse(filter *self) {
  self->network->write(self->connection, self->settings->refusal, true);
  self->network->close(self->connection, MARTLET_CLOSE_FLUSH);
  metrics->add(self->connection, self->settings->refused, 1);
  return MARTLET_STOP;
}

static martlet_filter_status first_bytes_on_new_connection(void *context) {
  filter *self = context;
  core->set_timer(self->connection, decision_timer, self->settings->timeout_ms);
  return MARTLET_STOP;
}

static martlet_filter_status first_bytes_on_data(void *context, bool end) {
  filter *self = context;
  if (self->accepted) return MARTLET_CONTINUE;
  martlet_bytes come;
  if (self->network->read_buffer(self->connection, &come) != MARTLET_OK) return MARTLET_STOP;

  bool possible = false;
  for (size_t i = 0; i < self->settings->accept_count; i++) {
    martlet_bytes text = self->settings->accept[i];
    size_t both = come.size < text.size ? come.size : text.size;
    if (both > 0 && memcmp(come.data, text.data, both) != 0) continue;
    possible = true;
    self->accepted |= both == text.size;
  }
  if (!self->accepted) return possible && !end ? MARTLET_STOP : refuse(self);
  core->set_timer(self->connection, decision_timer, 0);
  metrics->add(self->connection, self->settings->accepted, 1);
  return MARTLET_CONTINUE;
}

static void first_bytes_on_timer(void *context, uint32_t timer) {
  if (timer == decision_timer) refuse(context);
}

/* ---- com.example.echo */

static martlet_filter_status echo_on_data(void *context, bool end) {
  filter *self = context;
  martlet_bytes come;
  if (self->network->read_buffer(self->connection, &come) == MARTLET_OK) {
    self->network->write(self->connection, come, end);
    self->network->read_drain(self->connection, come.size);
  }
  return MARTLET_STOP;
}

/* ---- The plugin. */

static const char *const first_bytes_types[] = {"com.example.FirstBytes", NULL};
static const char *const echo_types[] = {"com.example.Echo", NULL};

static const martlet_filter_info first_bytes_info = {
    .size = sizeof first_bytes_info, .name = "com.example.first_bytes", .type_names = first_bytes_types};
static const martlet_filter_info echo_info = {
    .size = sizeof echo_info,
    .flags = MARTLET_FILTER_TERMINAL,
    .name = "com.example.echo",
    .type_names = echo_types};

static const martlet_network_filter first_bytes = {
    .size = sizeof first_bytes,
    .info = &first_bytes_info,
    .config_create = config_create,
    .config_destroy = config_destroy,
    .create = create,
    .on_new_connection = first_bytes_on_new_connection,
    .on_data = first_bytes_on_data,
    .on_timer = first_bytes_on_timer,
    .destroy = destroy,
};

static const martlet_network_filter echo = {
    .size = sizeof echo,
    .info = &echo_info,
    .create = create,
    .on_data = echo_on_data,
    .destroy = destroy,
};

static const martlet_network_filter *const filters[] = {&first_bytes, &echo};
static const martlet_network_filter_list list = {sizeof list, 2, filters};

static martlet_status open_plugin(const martlet_host *host) {
  core = host->query("martlet.host.core/1");
  configs = host->query("martlet.host.config/1");
  metrics = host->query("martlet.host.metrics/1");
  return core && configs && metrics ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static const void *query(const char *id) {
  return strcmp(id, "martlet.plugin.network_filter/1") == 0 ? &list : NULL;
}

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = "com.example.first_bytes",
    .version = "1.0.0",
    .open = open_plugin,
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
