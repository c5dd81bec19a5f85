/* The probe: a plugin whose filters do in each hook what a script in JSON says, so that tests drive every
 * function of the host from outside. Filters: `com.example.probe` (HTTP), `com.example.probe.network`
 * and `com.example.probe.terminal` (network).
 *
 *     config:  {"label": "a", "script": SCRIPT, "define": {...}, "refuse": [...], "null": ["create"], ...}
 *     SCRIPT:  {"request_headers": [STEP, ...], "response_body": [...], "config_timer": [...], ...}
 *     STEP:    {"do": "header_set", "map": "request", "name": "x", "value": "y", "expect": "OK"}, or a text:
 *              "stop", "stop_slow", "stop_all", "stop_all_slow" (what the hook returns)
 *
 * A request brings its own script in the header `x-probe-<label>`. In every step:
 *     expect   the status that must come back; OK where it is left out. Another is logged as an error.
 *     as       a variable for what comes back; "${name}" in any text of a later step is its value
 *     if       only where all of its members fit: {"end": true, "visit": 2, "number": 5}
 *     handle   "worker", "config", "plugin", "zero", "remembered" instead of the scope's own
 * Which steps there are stands in the tables `actions` of actions.c, http.c and network.c. At a stream's
 * end its hooks are logged: "probe a: trace request_headers:1 response_headers:0 ...".
 *
 *     json.c      reads JSON            actions.c   steps for every scope
 *     run.c       runs scripts          http.c      the HTTP filter, its steps
 *     plugin.c    configurations        network.c   the network filters, their steps
 */
#ifndef PROBE_H
#define PROBE_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "martlet.h"

/* The host's services. */
typedef struct {
  const martlet_host *host;
  const martlet_host_core *core;
  const martlet_host_config *config;
  const martlet_host_metrics *metrics;
  const martlet_host_text *text;
  const martlet_host_shared_data *shared_data;
  const martlet_host_stream_info *stream_info;
} services;
extern services probe;
extern _Atomic martlet_handle remembered;

typedef struct variable {
  struct variable *next;
  char *name, *value;
  size_t size;
} variable;

struct configuration;

/* Anything that hooks belong to: a config scope, a worker scope, a stream, a connection. */
typedef struct scope {
  martlet_handle handle;
  struct configuration *configuration;
  struct scope *worker; /* of a stream or connection */
  const json *script;
  json *own_script; /* freed with the scope */
  const martlet_host_http *http;
  const martlet_host_network *network;
  variable *variables;
  char trace[2048];
  size_t trace_size;
} scope;

/* What a configuration has defined: names with numbers. */
typedef struct definition {
  struct definition *next;
  char kind[16]; /* headers, formats, regexes, runtime, metrics */
  char *name;
  uint32_t number;
} definition;

typedef struct configuration {
  scope scope; /* first: it is the object that the host knows */
  json *text;
  const char *label;
  definition *definitions;
  bool is_route;
} configuration;

/* A hook that runs. */
typedef struct {
  scope *scope;
  const char *hook;
  bool end;
  uint64_t number; /* timer, token, result, or whether it is the end */
  martlet_filter_status status;
} call;

typedef struct {
  const char *name;
  martlet_status (*run)(call *call, const json *step);
} action;

extern const action common_actions[], http_actions[], network_actions[];

/* run.c */
martlet_filter_status run(scope *scope, const char *hook, bool end, uint64_t number);
void say(const scope *scope, martlet_log_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
void set_variable(scope *scope, const char *name, const char *value, size_t size);
void keep(call *call, const json *step, martlet_bytes value);
void keep_number(call *call, const json *step, uint64_t value);
/* A member's text with variables put in; of the call until `scope` ends. */
martlet_bytes text_of(call *call, const json *step, const char *name);
martlet_handle handle_of(const call *call, const json *step);
uint32_t number_of(const call *call, const json *step, const char *kind, const char *member);
const char *status_name(martlet_status status);
martlet_status status_named(const char *name);
void scope_end(scope *scope);
martlet_bytes bytes(const char *text);

/* plugin.c */
martlet_status configuration_create(martlet_handle handle, const martlet_filter_config *given, void **out);
martlet_status route_configuration_create(martlet_handle handle, const martlet_filter_config *given, void **out);
void configuration_destroy(void *configuration);
void on_config_timer(void *configuration, uint32_t timer);
void on_config_wake(void *configuration, uint64_t token);
void *worker_create(void *configuration, martlet_handle worker);
void worker_destroy(void *worker);
void on_worker_timer(void *worker, uint32_t timer);
void on_worker_wake(void *worker, uint64_t token);
bool is_null(const configuration *configuration, const char *what);

extern const martlet_http_filter probe_http;
extern const martlet_network_filter probe_network, probe_terminal;

#endif
