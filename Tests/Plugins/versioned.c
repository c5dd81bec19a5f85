/* A plugin of which there are versions: its filter sets `x-version` on responses to VERSION, taken when
 * the request came. A request with `x-delay` waits that many milliseconds in the filter first. */
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

#ifndef VERSION
#define VERSION "1"
#endif

static const martlet_host_core *core;

typedef struct {
  const martlet_host_http *http;
  martlet_handle stream;
} filter;

static martlet_bytes text(const char *words) {
  martlet_bytes result = {(const uint8_t *)words, strlen(words)};
  return result;
}

static void *create(void *config, void *worker, const martlet_host_http *http, martlet_handle stream) {
  (void)config, (void)worker;
  filter *self = calloc(1, sizeof *self);
  self->http = http;
  self->stream = stream;
  return self;
}

static martlet_filter_status on_request_headers(void *context, bool end) {
  filter *self = context;
  (void)end;
  martlet_bytes delay;
  if (self->http->header_get(self->stream, MARTLET_REQUEST_HEADERS, text("x-delay"), 0, &delay) != MARTLET_OK) {
    return MARTLET_CONTINUE;
  }
  char digits[16] = "";
  memcpy(digits, delay.data, delay.size < 15 ? delay.size : 15);
  core->set_timer(self->stream, 0, strtoul(digits, NULL, 10));
  return MARTLET_STOP_ALL;
}

static void on_timer(void *context, uint32_t timer) {
  filter *self = context;
  (void)timer;
  self->http->continue_message(self->stream, MARTLET_REQUEST);
}

static martlet_filter_status on_response_headers(void *context, bool end) {
  filter *self = context;
  (void)end;
  self->http->header_set(self->stream, MARTLET_RESPONSE_HEADERS, text("x-version"), text(VERSION));
  return MARTLET_CONTINUE;
}

static void destroy(void *context) { free(context); }

static const char *const types[] = {"com.example.Versioned", NULL};
static const martlet_filter_info info = {.size = sizeof info, .name = "com.example.versioned", .type_names = types};
static const martlet_http_filter table = {
    .size = sizeof table,
    .info = &info,
    .create = create,
    .on_request_headers = on_request_headers,
    .on_response_headers = on_response_headers,
    .on_timer = on_timer,
    .destroy = destroy,
};
static const martlet_http_filter *const filters[] = {&table};
static const martlet_http_filter_list list = {sizeof list, 1, filters};

static martlet_status open_plugin(const martlet_host *host) {
  core = host->query("martlet.host.core/1");
  return core ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

static const void *query(const char *id) { return strcmp(id, "martlet.plugin.http_filter/1") == 0 ? &list : NULL; }

static const martlet_plugin plugin = {
    .size = sizeof plugin,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = "com.example.versioned",
    .version = VERSION,
    .open = open_plugin,
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor;
  return &plugin;
}
