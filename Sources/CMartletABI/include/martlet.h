/* martlet.h - the C interface between Martlet and its filter plugins.
 *
 * A plugin is a shared library with one exported function, `martlet_plugin_v1`. It needs this file
 * and a compiler: C11 or C++17, no other include than the three below, no symbol of the host.
 * Docs/abi.md is the reference with the numbered requirements, Docs/writing-filters.md the way in.
 *
 *     the host                                    the plugin
 *     dlopen, martlet_plugin_v1(minor)  ------->  its descriptor (martlet_plugin)
 *     open(host)                        ------->  asks host->query("martlet.host...") for services
 *     query("martlet.plugin...")        ------->  gives its filters
 *
 * Scopes. A filter has three, each with a constructor and a destructor that are called once and
 * never inside another function of the same object:
 *
 *     config    a filter in the configuration, and its per-route configurations  [control]
 *     worker    that filter on one worker thread                                 [worker]
 *     stream    that filter in one HTTP stream or connection                     [worker]
 *
 * Annotations. Each function carries one line:
 *   [control]                called on the control thread: one thread, never a worker's; may block
 *                            for a while (files), which holds up configuration and no traffic
 *   [worker]                 called on the worker thread that owns the stream, connection or worker
 *                            scope, and only there; must not block
 *   [any]                    may be called on any thread
 *   [terminal]               ends the connection or answers the stream; what follows from it
 *                            happens when the outermost callback has returned
 *   [may-reenter]            may call the filter's other hooks before it returns
 *   [no-alloc]               allocates nothing
 *   borrowed(call)           pointer valid until the function returns
 *   borrowed(callback)       pointer valid until the host's callback into the filter returns, or
 *                            until the filter changes the same buffer
 *   borrowed(stream)         pointer valid until the filter's last hook of the stream or connection
 *                            (on_complete, on_close) returns, also after the header was set anew
 *                            or removed
 *   borrowed(config)         pointer valid until the config scope ends
 *   borrowed(process)        pointer valid for ever
 *   borrowed(next)           pointer valid until the plugin is called again on the same thread
 *   copied                   the receiver copies what the pointer points to
 *   owned->plugin            the plugin frees it, by the function named
 *   -> A | B                 the results that can come back
 *   name: word               of a parameter that is text or a pointer; `out` stands for all that the
 *                            function gives back, through pointers or as its result
 * A `void *` handed in is the filter's own; a pointer to a number or bool is filled before the call
 * returns. martlet_bytes and martlet_header have no size: they never change.
 *
 * Growth. Every table begins with its size and only ever grows at the end; every id of a table
 * ends with its revision and never changes its meaning. A reader of a table looks at `size` before
 * it reads a member that its first revision did not have (MARTLET_HAS). Reserved ids, which nothing
 * answers to yet: martlet.host.upstream/1, martlet.host.http_callout/1, martlet.host.grpc_callout/1,
 * martlet.host.secrets/1, martlet.plugin.listener_filter/1, martlet.plugin.udp_listener_filter/1,
 * martlet.plugin.access_logger/1, martlet.plugin.load_balancing_policy/1,
 * martlet.plugin.input_matcher/1, martlet.plugin.stat_sink/1.
 *
 * Unwinding. No exception, panic or longjmp may pass a function of this file, in either direction.
 */
#ifndef MARTLET_H
#define MARTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The revision of this file within its major version: what a host and a plugin tell each other. A
 * host loads every plugin of its major version, of an earlier minor or a later one. */
#define MARTLET_ABI_MINOR 0

/* Whether a table (by pointer) is long enough to have the member. */
#define MARTLET_HAS(table, member) \
  ((table)->size >= \
   (size_t)((const char *)&(table)->member - (const char *)(table)) + sizeof((table)->member))

/* Before the one function that a plugin exports. */
#if defined(_WIN32)
#define MARTLET_EXPORT __declspec(dllexport)
#elif defined(__GNUC__)
#define MARTLET_EXPORT __attribute__((visibility("default")))
#else
#define MARTLET_EXPORT
#endif

/* Names an object of the host: a plugin, a filter's config scope, its worker scope, or its place in
 * the chain of one stream or connection. 0 is never a handle. Using one after its object's end gives
 * MARTLET_E_GONE; so does one of a worker's objects on another thread. */
typedef uint64_t martlet_handle;

/* 0 or an error below 0. */
typedef int32_t martlet_status;
#define MARTLET_OK 0
#define MARTLET_E_GONE (-1)      /* the handle's object has ended, or is not this thread's */
#define MARTLET_E_ARGUMENT (-2)  /* an argument is out of its range */
#define MARTLET_E_STATE (-3)     /* not possible in the object's present state */
#define MARTLET_E_NOT_FOUND (-4) /* there is none */
#define MARTLET_E_LIMIT (-5)     /* it would be more than the host allows */
#define MARTLET_E_CONFLICT (-6)  /* somebody else was first */

/* Bytes; text is UTF-8 or what came from the network, not ended by NUL. */
typedef struct martlet_bytes {
  const uint8_t *data; /* may be NULL when size is 0 */
  size_t size;
} martlet_bytes;

/* ---------------------------------------------------------------- the plugin */

/* Finds services of the host. */
typedef struct martlet_host {
  uint32_t size;
  /* MARTLET_ABI_MINOR of the host. */
  uint32_t abi_minor;
  /* The host's version, ended by NUL. */
  const char *version;
  /* This plugin, in this process: for functions that want to know who asks. */
  martlet_handle plugin;

  /* A table of services by its id; NULL where this host has none of that id. */
  /* [any] id: borrowed(call) -> borrowed(process) | NULL */
  const void *(*query)(const char *id);
} martlet_host;

/* What a plugin is. Static: it outlives every call. */
typedef struct martlet_plugin {
  uint32_t size;
  /* MARTLET_ABI_MINOR as the plugin was built with. */
  uint32_t abi_minor;
  /* Who it is, in reverse domain notation, at most 127 letters, digits, `.`, `-` and `_`:
   * "com.example.hello". Two files of one id are two versions of one plugin. */
  const char *id;
  /* Its version, as people write it: "1.4.0". */
  const char *version;

  /* The host has loaded the file. Anything but MARTLET_OK refuses it; `log` of the core services
   * says why. Nothing else is called before, and after a refusal nothing at all. */
  /* [control] host: borrowed(process) -> MARTLET_OK | any error */
  martlet_status (*open)(const martlet_host *host);

  /* No scope of it exists any more and none will. The library itself stays mapped. Optional. */
  /* [control] -> nothing */
  void (*close)(void);

  /* What the plugin can do, by id: "martlet.plugin.http_filter/1" gives a martlet_http_filter_list,
   * "martlet.plugin.network_filter/1" a martlet_network_filter_list,
   * "martlet.plugin.format_operator/1" a martlet_format_operator_list. NULL: not that. */
  /* [control] id: borrowed(call) -> borrowed(process) | NULL */
  const void *(*query)(const char *id);
} martlet_plugin;

