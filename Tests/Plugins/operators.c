/* Format operators for tests. `com.example.words` has no configuration:
 *
 *     %WORD(text)%          its argument; %WORD% without one has no value
 *     %LENGTH(header)%      a number: the length of the request header's value
 *     %SAME(a=b)%           a truth value
 *     %CLAIMS(text)%        says that it is a number, whatever it is
 *     %ASK(what)%           what the host answers: see `ask`
 *
 * `com.example.greeting` has one, the type com.example.Greeting, a JSON object with `greeting`:
 *
 *     %GREET(format)%       the greeting, the version and the format's text: an operator whose argument is a
 *                           format. An argument "refuse" is refused; the greeting "refuse" as well.
 *
 * VERSION (a string) and PLUGIN_ID may be defined, and NO_GREETING, OPERATOR (an operator's name in place of
 * WORD) for plugins that want what others have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

#ifndef VERSION
#define VERSION "1"
#endif
#ifndef PLUGIN_ID
#define PLUGIN_ID "com.example.operators"
#endif
#ifndef OPERATOR
#define OPERATOR "WORD"
#endif
#ifndef FORMATTER
#define FORMATTER "com.example.words"
#endif

static const martlet_host_core *core;
static const martlet_host_config *config_services;
static const martlet_host_text *text_services;
static const martlet_host_stream_info *info_services;
static const martlet_host_metrics *metrics;

static martlet_bytes bytes_of(const char *text) {
  return (martlet_bytes){(const uint8_t *)text, strlen(text)};
}

static bool is(martlet_bytes bytes, const char *text) {
  return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* ---- words */

typedef struct word_use {
  char operator_name[16];
  char argument[4096];
  bool has_argument;
  uint32_t header, metric;
} word_use;

static martlet_status word_create(void *config, martlet_handle handle, martlet_bytes name,
                                  martlet_bytes argument, martlet_value_kind *kind, void **out) {
  (void)config;
  if (name.size > 15 || argument.size > 4095) return MARTLET_E_LIMIT;
  word_use *use = calloc(1, sizeof *use);
  memcpy(use->operator_name, name.data, name.size);
  use->has_argument = argument.data != NULL;
  if (argument.size > 0) memcpy(use->argument, argument.data, argument.size);
  if (is(name, "LENGTH")) {
    if (config_services->header(handle, argument, &use->header) != MARTLET_OK) {
      config_services->error(handle, bytes_of("argument"), bytes_of("expected the name of a header"));
      free(use);
      return MARTLET_E_ARGUMENT;
    }
  }
  if (is(name, "LENGTH") || is(name, "CLAIMS")) *kind = MARTLET_VALUE_NUMBER;
  if (is(name, "SAME")) *kind = MARTLET_VALUE_BOOLEAN;
  config_services->metric(handle, MARTLET_COUNTER, bytes_of("words.written"), false, NULL, 0, &use->metric);
  *out = use;
  return MARTLET_OK;
}

static void use_destroy(void *use) { free(use); }

typedef struct word_worker {
  char text[8192];
  int depth;
} word_worker;

static void *word_worker_create(void *config, martlet_handle worker) {
  (void)config, (void)worker;
  return calloc(1, sizeof(word_worker));
}
static void word_worker_destroy(void *worker) { free(worker); }

static size_t text_fact(martlet_handle format, martlet_text_attribute attribute, char *out, size_t size) {
  martlet_bytes value = {0};
  martlet_status status = info_services->text(format, attribute, &value);
  if (status != MARTLET_OK) return (size_t)snprintf(out, size, "%d", status);
  return (size_t)snprintf(out, size, "%.*s", (int)value.size, (const char *)value.data);
}

