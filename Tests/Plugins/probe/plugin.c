/* The probe's descriptor, configurations and worker scopes. */
#include "probe.h"

services probe;
_Atomic martlet_handle remembered;

#ifndef PROBE_VERSION
#define PROBE_VERSION "1.0.0"
#endif

/* ---- Configurations */

static void define(configuration *made, const char *kind, const char *name, martlet_status status, uint32_t number,
                   const char *expected) {
  if (strcmp(status_name(status), expected) != 0) {
    say(&made->scope, MARTLET_LOG_ERROR, "WRONG define: %s %s gave %s, expected %s", kind, name, status_name(status),
        expected);
  }
  if (status != MARTLET_OK) return;
  definition *one = calloc(1, sizeof *one);
  snprintf(one->kind, sizeof one->kind, "%s", kind);
  one->name = strdup(name);
  one->number = number;
  one->next = made->definitions;
  made->definitions = one;
}

static martlet_status define_metric(martlet_handle handle, const json *one, uint32_t *number) {
  martlet_bytes labels[32];
  size_t count = 0;
  const json *given = json_member(one, "labels");
  for (const json *label = given ? given->first : NULL; label && count < 32; label = label->next) {
    labels[count++] = (martlet_bytes){(const uint8_t *)label->text, label->size};
  }
  const char *kind = json_text(one, "kind", "counter");
  martlet_metric_kind metric = strcmp(kind, "gauge") == 0       ? MARTLET_GAUGE
                               : strcmp(kind, "histogram") == 0 ? MARTLET_HISTOGRAM
                               : strcmp(kind, "counter") == 0   ? MARTLET_COUNTER
                                                                : 99;
  return probe.config->metric(handle, metric, bytes(json_text(one, "metric", "")), json_truth(one, "relative", true),
                              labels, count, number);
}

/* "define": [{"header": "x-a"}, {"format": "%REQ(x)%", "name": "f"}, {"regex": ...}, {"runtime": ...},
 * {"metric": "calls", "kind": "gauge"}], each with "expect" where it is not OK. */
static void define_all(configuration *made) {
  static const char path[] = "define";
  const json *all = json_member(made->text, "define");
  martlet_handle handle = made->scope.handle;
  for (const json *one = all ? all->first : NULL; one; one = one->next) {
    uint32_t number = UINT32_MAX;
    const char *expected = json_text(one, "expect", "OK"), *text;
    if ((text = json_text(one, "header", NULL))) {
      martlet_status status = probe.config->header(handle, bytes(text), &number);
      define(made, "headers", json_text(one, "name", text), status, number, expected);
    } else if ((text = json_text(one, "format", NULL))) {
      martlet_status status = probe.config->format(handle, bytes(json_text(one, "path", path)), bytes(text), &number);
      define(made, "formats", json_text(one, "name", text), status, number, expected);
    } else if ((text = json_text(one, "regex", NULL))) {
      martlet_status status = probe.config->regex(handle, bytes(json_text(one, "path", path)), bytes(text), &number);
      define(made, "regexes", json_text(one, "name", text), status, number, expected);
    } else if ((text = json_text(one, "runtime", NULL))) {
      martlet_status status = probe.config->runtime(handle, bytes(text), &number);
      define(made, "runtime", json_text(one, "name", text), status, number, expected);
    } else if ((text = json_text(one, "metric", NULL))) {
      martlet_status status = define_metric(handle, one, &number);
      define(made, "metrics", json_text(one, "name", text), status, number, expected);
    }
  }
}

static void report(configuration *made, const martlet_filter_config *given) {
  martlet_bytes prefix, id, cluster, zone;
  martlet_handle handle = made->scope.handle;
  if (probe.config->stat_prefix(handle, &prefix) != MARTLET_OK ||
      probe.config->node(handle, &id, &cluster, &zone) != MARTLET_OK) {
    say(&made->scope, MARTLET_LOG_ERROR, "WRONG report");
    return;
  }
  say(&made->scope, MARTLET_LOG_WARNING,
      "configured name=%.*s type=%.*s encoding=%d prefix=%.*s node=%.*s/%.*s/%.*s json=%.*s", (int)given->name.size,
      (const char *)given->name.data, (int)given->type_name.size, (const char *)given->type_name.data, given->encoding,
      (int)prefix.size, (const char *)prefix.data, (int)id.size, (const char *)id.data, (int)cluster.size,
      (const char *)cluster.data, (int)zone.size, (const char *)zone.data, (int)given->bytes.size,
      (const char *)given->bytes.data);
}

/* "problems": [{"error": "why", "path": "a.b"}, {"warning": "why"}] */
static void report_problems(configuration *made) {
  const json *all = json_member(made->text, "problems");
  for (const json *one = all ? all->first : NULL; one; one = one->next) {
    martlet_bytes path = bytes(json_text(one, "path", ""));
    if (json_text(one, "error", NULL)) probe.config->error(made->scope.handle, path, bytes(json_text(one, "error", "")));
    if (json_text(one, "warning", NULL)) {
      probe.config->warning(made->scope.handle, path, bytes(json_text(one, "warning", "")));
    }
  }
}

