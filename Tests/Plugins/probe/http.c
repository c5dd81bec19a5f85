/* The HTTP filter `com.example.probe` and its steps. */
#include "probe.h"

#define ACTION(name) static martlet_status name(call *call, const json *step)
#define HTTP call->scope->http

static martlet_header_map map_of(const json *step) {
  const char *name = json_text(step, "map", "request");
  if (strcmp(name, "request_trailers") == 0) return MARTLET_REQUEST_TRAILERS;
  if (strcmp(name, "response") == 0) return MARTLET_RESPONSE_HEADERS;
  if (strcmp(name, "response_trailers") == 0) return MARTLET_RESPONSE_TRAILERS;
  return strcmp(name, "request") == 0 ? MARTLET_REQUEST_HEADERS : 99;
}

static martlet_direction direction_of(const json *step) {
  const char *name = json_text(step, "on", "request");
  if (strcmp(name, "response") == 0) return MARTLET_RESPONSE;
  return strcmp(name, "request") == 0 ? MARTLET_REQUEST : 99;
}

/* ---- Headers */

ACTION(header_count) {
  size_t out = 0;
  martlet_status status = HTTP->header_count(handle_of(call, step), map_of(step), &out);
  keep_number(call, step, out);
  return status;
}

/* "name=value" */
static void keep_field(call *call, const json *step, const martlet_header *field) {
  char text[1024];
  int size = snprintf(text, sizeof text, "%.*s=%.*s", (int)field->name.size, (const char *)field->name.data,
                      (int)field->value.size, (const char *)field->value.data);
  keep(call, step, (martlet_bytes){(const uint8_t *)text, (size_t)size});
}

ACTION(header_at) {
  martlet_header out = {{NULL, 0}, {NULL, 0}};
  martlet_status status =
      HTTP->header_at(handle_of(call, step), map_of(step), (size_t)json_number(step, "index", 0), &out);
  if (status == MARTLET_OK) keep_field(call, step, &out);
  return status;
}

/* All names, joined by commas; `count` is how many there are. */
ACTION(headers) {
  martlet_header fields[128];
  char text[4096] = "";
  size_t count = 0, size = 0, capacity = (size_t)json_number(step, "capacity", 128);
  martlet_status status = HTTP->headers(handle_of(call, step), map_of(step), fields, capacity, &count);
  if (status != MARTLET_OK) return status;
  for (size_t i = 0; i < count && i < capacity && size + fields[i].name.size + 2 < sizeof text; i++) {
    if (i > 0) text[size++] = ',';
    memcpy(text + size, fields[i].name.data, fields[i].name.size);
    size += fields[i].name.size;
  }
  keep(call, step, (martlet_bytes){(const uint8_t *)text, size});
  snprintf(text, sizeof text, "%zu", count);
  set_variable(call->scope, "count", text, strlen(text));
  return status;
}