/* The function that a plugin exports under this name. NULL: it cannot work with this host. */
/* [control] -> borrowed(process) | NULL */
MARTLET_EXPORT const martlet_plugin *martlet_plugin_v1(uint32_t host_minor);

/* ---------------------------------------------------------------- configuration */

/* How a filter's configuration is written. */
typedef int32_t martlet_encoding;
#define MARTLET_JSON 0     /* one JSON value, as the file has it; an object unless the file says else */
#define MARTLET_PROTOBUF 1 /* a protobuf message of the type in `type_name` */

/* The configuration of one filter. */
typedef struct martlet_filter_config {
  uint32_t size;
  martlet_encoding encoding;
  /* The filter's name in the chain; of format operators their usual name. */
  martlet_bytes name;
  /* The full name of the message in `@type`: "envoy.extensions.filters.http.fault.v3.HTTPFault".
   * Empty where the configuration is a Struct without a type. */
  martlet_bytes type_name;
  /* Without `@type`. */
  martlet_bytes bytes;
} martlet_filter_config;

/* What a filter is and which configurations are its own. */
typedef struct martlet_filter_info {
  uint32_t size;
  /* MARTLET_FILTER_... */
  uint32_t flags;
  /* Its usual name: "envoy.filters.http.fault". Found by it where a configuration says no type. */
  const char *name;
  /* Full names of the messages that configure it, the list ended by NULL. */
  const char *const *type_names;
  /* Full names of the messages that configure it on a route or virtual host, ended by NULL. NULL
   * for none: `typed_per_filter_config` of this filter is refused then. */
  const char *const *route_type_names;
  /* A serialized google.protobuf.FileDescriptorSet that defines these messages. With it the host
   * checks configuration files against them itself, with line and path in every finding, and
   * hands over MARTLET_PROTOBUF always. Empty: what stands in a file is handed over as MARTLET_JSON. */
  martlet_bytes descriptors;
} martlet_filter_info;

/* Network filters only: ends its chain, nothing stands behind it. */
#define MARTLET_FILTER_TERMINAL 1u
/* It keeps something in its config scopes that no other place of the configuration may share, such as
 * a count: each place gets a scope of its own, where otherwise places with the same configuration may
 * share one. A reload that changes nothing at a place leaves it its scope. */
#define MARTLET_FILTER_STATEFUL 2u

/* A kind of metric. */
typedef int32_t martlet_metric_kind;
#define MARTLET_COUNTER 0
#define MARTLET_GAUGE 1
#define MARTLET_HISTOGRAM 2 /* of whole numbers, milliseconds where it is a time */

/* martlet.host.config/1: what a filter may ask while it reads its configuration. `config` is the
 * handle that config_create or route_config_create was given.
 *
 * What is defined here (header names, formats, expressions, runtime keys, metrics) gets a number,
 * from 0 for each of these kinds, that holds with all handles of this plugin for as long as it is
 * loaded; the same thing gets the same number again. There are at most 65,535 of a kind.
 * `path` says where in the configuration, for people: "abort.percentage", "mutations[2].header";
 * empty for the whole. A definition that is wrong is reported at its path by the host. */