/* A misspelt field of a test would test nothing. */
static bool is_known(const char *name) {
  static const char *const fields[] = {"label", "script", "define", "problems", "null", "report", "return", "value",
                                       "deep" /* for what is in it to be seen */};
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strcmp(fields[i], name) == 0) return true;
  }
  return false;
}

static martlet_status make(martlet_handle handle, const martlet_filter_config *given, void **out, bool is_route) {
  json *text = json_parse((const char *)given->bytes.data, given->bytes.size);
  if (!text) {
    probe.config->error(handle, bytes(""), bytes("this is not JSON"));
    return MARTLET_E_ARGUMENT;
  }
  for (const json *member = text->first; member; member = member->next) {
    if (member->name && is_known(member->name)) continue;
    probe.config->error(handle, bytes(member->name ? member->name : ""), bytes("there is no such field"));
    json_free(text);
    return MARTLET_E_ARGUMENT;
  }
  configuration *made = calloc(1, sizeof *made);
  made->text = text;
  made->label = json_text(text, "label", "a");
  made->is_route = is_route;
  made->scope.handle = handle;
  made->scope.configuration = made;
  made->scope.script = json_member(text, "script");
  if (json_truth(text, "report", false)) report(made, given);
  report_problems(made);
  define_all(made);
  martlet_status status = status_named(json_text(text, "return", "OK"));
  if (status != MARTLET_OK) {
    configuration_destroy(made);
    return status;
  }
  if (!is_route) run(&made->scope, "config_create", false, 0);
  *out = made;
  return MARTLET_OK;
}

martlet_status configuration_create(martlet_handle handle, const martlet_filter_config *given, void **out) {
  return make(handle, given, out, false);
}

martlet_status route_configuration_create(martlet_handle handle, const martlet_filter_config *given, void **out) {
  return make(handle, given, out, true);
}

void configuration_destroy(void *context) {
  configuration *self = context;
  if (json_truth(self->text, "report", false)) say(&self->scope, MARTLET_LOG_WARNING, "destroyed");
  while (self->definitions) {
    definition *next = self->definitions->next;
    free(self->definitions->name);
    free(self->definitions);
    self->definitions = next;
  }
  scope_end(&self->scope);
  json_free(self->text);
  free(self);
}

void on_config_timer(void *context, uint32_t timer) { run(context, "config_timer", false, timer); }
void on_config_wake(void *context, uint64_t token) { run(context, "config_wake", false, token); }

/* "null": ["create", "worker_create"]: what gives NULL. */
bool is_null(const configuration *configuration, const char *what) {
  const json *all = json_member(configuration->text, "null");
  for (const json *one = all ? all->first : NULL; one; one = one->next) {
    if (strcmp(one->text, what) == 0) return true;
  }
  return false;
}

/* ---- Workers */

void *worker_create(void *context, martlet_handle worker) {
  configuration *configuration = context;
  if (is_null(configuration, "worker_create")) return NULL;
  scope *made = calloc(1, sizeof *made);
  made->handle = worker;
  made->configuration = configuration;
  made->worker = made;
  made->script = json_member(configuration->text, "script");
  run(made, "worker_create", false, 0);
  return made;
}

void worker_destroy(void *worker) {
  scope *self = worker;
  run(self, "worker_destroy", true, 0);
  scope_end(self);
  free(self);
}

void on_worker_timer(void *worker, uint32_t timer) { run(worker, "worker_timer", false, timer); }
void on_worker_wake(void *worker, uint64_t token) { run(worker, "worker_wake", false, token); }

/* ---- The plugin */

static martlet_status open_plugin(const martlet_host *host) {
  probe.host = host;
  probe.core = host->query("martlet.host.core/1");
  probe.config = host->query("martlet.host.config/1");
  probe.metrics = host->query("martlet.host.metrics/1");
  probe.text = host->query("martlet.host.text/1");
  probe.shared_data = host->query("martlet.host.shared_data/1");
  probe.stream_info = host->query("martlet.host.stream_info/1");
  if (!probe.core || !probe.config || !probe.metrics || !probe.text || !probe.shared_data || !probe.stream_info) {
    return MARTLET_E_NOT_FOUND;
  }
  if (host->query("martlet.host.nothing/1") || host->query("martlet.host.core/9")) return MARTLET_E_STATE;
  return MARTLET_OK;
}

static void close_plugin(void) { say(NULL, MARTLET_LOG_WARNING, "closed " PROBE_VERSION); }

static const martlet_http_filter *const http_filters[] = {&probe_http};
static const martlet_http_filter_list http_list = {sizeof http_list, 1, http_filters};
static const martlet_network_filter *const network_filters[] = {&probe_network, &probe_terminal};
static const martlet_network_filter_list network_list = {sizeof network_list, 2, network_filters};

static const void *query(const char *id) {
  if (strcmp(id, "martlet.plugin.http_filter/1") == 0) return &http_list;
  return strcmp(id, "martlet.plugin.network_filter/1") == 0 ? &network_list : NULL;
}

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = "com.example.probe",
    .version = PROBE_VERSION,
    .open = open_plugin,
    .close = close_plugin,
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