/* What the host answers to what an operator may ask, or may not. */
static size_t ask(const char *what, const martlet_host_http *http, martlet_handle format, char *out,
                  size_t size) {
  static martlet_handle kept;
  size_t number = 0;
  uint64_t wide = 0;
  martlet_bytes value = {0};
  if (strcmp(what, "kept") == 0) return (size_t)snprintf(out, size, "%d", http->header_count(kept, 0, &number));
  kept = format;
  if (strcmp(what, "headers") == 0) {
    martlet_status status = http->header_count(format, MARTLET_REQUEST_HEADERS, &number);
    size_t listed = 0;
    martlet_header fields[8];
    http->headers(format, MARTLET_REQUEST_HEADERS, fields, 8, &listed);
    return (size_t)snprintf(out, size, "%d %d", status, number == listed);
  }
  for (int map = 0; map < 5; map++) {
    const char *const names[] = {"request", "request_trailers", "response", "response_trailers", "unknown"};
    if (strcmp(what, names[map]) == 0) {
      martlet_status status = http->header_get(format, map, bytes_of("x-a"), 0, &value);
      if (status != MARTLET_OK) return (size_t)snprintf(out, size, "%d", status);
      return (size_t)snprintf(out, size, "%.*s", (int)value.size, (const char *)value.data);
    }
  }
  if (strcmp(what, "pseudo") == 0) {
    if (http->header_get(format, MARTLET_RESPONSE_HEADERS, bytes_of(":status"), 0, &value) != MARTLET_OK)
      return (size_t)snprintf(out, size, "none");
    return (size_t)snprintf(out, size, "%.*s", (int)value.size, (const char *)value.data);
  }
  if (strcmp(what, "changes") == 0) {
    martlet_reply reply = {.size = sizeof reply, .status = 200, .grpc_status = -1};
    return (size_t)snprintf(
        out, size, "%d %d %d %d %d %d %d %d %d",
        http->header_set(format, MARTLET_REQUEST_HEADERS, bytes_of("x-a"), bytes_of("changed")),
        http->header_remove(format, MARTLET_REQUEST_HEADERS, bytes_of("x-a")), http->reply(format, &reply),
        http->body_size(format, MARTLET_REQUEST, &number), http->clear_route(format),
        info_services->set_metadata_text(format, bytes_of("a"), bytes_of("b"), bytes_of("c")),
        info_services->set_filter_state(format, bytes_of("a"), bytes_of("b")),
        info_services->add_response_flag(format, bytes_of("FI")), core->set_timer(format, 0, 1));
  }
  if (strcmp(what, "metadata") == 0) {
    martlet_status status = info_services->metadata(format, bytes_of("probe"), bytes_of("key"), &value);
    if (status != MARTLET_OK) return (size_t)snprintf(out, size, "%d", status);
    return (size_t)snprintf(out, size, "%.*s", (int)value.size, (const char *)value.data);
  }
  if (strcmp(what, "code") == 0) {
    martlet_status status = info_services->number(format, MARTLET_RESPONSE_CODE, &wide);
    return (size_t)snprintf(out, size, "%d %d", status, (int)wide);
  }
  if (strcmp(what, "source") == 0) {
    martlet_status status = info_services->number(format, MARTLET_RESPONSE_SOURCE, &wide);
    return (size_t)snprintf(out, size, "%d %d", status, (int)wide);
  }
  if (strcmp(what, "route") == 0) return text_fact(format, MARTLET_ROUTE_NAME, out, size);
  if (strcmp(what, "cluster") == 0) return text_fact(format, MARTLET_CLUSTER_NAME, out, size);
  if (strcmp(what, "protocol") == 0) return text_fact(format, MARTLET_PROTOCOL, out, size);
  if (strcmp(what, "local") == 0) return text_fact(format, MARTLET_DOWNSTREAM_LOCAL_ADDRESS, out, size);
  if (strcmp(what, "log") == 0)
    return (size_t)snprintf(out, size, "%d", core->log(format, MARTLET_LOG_WARNING, bytes_of("asked")));
  if (strcmp(what, "newline") == 0) return (size_t)snprintf(out, size, "a\r\nx-injected: yes");
  if (strcmp(what, "empty") == 0) return 0;
  return (size_t)snprintf(out, size, "?");
}

static martlet_status word_write(void *use, void *worker, const martlet_host_http *http, martlet_handle format,
                                 martlet_bytes *out) {
  word_use *word = use;
  word_worker *own = worker;
  metrics->add(format, word->metric, 1);
  size_t size = 0;
  if (strcmp(word->operator_name, "LENGTH") == 0) {
    martlet_bytes value;
    if (http->header_get_by_id(format, MARTLET_REQUEST_HEADERS, word->header, 0, &value) != MARTLET_OK)
      return MARTLET_E_NOT_FOUND;
    size = (size_t)snprintf(own->text, sizeof own->text, "%zu", value.size);
  } else if (strcmp(word->operator_name, "SAME") == 0) {
    const char *mark = strchr(word->argument, '=');
    bool same = mark && strlen(mark + 1) == (size_t)(mark - word->argument) &&
                strncmp(word->argument, mark + 1, strlen(mark + 1)) == 0;
    size = (size_t)snprintf(own->text, sizeof own->text, "%s", same ? "true" : "false");
  } else if (strcmp(word->operator_name, "ASK") == 0) {
    size = ask(word->argument, http, format, own->text, sizeof own->text);
  } else {
    if (!word->has_argument) return MARTLET_E_NOT_FOUND;
    size = (size_t)snprintf(own->text, sizeof own->text, "%s", word->argument);
  }
  *out = (martlet_bytes){(const uint8_t *)own->text, size};
  return MARTLET_OK;
}

