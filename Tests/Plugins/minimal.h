/* The smallest plugin that loads: one HTTP filter that does nothing, for the wrong plugins beside it to
 * be wrong in one thing only. Define what differs before including it: PLUGIN_ID, PLUGIN_VERSION,
 * FILTER_NAME, TYPE_NAME, PLUGIN_SIZE, FILTER_SIZE, INFO_SIZE, OPEN_RESULT (a status), OPEN_SAYS (a text
 * for the log), CONFIG_CREATE (a function), NO_CREATE, NO_OPEN, NO_FILTERS, ENTRY_RESULT. */
#include <stdlib.h>
#include <string.h>

#include "martlet.h"

#ifndef PLUGIN_ID
#define PLUGIN_ID "com.example.minimal"
#endif
#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "1.0.0"
#endif
#ifndef FILTER_NAME
#define FILTER_NAME "com.example.minimal"
#endif
#ifndef TYPE_NAME
#define TYPE_NAME "com.example.Minimal"
#endif
#ifndef PLUGIN_SIZE
#define PLUGIN_SIZE sizeof(martlet_plugin)
#endif
#ifndef FILTER_SIZE
#define FILTER_SIZE sizeof(martlet_http_filter)
#endif
#ifndef INFO_SIZE
#define INFO_SIZE sizeof(martlet_filter_info)
#endif
#ifndef OPEN_RESULT
#define OPEN_RESULT MARTLET_OK
#endif
#ifndef CONFIG_CREATE
#define CONFIG_CREATE NULL
#endif
#ifndef ENTRY_RESULT
#define ENTRY_RESULT &plugin
#endif

#ifndef NO_CREATE
static void *create(void *config, void *worker, const martlet_host_http *http, martlet_handle stream) {
  (void)config, (void)worker, (void)http, (void)stream;
  return malloc(1);
}
#endif

static void destroy(void *filter) { free(filter); }

static const char *const type_names[] = {TYPE_NAME, NULL};
static const martlet_filter_info info = {.size = INFO_SIZE, .name = FILTER_NAME, .type_names = type_names};
static const martlet_http_filter filter = {
    .size = FILTER_SIZE,
    .info = &info,
    .config_create = CONFIG_CREATE,
#ifndef NO_CREATE
    .create = create,
#endif
    .destroy = destroy,
};
static const martlet_http_filter *const filters[] = {&filter};
static const martlet_http_filter_list list = {sizeof list, 1, filters};

#ifndef NO_OPEN
static martlet_status open_plugin(const martlet_host *host) {
#ifdef OPEN_SAYS
  const martlet_host_core *core = host->query("martlet.host.core/1");
  const martlet_bytes text = {(const uint8_t *)OPEN_SAYS, sizeof OPEN_SAYS - 1};
  core->log(host->plugin, MARTLET_LOG_ERROR, text);
#else
  (void)host;
#endif
  return OPEN_RESULT;
}
#endif

static const void *query(const char *id) {
#ifdef NO_FILTERS
  (void)id, (void)list;
  return NULL;
#else
  return strcmp(id, "martlet.plugin.http_filter/1") == 0 ? &list : NULL;
#endif
}

static const martlet_plugin plugin = {
    .size = PLUGIN_SIZE,
    .abi_minor = MARTLET_ABI_MINOR,
    .id = PLUGIN_ID,
    .version = PLUGIN_VERSION,
#ifndef NO_OPEN
    .open = open_plugin,
#endif
    .query = query,
};

const martlet_plugin *martlet_plugin_v1(uint32_t host_minor) {
  (void)host_minor, (void)plugin;
  return ENTRY_RESULT;
}
