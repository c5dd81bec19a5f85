/* The network filters `com.example.probe.network` and `com.example.probe.terminal`, and their steps. */
#include "probe.h"

#define ACTION(name) static martlet_status name(call *call, const json *step)
#define NETWORK call->scope->network

ACTION(read_buffer) {
  martlet_bytes out = {NULL, 0};
  martlet_status status = NETWORK->read_buffer(handle_of(call, step), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(read_drain) {
  const json *count = json_member(step, "count");
  martlet_bytes all = {NULL, 0};
  if (!count) NETWORK->read_buffer(handle_of(call, step), &all);
  return NETWORK->read_drain(handle_of(call, step), count ? (size_t)count->number : all.size);
}

ACTION(read_replace) { return NETWORK->read_replace(handle_of(call, step), text_of(call, step, "bytes")); }

ACTION(write_buffer) {
  martlet_bytes out = {NULL, 0};
  size_t total = 0;
  martlet_status status = NETWORK->write_buffer(handle_of(call, step), &out, &total);
  if (status != MARTLET_OK) return status;
  keep(call, step, out);
  char text[32];
  snprintf(text, sizeof text, "%zu", total);
  set_variable(call->scope, "total", text, strlen(text));
  return status;
}

ACTION(write_drain) {
  martlet_bytes first = {NULL, 0};
  size_t total = 0;
  const json *count = json_member(step, "count");
  if (!count) NETWORK->write_buffer(handle_of(call, step), &first, &total);
  return NETWORK->write_drain(handle_of(call, step), count ? (size_t)count->number : total);
}

ACTION(write_bytes) {
  return NETWORK->write(handle_of(call, step), text_of(call, step, "bytes"), json_truth(step, "end", false));
}

ACTION(close_connection) {
  const char *mode = json_text(step, "mode", "flush");
  martlet_close_mode number = strcmp(mode, "now") == 0     ? MARTLET_CLOSE_NOW
                              : strcmp(mode, "reset") == 0 ? MARTLET_CLOSE_RESET
                              : strcmp(mode, "flush") == 0 ? MARTLET_CLOSE_FLUSH
                                                           : 99;
  return NETWORK->close(handle_of(call, step), number);
}

ACTION(continue_reading) { return NETWORK->continue_reading(handle_of(call, step)); }

ACTION(disable_reading) {
  return NETWORK->disable_reading(handle_of(call, step), json_truth(step, "disable", true));
}

const action network_actions[] = {
    {"read_buffer", read_buffer},
    {"read_drain", read_drain},
    {"read_replace", read_replace},
    {"write_buffer", write_buffer},
    {"write_drain", write_drain},
    {"write", write_bytes},
    {"close", close_connection},
    {"continue", continue_reading},
    {"disable_reading", disable_reading},
    {NULL, NULL},
};

/* ---- Hooks */

static void *create(void *context, void *worker, const martlet_host_network *network, martlet_handle connection) {
  configuration *configuration = context;
  if (is_null(configuration, "create")) return NULL;
  scope *made = calloc(1, sizeof *made);
  made->handle = connection;
  made->configuration = configuration;
  made->worker = worker;
  made->network = network;
  made->script = json_member(configuration->text, "script");
  run(made, "create", false, 0);
  return made;
}

static martlet_filter_status on_new_connection(void *filter) { return run(filter, "new_connection", false, 0); }
static martlet_filter_status on_data(void *filter, bool end) { return run(filter, "data", end, end); }
static martlet_filter_status on_write(void *filter) { return run(filter, "write", false, 0); }
static void on_timer(void *filter, uint32_t timer) { run(filter, "timer", false, timer); }
static void on_wake(void *filter, uint64_t token) { run(filter, "wake", false, token); }

static void on_close(void *filter) {
  scope *self = filter;
  run(self, "close", true, 0);
  if (self->script) say(self, MARTLET_LOG_WARNING, "trace%s", self->trace);
}

static void destroy(void *filter) {
  scope *self = filter;
  run(self, "destroy", true, 0);
  scope_end(self);
  free(self);
}

static const char *const network_types[] = {"com.example.NetworkProbe", NULL};
static const char *const terminal_types[] = {"com.example.TerminalProbe", NULL};
static const martlet_filter_info network_info = {
    .size = sizeof network_info, .name = "com.example.probe.network", .type_names = network_types};
static const martlet_filter_info terminal_info = {.size = sizeof terminal_info,
                                                  .flags = MARTLET_FILTER_TERMINAL,
                                                  .name = "com.example.probe.terminal",
                                                  .type_names = terminal_types};

#define TABLE(name, its_info, its_on_write)       \
  const martlet_network_filter name = {           \
      .size = sizeof name,                        \
      .info = &its_info,                          \
      .config_create = configuration_create,      \
      .config_destroy = configuration_destroy,    \
      .on_config_timer = on_config_timer,         \
      .on_config_wake = on_config_wake,           \
      .worker_create = worker_create,             \
      .worker_destroy = worker_destroy,           \
      .on_worker_timer = on_worker_timer,         \
      .on_worker_wake = on_worker_wake,           \
      .create = create,                           \
      .on_new_connection = on_new_connection,     \
      .on_data = on_data,                         \
      .on_write = its_on_write,                   \
      .on_timer = on_timer,                       \
      .on_wake = on_wake,                         \
      .on_close = on_close,                       \
      .destroy = destroy,                         \
  }

TABLE(probe_network, network_info, on_write);
TABLE(probe_terminal, terminal_info, NULL);