static const char *const word_operators[] = {OPERATOR, "LENGTH", "SAME", "CLAIMS", "ASK", NULL};
static const char *const one_operator[] = {OPERATOR, NULL};
static const char *const no_types[] = {NULL};
static const martlet_filter_info word_info = {
    .size = sizeof word_info, .name = FORMATTER, .type_names = no_types};
static const martlet_format_operator words = {
    .size = sizeof words,
    .info = &word_info,
#ifdef ONE_OPERATOR
    .operators = one_operator,
#else
    .operators = word_operators,
#endif
    .worker_create = word_worker_create,
    .worker_destroy = word_worker_destroy,
    .create = word_create,
    .destroy = use_destroy,
    .write = word_write,
};

/* ---- greetings */

typedef struct greeting {
  char text[256];
} greeting;

typedef struct greeting_use {
  const greeting *config;
  uint32_t format;
} greeting_use;

static martlet_status greeting_config(martlet_handle handle, const martlet_filter_config *given, void **out) {
  const char *key = "\"greeting\":\"";
  char json[1024] = {0};
  if (given->encoding != MARTLET_JSON || given->bytes.size >= sizeof json) return MARTLET_E_ARGUMENT;
  memcpy(json, given->bytes.data, given->bytes.size);
  const char *found = strstr(json, key);
  const char *end = found ? strchr(found + strlen(key), '"') : NULL;
  if (!end || end - found > 200) {
    config_services->error(handle, bytes_of("greeting"), bytes_of("expected a greeting"));
    return MARTLET_E_ARGUMENT;
  }
  greeting *made = calloc(1, sizeof *made);
  memcpy(made->text, found + strlen(key), (size_t)(end - found) - strlen(key));
  if (strcmp(made->text, "refuse") == 0) {
    config_services->error(handle, bytes_of("greeting"), bytes_of("is refused"));
    free(made);
    return MARTLET_E_ARGUMENT;
  }
  *out = made;
  return MARTLET_OK;
}

static void greeting_config_destroy(void *config) {
  free(config);
}

static martlet_status greeting_create(void *config, martlet_handle handle, martlet_bytes name,
                                      martlet_bytes argument, martlet_value_kind *kind, void **out) {
  (void)name, (void)kind;
  if (is(argument, "refuse")) return MARTLET_E_ARGUMENT;
  greeting_use *use = calloc(1, sizeof *use);
  use->config = config;
  if (config_services->format(handle, bytes_of("argument"), argument, &use->format) != MARTLET_OK) {
    free(use);
    return MARTLET_E_ARGUMENT;
  }
  *out = use;
  return MARTLET_OK;
}

static martlet_status greeting_write(void *given, void *worker, const martlet_host_http *http,
                                     martlet_handle format, martlet_bytes *out) {
  /* One a thread, so that the operator in its own argument overwrites it. */
  static __thread char buffer[4096];
  (void)worker, (void)http;
  const greeting_use *use = given;
  martlet_bytes text;
  if (text_services->format(format, use->format, &text) != MARTLET_OK) return MARTLET_E_NOT_FOUND;
  int size = snprintf(buffer, sizeof buffer, "%s " VERSION " %.*s", use->config->text, (int)text.size,
                      (const char *)text.data);
  *out = (martlet_bytes){(const uint8_t *)buffer, (size_t)size};
  return MARTLET_OK;
}

static const char *const greeting_operators[] = {"GREET", NULL};
static const char *const greeting_types[] = {"com.example.Greeting", NULL};
static const martlet_filter_info greeting_info = {
    .size = sizeof greeting_info, .name = "com.example.greeting", .type_names = greeting_types};
static const martlet_format_operator greetings = {
    .size = sizeof greetings,
    .info = &greeting_info,
    .operators = greeting_operators,
    .config_create = greeting_config,
    .config_destroy = greeting_config_destroy,
    .create = greeting_create,
    .destroy = use_destroy,
    .write = greeting_write,
};

/* ---- the plugin */

static const martlet_format_operator *const all[] = {&words, &greetings};
#ifdef NO_GREETING
static const martlet_format_operator_list list = {sizeof list, 1, all};
#else
static const martlet_format_operator_list list = {sizeof list, 2, all};
#endif

static martlet_status open_plugin(const martlet_host *host) {
  core = host->query("martlet.host.core/1");
  config_services = host->query("martlet.host.config/1");
  text_services = host->query("martlet.host.text/1");
  info_services = host->query("martlet.host.stream_info/1");
  metrics = host->query("martlet.host.metrics/1");
  (void)word_operators, (void)one_operator;
  return core && config_services && text_services && info_services && metrics ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static const void *query(const char *id) {
  return strcmp(id, "martlet.plugin.format_operator/1") == 0 ? &list : NULL;
}

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = PLUGIN_ID,
    .version = VERSION ".0.0",
    .open = open_plugin,
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