ACTION(header_get) {
  martlet_bytes out = {NULL, 0};
  martlet_status status = HTTP->header_get(handle_of(call, step), map_of(step), text_of(call, step, "name"),
                                           (size_t)json_number(step, "nth", 0), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(header_set) {
  return HTTP->header_set(handle_of(call, step), map_of(step), text_of(call, step, "name"),
                          text_of(call, step, "value"));
}

ACTION(header_add) {
  return HTTP->header_add(handle_of(call, step), map_of(step), text_of(call, step, "name"),
                          text_of(call, step, "value"));
}

ACTION(header_append) {
  return HTTP->header_append(handle_of(call, step), map_of(step), text_of(call, step, "name"),
                             text_of(call, step, "value"));
}

ACTION(header_remove) { return HTTP->header_remove(handle_of(call, step), map_of(step), text_of(call, step, "name")); }

ACTION(header_get_by_id) {
  martlet_bytes out = {NULL, 0};
  martlet_status status =
      HTTP->header_get_by_id(handle_of(call, step), map_of(step), number_of(call, step, "headers", "name"),
                             (size_t)json_number(step, "nth", 0), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(header_set_by_id) {
  return HTTP->header_set_by_id(handle_of(call, step), map_of(step), number_of(call, step, "headers", "name"),
                                text_of(call, step, "value"));
}

ACTION(header_remove_by_id) {
  return HTTP->header_remove_by_id(handle_of(call, step), map_of(step), number_of(call, step, "headers", "name"));
}

/* A value got before it is set anew and removed stays readable. */
ACTION(header_borrowed) {
  martlet_bytes name = text_of(call, step, "name"), before = {NULL, 0};
  martlet_handle handle = handle_of(call, step);
  martlet_status status = HTTP->header_get(handle, map_of(step), name, 0, &before);
  if (status != MARTLET_OK) return status;
  for (int round = 0; round < 40 && status == MARTLET_OK; round++) {
    char value[512];
    memset(value, 'a' + round % 26, sizeof value);
    status = HTTP->header_set(handle, map_of(step), name, (martlet_bytes){(const uint8_t *)value, sizeof value});
  }
  if (status == MARTLET_OK) status = HTTP->header_remove(handle, map_of(step), name);
  keep(call, step, before);
  return status;
}

/* ---- Bodies */

ACTION(body_size) {
  size_t out = 0;
  martlet_status status = HTTP->body_size(handle_of(call, step), direction_of(step), &out);
  keep_number(call, step, out);
  return status;
}

/* All pieces, as one text; `pieces` is how many there were. Their sizes must come to body_size. */
ACTION(body) {
  char *text = NULL, number[32];
  size_t size = 0, index = 0, whole = 0;
  martlet_bytes piece;
  martlet_status status;
  while ((status = HTTP->body_piece(handle_of(call, step), direction_of(step), index, &piece)) == MARTLET_OK) {
    text = realloc(text, size + piece.size + 1);
    memcpy(text + size, piece.data, piece.size);
    size += piece.size;
    index++;
  }
  if (status == MARTLET_E_NOT_FOUND) status = HTTP->body_size(handle_of(call, step), direction_of(step), &whole);
  if (status == MARTLET_OK && whole != size) {
    say(call->scope, MARTLET_LOG_ERROR, "WRONG %s: pieces of %zu bytes, body_size %zu", call->hook, size, whole);
  }
  keep(call, step, (martlet_bytes){(const uint8_t *)text, size});
  snprintf(number, sizeof number, "%zu", index);
  set_variable(call->scope, "pieces", number, strlen(number));
  free(text);
  return status;
}

ACTION(body_piece) {
  martlet_bytes out = {NULL, 0};
  martlet_status status =
      HTTP->body_piece(handle_of(call, step), direction_of(step), (size_t)json_number(step, "index", 0), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(body_drain) {
  return HTTP->body_drain(handle_of(call, step), direction_of(step), (size_t)json_number(step, "count", 0));
}

ACTION(body_append) {
  return HTTP->body_append(handle_of(call, step), direction_of(step), text_of(call, step, "body"));
}

ACTION(body_replace) {
  return HTTP->body_replace(handle_of(call, step), direction_of(step), text_of(call, step, "body"));
}

ACTION(body_pass) {
  return HTTP->body_pass(handle_of(call, step), direction_of(step), (size_t)json_number(step, "count", 0));
}

ACTION(trailers_create) { return HTTP->trailers_create(handle_of(call, step), direction_of(step)); }

ACTION(continue_message) { return HTTP->continue_message(handle_of(call, step), direction_of(step)); }

ACTION(buffer_limit) {
  size_t out = 0;
  martlet_status status = HTTP->buffer_limit(handle_of(call, step), &out);
  keep_number(call, step, out);
  return status;
}

ACTION(set_buffer_limit) {
  return HTTP->set_buffer_limit(handle_of(call, step), (size_t)json_number(step, "bytes", 0));
}

/* ---- Answers */

static martlet_reply reply_of(call *call, const json *step, martlet_header *fields) {
  const json *headers = json_member(step, "headers");
  martlet_reply reply = {
      .size = sizeof reply,
      .status = (int32_t)json_number(step, "status", 200),
      .headers = fields,
      .body = text_of(call, step, "body"),
      .details = text_of(call, step, "details"),
      .grpc_status = (int32_t)json_number(step, "grpc_status", -1),
  };
  for (const json *one = headers ? headers->first : NULL; one && reply.header_count < 16; one = one->next) {
    fields[reply.header_count].name = bytes(one->name);
    fields[reply.header_count++].value = (martlet_bytes){(const uint8_t *)one->text, one->size};
  }
  return reply;
}

ACTION(reply) {
  martlet_header fields[16];
  martlet_reply reply = reply_of(call, step, fields);
  return HTTP->reply(handle_of(call, step), &reply);
}

ACTION(reply_start) {
  martlet_header fields[16];
  martlet_reply reply = reply_of(call, step, fields);
  return HTTP->reply_start(handle_of(call, step), &reply);
}

ACTION(reply_body) {
  return HTTP->reply_body(handle_of(call, step), text_of(call, step, "body"), json_truth(step, "end", false));
}

ACTION(reset) { return HTTP->reset(handle_of(call, step)); }

/* ---- Routes */

/* The `value` of the route's configuration. */
ACTION(route_config) {
  void *out = NULL;
  martlet_status status = HTTP->route_config(handle_of(call, step), (uint32_t)json_number(step, "level", 0), &out);
  if (status == MARTLET_OK) keep(call, step, bytes(json_text(((configuration *)out)->text, "value", "")));
  return status;
}

ACTION(clear_route) { return HTTP->clear_route(handle_of(call, step)); }

ACTION(set_cluster) { return HTTP->set_cluster(handle_of(call, step), text_of(call, step, "cluster")); }

const action http_actions[] = {
    {"header_count", header_count},
    {"header_at", header_at},
    {"headers", headers},
    {"header_get", header_get},
    {"header_set", header_set},
    {"header_add", header_add},
    {"header_append", header_append},
    {"header_remove", header_remove},
    {"header_get_by_id", header_get_by_id},
    {"header_set_by_id", header_set_by_id},
    {"header_remove_by_id", header_remove_by_id},
    {"header_borrowed", header_borrowed},
    {"body_size", body_size},
    {"body", body},
    {"body_piece", body_piece},
    {"body_drain", body_drain},
    {"body_append", body_append},
    {"body_replace", body_replace},
    {"body_pass", body_pass},
    {"trailers_create", trailers_create},
    {"continue", continue_message},
    {"buffer_limit", buffer_limit},
    {"set_buffer_limit", set_buffer_limit},
    {"reply", reply},
    {"reply_start", reply_start},
    {"reply_body", reply_body},
    {"reset", reset},
    {"route_config", route_config},
    {"clear_route", clear_route},
    {"set_cluster", set_cluster},
    {NULL, NULL},
};

/* ---- Hooks */

static void *create(void *context, void *worker, const martlet_host_http *http, martlet_handle stream) {
  configuration *configuration = context;
  if (is_null(configuration, "create")) return NULL;
  scope *made = calloc(1, sizeof *made);
  made->handle = stream;
  made->configuration = configuration;
  made->worker = worker;
  made->http = http;
  made->script = json_member(configuration->text, "script");

  char name[64];
  martlet_bytes value;
  snprintf(name, sizeof name, "x-probe-%s", configuration->label);
  if (http->header_get(stream, MARTLET_REQUEST_HEADERS, bytes(name), 0, &value) == MARTLET_OK) {
    made->own_script = json_parse((const char *)value.data, value.size);
    made->script = made->own_script;
    if (!made->own_script) say(made, MARTLET_LOG_ERROR, "WRONG script: it is not JSON");
  }
  run(made, "create", false, 0);
  return made;
}

static martlet_filter_status on_request_headers(void *filter, bool end) { return run(filter, "request_headers", end, end); }
static martlet_filter_status on_request_body(void *filter, bool end) { return run(filter, "request_body", end, end); }
static martlet_filter_status on_request_trailers(void *filter) { return run(filter, "request_trailers", true, 1); }
static martlet_filter_status on_response_headers(void *filter, bool end) { return run(filter, "response_headers", end, end); }
static martlet_filter_status on_response_body(void *filter, bool end) { return run(filter, "response_body", end, end); }
static martlet_filter_status on_response_trailers(void *filter) { return run(filter, "response_trailers", true, 1); }
static void on_back_pressure(void *filter, bool stop) { run(filter, "back_pressure", false, stop); }
static void on_timer(void *filter, uint32_t timer) { run(filter, "timer", false, timer); }
static void on_wake(void *filter, uint64_t token) { run(filter, "wake", false, token); }

static void on_complete(void *filter, martlet_stream_result result) {
  scope *self = filter;
  run(self, "complete", true, (uint64_t)result);
  if (self->script) say(self, MARTLET_LOG_WARNING, "trace%s", self->trace);
}

static void destroy(void *filter) {
  scope *self = filter;
  run(self, "destroy", true, 0);
  scope_end(self);
  free(self);
}

static const char *const type_names[] = {"com.example.Probe", NULL};
static const char *const route_type_names[] = {"com.example.Probe", "com.example.ProbeRoute", NULL};
static const martlet_filter_info info = {.size = sizeof info,
                                         .name = "com.example.probe",
                                         .type_names = type_names,
                                         .route_type_names = route_type_names};

const martlet_http_filter probe_http = {
    .size = sizeof probe_http,
    .info = &info,
    .config_create = configuration_create,
    .config_destroy = configuration_destroy,
    .route_config_create = route_configuration_create,
    .route_config_destroy = configuration_destroy,
    .on_config_timer = on_config_timer,
    .on_config_wake = on_config_wake,
    .worker_create = worker_create,
    .worker_destroy = worker_destroy,
    .on_worker_timer = on_worker_timer,
    .on_worker_wake = on_worker_wake,
    .create = create,
    .on_request_headers = on_request_headers,
    .on_request_body = on_request_body,
    .on_request_trailers = on_request_trailers,
    .on_response_headers = on_response_headers,
    .on_response_body = on_response_body,
    .on_response_trailers = on_response_trailers,
    .on_back_pressure = on_back_pressure,
    .on_timer = on_timer,
    .on_wake = on_wake,
    .on_complete = on_complete,
    .destroy = destroy,
};