typedef struct martlet_host_config {
  uint32_t size;

  /* Refuses the configuration, with this reason. May be called several times. */
  /* [control] path: copied message: copied -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*error)(martlet_handle config, martlet_bytes path, martlet_bytes message);

  /* Tells the operator of something that is probably not meant. */
  /* [control] path: copied message: copied -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*warning)(martlet_handle config, martlet_bytes path, martlet_bytes message);

  /* A number for a header name, for the `_by_id` functions. */
  /* [control] name: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_LIMIT */
  martlet_status (*header)(martlet_handle config, martlet_bytes name, uint32_t *out);

  /* A number for a format string: text with Envoy's operators, "%REQ(x-user)%", and those of
   * plugins. Where it has one of a plugin's, the number holds until this config scope ends. */
  /* [control] path: copied text: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_LIMIT */
  martlet_status (*format)(martlet_handle config, martlet_bytes path, martlet_bytes text,
                           uint32_t *out);

  /* A number for a regular expression in RE2's syntax. */
  /* [control] path: copied pattern: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_LIMIT */
  martlet_status (*regex)(martlet_handle config, martlet_bytes path, martlet_bytes pattern,
                          uint32_t *out);

  /* A number for a key of Envoy's runtime: a value that can change while the proxy runs. */
  /* [control] key: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_LIMIT */
  martlet_status (*runtime)(martlet_handle config, martlet_bytes key, uint32_t *out);

  /* A number for a metric. `name` follows `stat_prefix` where `relative`, and stands alone
   * otherwise. With `labels` it is a family: see `series` of the metrics services. The same name
   * and kind defined twice is one metric; with another kind it is MARTLET_E_CONFLICT. */
  /* [control] name: copied labels: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_CONFLICT | MARTLET_E_LIMIT */
  martlet_status (*metric)(martlet_handle config, martlet_metric_kind kind, martlet_bytes name,
                           bool relative, const martlet_bytes *labels, size_t label_count,
                           uint32_t *out);

  /* What Envoy puts before the names of this filter's statistics: "http.ingress." in a connection
   * manager, nothing in a chain of network filters. */
  /* [control] out: borrowed(config) -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*stat_prefix)(martlet_handle config, martlet_bytes *out);

  /* Who this proxy is: `node.id`, `node.cluster` and the locality's zone. */
  /* Each may be NULL. */
  /* [control] out: borrowed(config) -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*node)(martlet_handle config, martlet_bytes *id, martlet_bytes *cluster,
                         martlet_bytes *zone);
} martlet_host_config;

/* ---------------------------------------------------------------- services for all */

typedef int32_t martlet_log_level;
#define MARTLET_LOG_TRACE 0
#define MARTLET_LOG_DEBUG 1
#define MARTLET_LOG_INFO 2
#define MARTLET_LOG_WARNING 3
#define MARTLET_LOG_ERROR 4
#define MARTLET_LOG_CRITICAL 5

/* martlet.host.core/1 */
typedef struct martlet_host_core {
  uint32_t size;

  /* Whether a line of this level is written: cheap, to be asked before text is made. */
  /* [any] [no-alloc] -> true | false */
  bool (*log_enabled)(martlet_log_level level);

  /* One line for the proxy's log. `owner` is any handle of the plugin, for the name that the line
   * gets. */
  /* [any] message: copied -> MARTLET_OK | MARTLET_E_ARGUMENT */
  martlet_status (*log)(martlet_handle owner, martlet_log_level level, martlet_bytes message);

  /* Nanoseconds of a clock that never goes back. On a worker the time of its present turn, which
   * costs nothing. */
  /* [any] [no-alloc] -> nanoseconds */
  uint64_t (*now)(void);

  /* Nanoseconds since 1970, UTC. */
  /* [any] [no-alloc] -> nanoseconds */
  uint64_t (*wall_clock)(void);

  /* 64 random bits, good enough for sampling and load balancing, not for keys. */
  /* [any] [no-alloc] -> bits */
  uint64_t (*random)(void);

  /* Calls the on_timer hook of the scope that `handle` names after `milliseconds`. A scope has the
   * timers 0 to 7; setting one that is set replaces it; 0 milliseconds take it off. It is taken off
   * at the scope's end. On the scope's own thread. */
  /* [control] [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*set_timer)(martlet_handle handle, uint32_t timer, uint64_t milliseconds);

  /* Calls the on_wake hook of the scope that `handle` names, on its own thread; nothing happens
   * where the scope has ended by then. The one way into a worker from another thread. */
  /* [any] -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*wake)(martlet_handle handle, uint64_t token);

  /* Memory that the host counts as this plugin's. As malloc: NULL where there is none. */
  /* [any] -> owned->plugin, by release | NULL */
  void *(*allocate)(martlet_handle plugin, size_t size);

  /* As realloc; `memory` may be NULL. */
  /* [any] -> owned->plugin, by release | NULL */
  void *(*reallocate)(martlet_handle plugin, void *memory, size_t size);

  /* `memory` may be NULL. */
  /* [any] -> nothing */
  void (*release)(martlet_handle plugin, void *memory);
} martlet_host_core;

/* martlet.host.metrics/1: metrics that a config scope has defined. `handle` is of a worker scope,
 * a stream or a connection. */
typedef struct martlet_host_metrics {
  uint32_t size;

  /* Adds to a counter or gauge. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*add)(martlet_handle handle, uint32_t metric, uint64_t amount);

  /* Takes from a gauge. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*subtract)(martlet_handle handle, uint32_t metric, uint64_t amount);

  /* A value for a histogram. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*record)(martlet_handle handle, uint32_t metric, uint64_t value);

  /* The member of a family of counters or gauges with these label values, as many as it has labels:
   * a number for `add` and `subtract` on this worker, good until the worker scope ends. A family
   * has at most 1,000 members a worker; further values share one, whose values are "overflow". */
  /* [worker] values: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*series)(martlet_handle handle, uint32_t family, const martlet_bytes *values,
                           size_t count, uint32_t *out);
} martlet_host_metrics;

/* martlet.host.text/1: formats, expressions and runtime values that a config scope has defined. */
typedef struct martlet_host_text {
  uint32_t size;

  /* A format's text for this stream. What a format names and the stream has not is empty there, as
   * in Envoy's header rules; access logs write "-". */
  /* [worker] out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*format)(martlet_handle stream, uint32_t format, martlet_bytes *out);

  /* Whether the whole text matches. */
  /* [worker] text: borrowed(call) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*matches)(martlet_handle handle, uint32_t regex, martlet_bytes text, bool *out);

  /* The text with every match replaced; \1 to \9 in the substitution are groups, \0 the match. */
  /* [worker] text: borrowed(call) substitution: borrowed(call) out: borrowed(stream) -> MARTLET_OK |
   * MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*replace)(martlet_handle stream, uint32_t regex, martlet_bytes text,
                            martlet_bytes substitution, martlet_bytes *out);

  /* The whole number at a runtime key, or `otherwise`. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*runtime_number)(martlet_handle handle, uint32_t key, uint64_t otherwise,
                                   uint64_t *out);

  /* The truth value at a runtime key, or `otherwise`. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*runtime_boolean)(martlet_handle handle, uint32_t key, bool otherwise, bool *out);

  /* Whether `random` falls into the share at a runtime key (a FractionalPercent, or a whole number
   * of percent), or into `numerator` of `denominator`. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*runtime_share)(martlet_handle handle, uint32_t key, uint32_t numerator,
                                  uint32_t denominator, uint64_t random, bool *out);
} martlet_host_text;

/* martlet.host.shared_data/1: values that all scopes and workers of a plugin share, also of two
 * versions of it, by name. Under a lock: not for every request. At most 64 KiB a value, 16 MiB a
 * plugin. */
typedef struct martlet_host_shared_data {
  uint32_t size;

  /* Copies at most `capacity` bytes of the value; `value_size` is its whole size, `version` changes
   * with every set. */
  /* [any] key: borrowed(call) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_NOT_FOUND */
  martlet_status (*get)(martlet_handle plugin, martlet_bytes key, uint8_t *buffer, size_t capacity,
                        size_t *value_size, uint64_t *version);

  /* Sets the value where its version is `expected` (0: whatever is there; UINT64_MAX: only where
   * there is none). */
  /* [any] key: copied value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_CONFLICT |
   * MARTLET_E_LIMIT */
  martlet_status (*set)(martlet_handle plugin, martlet_bytes key, martlet_bytes value,
                        uint64_t expected);

  /* [any] key: borrowed(call) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_NOT_FOUND */
  martlet_status (*remove)(martlet_handle plugin, martlet_bytes key);
} martlet_host_shared_data;

/* Facts about a stream or connection, as text. */
typedef int32_t martlet_text_attribute;
#define MARTLET_DOWNSTREAM_REMOTE_ADDRESS 0        /* "192.0.2.1:4711"; what the proxy believes */
#define MARTLET_DOWNSTREAM_DIRECT_REMOTE_ADDRESS 1 /* the peer of the socket */
#define MARTLET_DOWNSTREAM_LOCAL_ADDRESS 2
#define MARTLET_FILTER_CHAIN_NAME 3
/* HTTP streams alone. */
#define MARTLET_ROUTE_NAME 16
#define MARTLET_VIRTUAL_HOST_NAME 17
#define MARTLET_CLUSTER_NAME 18     /* of the route, before the request has gone there as well */
#define MARTLET_UPSTREAM_ADDRESS 19 /* the host that was chosen */
#define MARTLET_RESPONSE_CODE_DETAILS 20
#define MARTLET_RESPONSE_FLAGS 21 /* "UF,URX", as %RESPONSE_FLAGS% */
#define MARTLET_PROTOCOL 22       /* "HTTP/1.1" */

/* Facts about a stream or connection, as numbers. */
typedef int32_t martlet_number_attribute;
#define MARTLET_CONNECTION_ID 0
#define MARTLET_START_TIME 1 /* nanoseconds since 1970 */
#define MARTLET_DURATION 2   /* nanoseconds since then */
/* HTTP streams alone. */
#define MARTLET_RESPONSE_CODE 16   /* 0: none yet */
#define MARTLET_RESPONSE_SOURCE 17 /* 0: none yet, 1: upstream, 2: this proxy (a local reply) */
#define MARTLET_REQUEST_BYTES 18   /* of the body, received */
#define MARTLET_RESPONSE_BYTES 19  /* of the body, sent */
#define MARTLET_ATTEMPTS 20        /* how often the request was sent upstream */

/* An object of the plugin's that lives as long as a connection. */
typedef struct martlet_attachment {
  uint32_t size;
  void *object;

  /* Once, when the connection has ended. */
  /* [worker] -> nothing */
  void (*destroy)(void *object);
} martlet_attachment;

/* martlet.host.stream_info/1: what is known of a stream or connection, and what filters leave there
 * for each other. Metadata are values by namespace and key, as Envoy's dynamic metadata: access logs,
 * formats and routes see them (%DYNAMIC_METADATA(namespace:key)%). */
typedef struct martlet_host_stream_info {
  uint32_t size;

  /* [worker] out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_NOT_FOUND */
  martlet_status (*text)(martlet_handle handle, martlet_text_attribute attribute,
                         martlet_bytes *out);

  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_NOT_FOUND */
  martlet_status (*number)(martlet_handle handle, martlet_number_attribute attribute,
                           uint64_t *out);

  /* Adds one of Envoy's response flags, for access logs (%RESPONSE_FLAGS%): "DI" (delay injected), "FI"
   * (fault injected), "RL" (rate limited), "RLSE", "UAEX", "RFCF" or "DO". */
  /* [worker] [no-alloc] flag: borrowed(call) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*add_response_flag)(martlet_handle handle, martlet_bytes flag);

  /* [worker] name_space: copied key: copied value: copied -> MARTLET_OK | MARTLET_E_GONE |
   * MARTLET_E_ARGUMENT | MARTLET_E_LIMIT */
  martlet_status (*set_metadata_text)(martlet_handle handle, martlet_bytes name_space,
                                      martlet_bytes key, martlet_bytes value);

  /* [worker] name_space: copied key: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_LIMIT */
  martlet_status (*set_metadata_number)(martlet_handle handle, martlet_bytes name_space,
                                        martlet_bytes key, double value);

  /* [worker] name_space: copied key: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_LIMIT */
  martlet_status (*set_metadata_boolean)(martlet_handle handle, martlet_bytes name_space,
                                         martlet_bytes key, bool value);

  /* The value as text: a number in its shortest form, "true" or "false". */
  /* [worker] name_space: borrowed(call) key: borrowed(call) out: borrowed(stream) -> MARTLET_OK |
   * MARTLET_E_GONE | MARTLET_E_NOT_FOUND */
  martlet_status (*metadata)(martlet_handle handle, martlet_bytes name_space, martlet_bytes key,
                             martlet_bytes *out);

  /* Filter state: text by name, for filters and %FILTER_STATE(name:PLAIN)%. */
  /* [worker] key: copied value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_LIMIT */
  martlet_status (*set_filter_state)(martlet_handle handle, martlet_bytes key,
                                     martlet_bytes value);

  /* [worker] key: borrowed(call) out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE |
   * MARTLET_E_NOT_FOUND */
  martlet_status (*filter_state)(martlet_handle handle, martlet_bytes key, martlet_bytes *out);

  /* What the filter has attached to the downstream connection under this key, which is any address of
   * the plugin's own. This function and the next: MARTLET_HAS. */
  /* [worker] [no-alloc] out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_NOT_FOUND */
  martlet_status (*attached)(martlet_handle handle, const void *key, void **out);

  /* Attaches an object to the downstream connection, for all streams that it has. It is destroyed on
   * this worker when the connection has ended and they with it; the filter's configuration stands until
   * then. At most 64 of a connection. */
  /* [worker] attachment: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_CONFLICT | MARTLET_E_LIMIT */
  martlet_status (*attach)(martlet_handle handle, const void *key,
                           const martlet_attachment *attachment);
} martlet_host_stream_info;

/* What a hook wants of the chain. */
typedef int32_t martlet_filter_status;
#define MARTLET_CONTINUE 0 /* on to the next filter */
#define MARTLET_STOP 1     /* stop here until told to go on, or the next bytes */
/* HTTP only. MARTLET_STOP, with the sender slowed down where more is held than the stream's buffer
 * limit; plain MARTLET_STOP is answered 413 (request) or 500 (response) there. */
#define MARTLET_STOP_SLOW 2
/* HTTP, from the headers hook only: as the two above, and the body and trailers hooks of this filter
 * are not called until it goes on. */
#define MARTLET_STOP_ALL 3
#define MARTLET_STOP_ALL_SLOW 4

/* ---------------------------------------------------------------- network filters */

/* How a connection is closed. */
typedef int32_t martlet_close_mode;
#define MARTLET_CLOSE_FLUSH 0 /* after what is queued has been written */
#define MARTLET_CLOSE_NOW 1   /* at once; what is queued is lost */
#define MARTLET_CLOSE_RESET 2 /* at once, with a TCP reset */

/* martlet.host.network/1: what a network filter may ask of the host. `connection` is the handle that
 * the filter's `create` was given: it names the connection and the filter's place in its chain. */
typedef struct martlet_host_network {
  uint32_t size;

  /* The unread bytes, in one piece. */
  /* [worker] out: borrowed(callback) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*read_buffer)(martlet_handle connection, martlet_bytes *out);

  /* These bytes in place of all the unread ones. Only inside `on_data`. */
  /* [worker] bytes: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*read_replace)(martlet_handle connection, martlet_bytes bytes);

  /* Removes the first `count` unread bytes: the filters behind never see them. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE | MARTLET_E_ARGUMENT */
  martlet_status (*read_drain)(martlet_handle connection, size_t count);

  /* The bytes on their way out, the first piece of them; `total` counts all. Only inside
   * `on_write`. */
  /* [worker] out: borrowed(callback) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*write_buffer)(martlet_handle connection, martlet_bytes *out, size_t *total);

  /* Removes the first `count` bytes on their way out. Only inside `on_write`. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE | MARTLET_E_ARGUMENT */
  martlet_status (*write_drain)(martlet_handle connection, size_t count);

  /* Queues bytes for the peer: from the filter that ends the chain through the others' on_write hooks,
   * from another filter or from inside on_write past them. `end` closes the write side when they are
   * out. */
  /* [worker] bytes: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*write)(martlet_handle connection, martlet_bytes bytes, bool end);

  /* Closes the connection. on_close follows after the outermost callback. */
  /* [worker] [terminal] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE | MARTLET_E_ARGUMENT */
  martlet_status (*close)(martlet_handle connection, martlet_close_mode mode);

  /* Goes on behind a filter that returned MARTLET_STOP, when the outermost callback has
   * returned. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*continue_reading)(martlet_handle connection);

  /* Stops or resumes reading from the peer: back-pressure. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*disable_reading)(martlet_handle connection, bool disable);
} martlet_host_network;

/* A network filter. `create` and `destroy` are required; every other function may be NULL. `config` is
 * what config_create has given, or NULL. */
typedef struct martlet_network_filter {
  uint32_t size;
  const martlet_filter_info *info;

  /* A filter in the configuration. Anything but MARTLET_OK refuses it, and with it the whole
   * configuration; `error` of the config services says why and where. Optional: a filter without it
   * has nothing to configure, and any field is refused. */
  /* [control] given: borrowed(call) out: owned->plugin, by config_destroy -> MARTLET_OK | any error */
  martlet_status (*config_create)(martlet_handle config, const martlet_filter_config *given,
                                  void **out);

  /* Once, when no worker and no configuration uses it any more. */
  /* [control] -> nothing */
  void (*config_destroy)(void *config);

  /* Optional. */
  /* [control] -> nothing */
  void (*on_config_timer)(void *config, uint32_t timer);
  /* [control] -> nothing */
  void (*on_config_wake)(void *config, uint64_t token);

  /* The filter on a worker. Optional; NULL from it: the filter's connections are closed. */
  /* [worker] out: owned->plugin, by worker_destroy -> worker | NULL */
  void *(*worker_create)(void *config, martlet_handle worker);
  /* [worker] -> nothing */
  void (*worker_destroy)(void *worker);
  /* [worker] -> nothing */
  void (*on_worker_timer)(void *worker, uint32_t timer);
  /* [worker] -> nothing */
  void (*on_worker_wake)(void *worker, uint64_t token);

  /* A filter for one connection. `worker` is what worker_create has given, or NULL. NULL: the
   * connection is closed. */
  /* [worker] host: borrowed(process) out: owned->plugin, by destroy -> filter | NULL */
  void *(*create)(void *config, void *worker, const martlet_host_network *host,
                  martlet_handle connection);

  /* The connection stands. MARTLET_STOP keeps it from the filters behind. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_new_connection)(void *filter);

  /* Bytes have come, or (`end`) the peer has sent its last. What is not drained is offered again
   * with what comes next. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_data)(void *filter, bool end);

  /* Bytes are on their way out. MARTLET_STOP holds them until the next. Optional: a chain in
   * which no filter has it never stages what it writes. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_write)(void *filter);

  /* A timer is due. Optional. */
  /* [worker] -> nothing */
  void (*on_timer)(void *filter, uint32_t timer);

  /* `wake` was called. Optional. */
  /* [worker] -> nothing */
  void (*on_wake)(void *filter, uint64_t token);

  /* The connection has ended: facts and metrics can still be asked for and set, nothing else can be
   * done (MARTLET_E_STATE). Once, and never inside another hook of the same filter. Optional. */
  /* [worker] -> nothing */
  void (*on_close)(void *filter);

  /* Frees the filter. Once, last. */
  /* [worker] -> nothing */
  void (*destroy)(void *filter);
} martlet_network_filter;

/* martlet.plugin.network_filter/1 */
typedef struct martlet_network_filter_list {
  uint32_t size;
  uint32_t count;
  const martlet_network_filter *const *filters;
} martlet_network_filter_list;

/* ---------------------------------------------------------------- HTTP filters */

/* Which fields of a stream. */
typedef int32_t martlet_header_map;
#define MARTLET_REQUEST_HEADERS 0
#define MARTLET_REQUEST_TRAILERS 1
#define MARTLET_RESPONSE_HEADERS 2
#define MARTLET_RESPONSE_TRAILERS 3

/* Which message of a stream. */
typedef int32_t martlet_direction;
#define MARTLET_REQUEST 0
#define MARTLET_RESPONSE 1

typedef struct martlet_header {
  martlet_bytes name; /* in lower case */
  martlet_bytes value;
} martlet_header;

/* How a stream ended. */
typedef int32_t martlet_stream_result;
#define MARTLET_STREAM_COMPLETE 0    /* the response is whole */
#define MARTLET_STREAM_CLIENT_GONE 1 /* the client went before it was */
#define MARTLET_STREAM_RESET 2       /* it was broken off from this side */

/* An answer in the proxy's name. */
typedef struct martlet_reply {
  uint32_t size;
  /* 200..<600. */
  int32_t status;
  const martlet_header *headers;
  size_t header_count;
  martlet_bytes body;
  /* In one word why, for access logs (%RESPONSE_CODE_DETAILS%); empty: the filter's name. */
  martlet_bytes details;
  /* Of the answer to a gRPC request, 0 to 16; -1: it follows from `status`. */
  int32_t grpc_status;
} martlet_reply;

/* martlet.host.http/1: what an HTTP filter may ask of the host. `stream` is the handle that the
 * filter's `create` was given: it names the stream and the filter's place in its chain.
 *
 * Headers. Names are in lower case. `:method`, `:path`, `:authority` and `:scheme` (request) and
 * `:status` (response) are read and set like fields, never removed; `host` is `:authority`. A
 * message's own framing (transfer-encoding, connection and other fields of one hop) belongs to the
 * codec: setting it is MARTLET_E_ARGUMENT. Once a message's head has passed the last filter, it
 * can be read and no longer changed: MARTLET_E_STATE.
 *
 * Bodies. A body hook sees all that has come and has not been passed on; what is left of it after
 * the hook is what goes on. When a filter has changed a body whose content-length has not passed on
 * yet, the host corrects that field.
 *
 * Routes. The route is found before the first filter, with the request as it came. */
typedef struct martlet_host_http {
  uint32_t size;

  /* How many fields the map has, without the pseudo-headers. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*header_count)(martlet_handle stream, martlet_header_map map, size_t *out);

  /* The field at `index`, in the order of the message, without the pseudo-headers. */
  /* [worker] [no-alloc] out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE | MARTLET_E_NOT_FOUND */
  martlet_status (*header_at)(martlet_handle stream, martlet_header_map map, size_t index,
                              martlet_header *out);

  /* Up to `capacity` fields from the first on, in one call; `count` says how many there are. */
  /* [worker] [no-alloc] out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*headers)(martlet_handle stream, martlet_header_map map, martlet_header *out,
                            size_t capacity, size_t *count);

  /* The `nth` (from 0) field of this name. */
  /* [worker] [no-alloc] name: borrowed(call) out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE |
   * MARTLET_E_ARGUMENT | MARTLET_E_STATE | MARTLET_E_NOT_FOUND */
  martlet_status (*header_get)(martlet_handle stream, martlet_header_map map, martlet_bytes name,
                               size_t nth, martlet_bytes *out);

  /* One field of this name with this value, in place of all there are. What is set, added or appended
   * is kept in memory of the stream, which is given back when the stream ends and not before: a filter
   * that sets the same field again and again in one stream makes it grow. */
  /* [worker] name: copied value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*header_set)(martlet_handle stream, martlet_header_map map, martlet_bytes name,
                               martlet_bytes value);

  /* One field more. */
  /* [worker] name: copied value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*header_add)(martlet_handle stream, martlet_header_map map, martlet_bytes name,
                               martlet_bytes value);

  /* The value behind a comma at the end of the first field of this name; a field where there is
   * none. */
  /* [worker] name: copied value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*header_append)(martlet_handle stream, martlet_header_map map, martlet_bytes name,
                                  martlet_bytes value);

  /* Removes all fields of this name. */
  /* [worker] [no-alloc] name: borrowed(call) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE | MARTLET_E_NOT_FOUND */
  martlet_status (*header_remove)(martlet_handle stream, martlet_header_map map,
                                  martlet_bytes name);

  /* The same by the number that the config scope has for the name: no text is compared. */
  /* [worker] [no-alloc] out: borrowed(stream) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE | MARTLET_E_NOT_FOUND */
  martlet_status (*header_get_by_id)(martlet_handle stream, martlet_header_map map, uint32_t header,
                                     size_t nth, martlet_bytes *out);
  /* [worker] value: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*header_set_by_id)(martlet_handle stream, martlet_header_map map, uint32_t header,
                                     martlet_bytes value);
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE |
   * MARTLET_E_NOT_FOUND */
  martlet_status (*header_remove_by_id)(martlet_handle stream, martlet_header_map map,
                                        uint32_t header);

  /* Bytes that this filter has before it. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT */
  martlet_status (*body_size)(martlet_handle stream, martlet_direction direction, size_t *out);

  /* Their `index`-th piece, from 0. */
  /* [worker] [no-alloc] out: borrowed(callback) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_NOT_FOUND */
  martlet_status (*body_piece)(martlet_handle stream, martlet_direction direction, size_t index,
                               martlet_bytes *out);

  /* Removes the first `count` of them. Only in this filter's hooks of that direction. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*body_drain)(martlet_handle stream, martlet_direction direction, size_t count);

  /* Adds bytes behind them; in a headers hook with `end`, gives the message a body. Only in this
   * filter's hooks of that direction. */
  /* [worker] bytes: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*body_append)(martlet_handle stream, martlet_direction direction,
                                martlet_bytes bytes);

  /* These bytes in place of all of them. Only in this filter's hooks of that direction. */
  /* [worker] bytes: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*body_replace)(martlet_handle stream, martlet_direction direction,
                                 martlet_bytes bytes);

  /* Lets the first `count` of the bytes that this filter holds go on, the head before them where it
   * is held, while the filter stays stopped; when the outermost callback has returned. Outside of the
   * hooks of that direction: from a timer, wake, or a hook of the other. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*body_pass)(martlet_handle stream, martlet_direction direction, size_t count);

  /* Gives a message trailers, to be filled by header_set and header_add: in a body or headers hook
   * whose `end` is true. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*trailers_create)(martlet_handle stream, martlet_direction direction);

  /* Goes on behind this filter, when the outermost callback has returned. Nothing where it has not
   * stopped. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT | MARTLET_E_STATE */
  martlet_status (*continue_message)(martlet_handle stream, martlet_direction direction);

  /* How much of a message filters may hold, in bytes: the listener's
   * per_connection_buffer_limit_bytes unless a filter has set another for this stream. */
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE */
  martlet_status (*buffer_limit)(martlet_handle stream, size_t *out);
  /* [worker] [no-alloc] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*set_buffer_limit)(martlet_handle stream, size_t bytes);

  /* Answers in the proxy's name. The response passes the response hooks of all filters, unless one
   * of them has seen a response already; a response whose head is on its way to the client is broken
   * off instead. */
  /* [worker] [terminal] reply: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*reply)(martlet_handle stream, const martlet_reply *reply);

  /* The same for an answer whose body comes bit by bit: `reply` without its body. After it
   * reply_body, as often as it takes; the stream stands until one of them has had `end`. The filters'
   * response hooks see the answer. */
  /* [worker] [terminal] reply: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_STATE */
  martlet_status (*reply_start)(martlet_handle stream, const martlet_reply *reply);
  /* [worker] bytes: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*reply_body)(martlet_handle stream, martlet_bytes bytes, bool end);

  /* Breaks the stream off. */
  /* [worker] [terminal] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*reset)(martlet_handle stream);

  /* This filter's configuration for the stream's route: what route_config_create has given, `level`
   * 0 the most specific (of a weighted cluster, the route, the virtual host, the route table, in
   * this order, those that have one). */
  /* [worker] [no-alloc] out: borrowed(config) -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_NOT_FOUND */
  martlet_status (*route_config)(martlet_handle stream, uint32_t level, void **out);

  /* Finds the route again, with the request as it is now. Possible until the request's head has
   * passed the last filter. */
  /* [worker] -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_STATE */
  martlet_status (*clear_route)(martlet_handle stream);

  /* Sends the request to this cluster instead of the route's; everything else of the route holds.
   * For routes that forward. */
  /* [worker] cluster: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_NOT_FOUND | MARTLET_E_STATE */
  martlet_status (*set_cluster)(martlet_handle stream, martlet_bytes cluster);
} martlet_host_http;

/* ---------------------------------------------------------------- rate limits */

/* One entry of a descriptor. */
typedef struct martlet_descriptor_entry {
  martlet_bytes key;
  martlet_bytes value;
} martlet_descriptor_entry;

/* What a descriptor is, beside its entries. */
#define MARTLET_DESCRIPTOR_HITS 1u         /* `hits` is given; otherwise the request counts as one */
#define MARTLET_DESCRIPTOR_GIVES_BACK 2u   /* the hits are given back and not taken */
#define MARTLET_DESCRIPTOR_LIMIT 4u        /* `limit_requests` and `limit_unit` are given */
#define MARTLET_DESCRIPTOR_DISABLE_KEY 8u  /* its rule has a `disable_key`: it is for global limits */
#define MARTLET_DESCRIPTOR_DISABLED 16u    /* and the runtime value of that key turns it off now */
#define MARTLET_DESCRIPTOR_HEADERS_OFF 32u /* the answer tells nothing of its limit */
#define MARTLET_DESCRIPTOR_HEADERS_ON 64u  /* the answer tells of its limit, whatever the filter says */

/* What a request is counted by: keys and values that one rule has found in it. */
typedef struct martlet_descriptor {
  uint32_t size;
  /* MARTLET_DESCRIPTOR_... */
  uint32_t flags;
  const martlet_descriptor_entry *entries;
  size_t entry_count;
  /* At most 1,000,000,000. */
  uint64_t hits;
  /* Another limit than the one that is kept for the descriptor: so many requests a unit, which is a
   * number of envoy.type.v3.RateLimitUnit. */
  uint32_t limit_requests;
  uint32_t limit_unit;
} martlet_descriptor;

/* The rules of the stream's route and virtual host, in place of the number of a filter's own. */
#define MARTLET_ROUTE_RATE_LIMITS 0xffffffffu

/* When the rules of the virtual host count. Those of a route with `include_vh_rate_limits` count in
 * any case. */
typedef int32_t martlet_virtual_host_rules;
#define MARTLET_VIRTUAL_HOST_OTHERWISE 0 /* where the route has none */
#define MARTLET_VIRTUAL_HOST_TOO 1
#define MARTLET_VIRTUAL_HOST_NOT 2

/* Which descriptors are wanted. */
typedef struct martlet_descriptor_query {
  uint32_t size;
  /* The number of a filter's own rules, or MARTLET_ROUTE_RATE_LIMITS. */
  uint32_t rules;
  /* Of a route's rules those of this stage, 0 to 10. A filter's own have none. */
  uint32_t stage;
  martlet_virtual_host_rules virtual_host;
  /* Of a filter's own rules those that count when the stream has ended, or those that do at once. */
  bool at_end;
} martlet_descriptor_query;

/* martlet.host.rate_limit/1: what rate limit filters, local or global, count requests by. The rules are
 * envoy.config.route.v3.RateLimit; those of routes and virtual hosts are the host's, a filter brings
 * its own. */
typedef struct martlet_host_rate_limit {
  uint32_t size;

  /* A number for a list of a filter's own rules. Each of `messages` is one
   * envoy.config.route.v3.RateLimit, all in the same encoding; `path` is that of the list:
   * "rate_limits". What is wrong with them is reported by the host. */
  /* [control] path: copied messages: copied -> MARTLET_OK | MARTLET_E_GONE | MARTLET_E_ARGUMENT |
   * MARTLET_E_LIMIT */
  martlet_status (*rules)(martlet_handle config, martlet_bytes path, martlet_encoding encoding,
                          const martlet_bytes *messages, size_t count, uint32_t *out);

  /* The descriptors of an HTTP stream, in the order of their rules, the route's before the virtual
   * host's. They are good until the host's callback returns or this function is called again. */
  /* [worker] query: borrowed(call) out: borrowed(callback) -> MARTLET_OK | MARTLET_E_GONE |
   * MARTLET_E_ARGUMENT */
  martlet_status (*descriptors)(martlet_handle stream, const martlet_descriptor_query *query,
                                const martlet_descriptor *const **out, size_t *count);
} martlet_host_rate_limit;

/* An HTTP filter. `create` and `destroy` are required, and route_config_create where its info names
 * types for routes; every other function may be NULL. `config` is what config_create has given, or
 * NULL. Request hooks are called from the first filter of the chain to the last, response hooks from
 * the last to the first. */
typedef struct martlet_http_filter {
  uint32_t size;
  const martlet_filter_info *info;

  /* A filter in the configuration. Anything but MARTLET_OK refuses it, and with it the whole
   * configuration; `error` of the config services says why and where. Optional: a filter without it
   * has nothing to configure, and any field is refused. */
  /* [control] given: borrowed(call) out: owned->plugin, by config_destroy -> MARTLET_OK | any error */
  martlet_status (*config_create)(martlet_handle config, const martlet_filter_config *given,
                                  void **out);

  /* Once, when no worker and no configuration uses it any more. */
  /* [control] -> nothing */
  void (*config_destroy)(void *config);

  /* The filter's configuration on a route table, virtual host, route or weighted cluster. `config` is
   * the handle of a config scope of its own. */
  /* [control] given: borrowed(call) out: owned->plugin, by route_config_destroy -> MARTLET_OK | any
   * error */
  martlet_status (*route_config_create)(martlet_handle config, const martlet_filter_config *given,
                                        void **out);
  /* [control] -> nothing */
  void (*route_config_destroy)(void *route_config);

  /* Optional. */
  /* [control] -> nothing */
  void (*on_config_timer)(void *config, uint32_t timer);
  /* [control] -> nothing */
  void (*on_config_wake)(void *config, uint64_t token);

  /* The filter on a worker. Optional; NULL from it: the filter's streams are answered 500. */
  /* [worker] out: owned->plugin, by worker_destroy -> worker | NULL */
  void *(*worker_create)(void *config, martlet_handle worker);
  /* [worker] -> nothing */
  void (*worker_destroy)(void *worker);
  /* [worker] -> nothing */
  void (*on_worker_timer)(void *worker, uint32_t timer);
  /* [worker] -> nothing */
  void (*on_worker_wake)(void *worker, uint64_t token);

  /* A filter for one request and its response. `worker` is what worker_create has given, or NULL.
   * NULL: the request is answered 500. No act on the stream (reply, reset, continue) is possible
   * yet. */
  /* [worker] host: borrowed(process) out: owned->plugin, by destroy -> filter | NULL */
  void *(*create)(void *config, void *worker, const martlet_host_http *host, martlet_handle stream);

  /* The request's head has come; `end`: nothing follows. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW | MARTLET_STOP_ALL |
   * MARTLET_STOP_ALL_SLOW */
  martlet_filter_status (*on_request_headers)(void *filter, bool end);

  /* More of its body has come, or (`end`) its end. MARTLET_CONTINUE passes on all that is held,
   * the head with it. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW */
  martlet_filter_status (*on_request_body)(void *filter, bool end);

  /* Its trailers have come: the end of the message. Optional. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_request_trailers)(void *filter);

  /* The same for the response, whoever made it. Interim responses (1xx) pass by. */
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW | MARTLET_STOP_ALL |
   * MARTLET_STOP_ALL_SLOW */
  martlet_filter_status (*on_response_headers)(void *filter, bool end);
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP | MARTLET_STOP_SLOW */
  martlet_filter_status (*on_response_body)(void *filter, bool end);
  /* [worker] -> MARTLET_CONTINUE | MARTLET_STOP */
  martlet_filter_status (*on_response_trailers)(void *filter);

  /* The client takes a streamed reply (reply_start) more slowly than it comes (`stop`), or can take
   * more again. Optional. */
  /* [worker] -> nothing */
  void (*on_back_pressure)(void *filter, bool stop);

  /* A timer is due. Optional. */
  /* [worker] -> nothing */
  void (*on_timer)(void *filter, uint32_t timer);

  /* `wake` was called. Optional. */
  /* [worker] -> nothing */
  void (*on_wake)(void *filter, uint64_t token);

  /* The stream has ended: headers can still be read, facts and metrics asked for and set, nothing else
   * can be done (MARTLET_E_STATE). Once, never inside another hook of the same stream, and before the
   * access logs are written. Optional. */
  /* [worker] -> nothing */
  void (*on_complete)(void *filter, martlet_stream_result result);

  /* Frees the filter. Once, last. */
  /* [worker] -> nothing */
  void (*destroy)(void *filter);
} martlet_http_filter;

/* martlet.plugin.http_filter/1 */
typedef struct martlet_http_filter_list {
  uint32_t size;
  uint32_t count;
  const martlet_http_filter *const *filters;
} martlet_http_filter_list;

/* ---------------------------------------------------------------- format operators */

/* What an operator's value is where it stands alone in a JSON format. */
typedef int32_t martlet_value_kind;
#define MARTLET_VALUE_TEXT 0    /* bytes; written as a JSON string */
#define MARTLET_VALUE_NUMBER 1  /* a number as RFC 8259 section 6 writes it */
#define MARTLET_VALUE_BOOLEAN 2 /* "true" or "false" */

/* Operators of format strings, `%NAME(argument):length%`, that share one configuration. `create`,
 * `destroy` and `write` are required; every other function may be NULL.
 *
 * Where info names types, the operators need a configuration: an entry of the bootstrap's
 * `bootstrap_extensions`, or of the `formatters` of the format string itself, whose type is one of
 * them. Without types there is nothing to configure, and config_create (optional) is given an empty
 * configuration. An argument ends at the parenthesis that closes it: those in it come in pairs, or
 * stand in double quotes, where a backslash takes the next character as it is. The host cuts the
 * value to `length`.
 *
 * Operators are asked wherever the host writes a format: header rules, local replies, access logs,
 * formats of other plugins. */
typedef struct martlet_format_operator {
  uint32_t size;
  /* Its `flags` and `route_type_names` have no meaning here. */
  const martlet_filter_info *info;
  /* Their names: capitals, digits and underscores, at most 64, the list ended by NULL. None of the
   * host's own. */
  const char *const *operators;

  /* As those of a filter. What is written here comes before any use of it. */
  /* [control] given: borrowed(call) out: owned->plugin, by config_destroy -> MARTLET_OK | any error */
  martlet_status (*config_create)(martlet_handle config, const martlet_filter_config *given,
                                  void **out);
  /* [control] -> nothing */
  void (*config_destroy)(void *config);
  /* [control] -> nothing */
  void (*on_config_timer)(void *config, uint32_t timer);
  /* [control] -> nothing */
  void (*on_config_wake)(void *config, uint64_t token);

  /* The operators on a worker. Optional; NULL from it: they have no value there. */
  /* [worker] out: owned->plugin, by worker_destroy -> worker | NULL */
  void *(*worker_create)(void *config, martlet_handle worker);
  /* [worker] -> nothing */
  void (*worker_destroy)(void *worker);
  /* [worker] -> nothing */
  void (*on_worker_timer)(void *worker, uint32_t timer);
  /* [worker] -> nothing */
  void (*on_worker_wake)(void *worker, uint64_t token);

  /* An operator in a format of the configuration. `use` is the handle of a config scope of its own:
   * what is reported with it (`path` is empty, or "argument") is reported at the format's place and
   * refuses the configuration. `argument.data` is NULL where there are no parentheses. `kind` is
   * MARTLET_VALUE_TEXT unless it is set. The same operator with the same argument and configuration may
   * be made once for several places. */
  /* [control] name: borrowed(call) argument: borrowed(call) out: owned->plugin, by destroy -> MARTLET_OK
   * | any error */
  martlet_status (*create)(void *config, martlet_handle use, martlet_bytes name,
                           martlet_bytes argument, martlet_value_kind *kind, void **out);

  /* Once, when no format holds it any more. */
  /* [control] -> nothing */
  void (*destroy)(void *use);

  /* The value. `worker` is what worker_create has given, or NULL. `format` names the stream or
   * connection that a format is written for, until this function returns, and so does what is
   * borrowed(stream) with it. With it log, metrics, text and stream_info work, and the functions of
   * `host` that read headers. What would change the stream gives MARTLET_E_STATE, and
   * MARTLET_E_ARGUMENT among the functions of stream_info; what is a filter's alone (bodies, routes,
   * acts) gives MARTLET_E_STATE; timers are not to be had. Heads that have not come yet, or that a
   * connection never has, are MARTLET_E_STATE. MARTLET_E_NOT_FOUND: it has no value, and the host
   * writes "-", null or nothing, as the format says. May be called while it runs: an operator that
   * writes a format may be in it. */
  /* [worker] host: borrowed(process) out: borrowed(next) -> MARTLET_OK | MARTLET_E_NOT_FOUND */
  martlet_status (*write)(void *use, void *worker, const martlet_host_http *host,
                          martlet_handle format, martlet_bytes *out);
} martlet_format_operator;

/* martlet.plugin.format_operator/1 */
typedef struct martlet_format_operator_list {
  uint32_t size;
  uint32_t count;
  const martlet_format_operator *const *operators;
} martlet_format_operator_list;

#ifdef __cplusplus
}
#endif
#endif
