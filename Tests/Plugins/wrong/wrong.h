/* What the wrong plugins share: everything that is right in them. Each file beside this one breaks one
 * requirement of Docs/abi.md, which its first line names, so that tests can see `martlet plugin check`
 * find it, and nothing else. */
#ifndef WRONG_H
#define WRONG_H

#include <stdlib.h>
#include <string.h>

#include "martlet.h"

static const martlet_host_config *configs;
static const martlet_host_metrics *metrics;

typedef struct {
  const martlet_host_http *http;
  martlet_handle stream;
  martlet_bytes kept;
} filter;

__attribute__((unused)) static martlet_bytes bytes(const char *text) {
  martlet_bytes result = {(const uint8_t *)text, strlen(text)};
  return result;
}

__attribute__((unused)) static martlet_status usual_open(const martlet_host *host) {
  configs = host->query("martlet.host.config/1");
  metrics = host->query("martlet.host.metrics/1");
  return configs && metrics ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

__attribute__((unused)) static void *usual_create(void *config, void *worker, const martlet_host_http *http,
                                                  martlet_handle stream) {
  (void)config, (void)worker;
  filter *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->http = http;
  self->stream = stream;
  return self;
}

__attribute__((unused)) static void usual_destroy(void *context) { free(context); }

/* The rest of a plugin: its `open`, `create` and `destroy`, and the other entries of its filter. */
#define WRONG_PLUGIN(open_, create_, destroy_, ...)                                                              \
  static const char *const types[] = {"com.example.Wrong", NULL};                                                \
  static const martlet_filter_info info = {                                                                      \
      .size = sizeof info, .name = "com.example.wrong", .type_names = types};                                    \
  static const martlet_http_filter wrong = {                                                                     \
      .size = sizeof wrong, .info = &info, .create = create_, .destroy = destroy_, __VA_ARGS__};                 \
  static const martlet_http_filter *const filters[] = {&wrong};                                                  \
  static const martlet_http_filter_list list = {sizeof list, 1, filters};                                        \
  static const void *query(const char *id) {                                                                     \
    return strcmp(id, "martlet.plugin.http_filter/1") == 0 ? &list : NULL;                                       \
  }                                                                                                              \
  static const martlet_plugin plugin = {.size = sizeof plugin,                                                   \
                                        .abi_minor = MARTLET_ABI_MINOR,                                          \
                                        .id = "com.example.wrong",                                               \
                                        .version = "1.0.0",                                                      \
                                        .open = open_,                                                           \
                                        .query = query};                                                         \
  MARTLET_EXPORT const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {                                  \
    (void)host_minor;                                                                                            \
    return &plugin;                                                                                              \
  }

#endif
