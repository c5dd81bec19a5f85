/* Runs a script's steps for one hook. */
#include <stdarg.h>

#include "probe.h"

static const char *const statuses[] = {"OK", "GONE", "ARGUMENT", "STATE", "NOT_FOUND", "LIMIT", "CONFLICT"};
static const char *const returns[] = {"continue", "stop", "stop_slow", "stop_all", "stop_all_slow"};

martlet_bytes bytes(const char *text) {
  martlet_bytes result = {(const uint8_t *)text, strlen(text)};
  return result;
}

const char *status_name(martlet_status status) {
  return status <= 0 && status > -(int)(sizeof statuses / sizeof *statuses) ? statuses[-status] : "?";
}

martlet_status status_named(const char *name) {
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
    if (strcmp(statuses[i], name) == 0) return -(martlet_status)i;
  }
  return -100;
}

void say(const scope *scope, martlet_log_level level, const char *format, ...) {
  char text[4096];
  const char *label = scope && scope->configuration ? scope->configuration->label : "?";
  int size = snprintf(text, sizeof text, "probe %s: ", label);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text + size, sizeof text - (size_t)size, format, arguments);
  va_end(arguments);
  probe.core->log(probe.host->plugin, level, bytes(text));
}

/* ---- Variables */

static const variable *find_variable(const scope *scope, const char *name, size_t size) {
  for (const variable *one = scope->variables; one; one = one->next) {
    if (strlen(one->name) == size && memcmp(one->name, name, size) == 0) return one;
  }
  return NULL;
}

void set_variable(scope *scope, const char *name, const char *value, size_t size) {
  variable *one = (variable *)find_variable(scope, name, strlen(name));
  if (!one) {
    one = calloc(1, sizeof *one);
    one->name = strdup(name);
    one->next = scope->variables;
    scope->variables = one;
  }
  char *copy = malloc(size + 1);
  if (size > 0) memcpy(copy, value, size);
  copy[size] = 0;
  free(one->value);
  one->value = copy;
  one->size = size;
}

void keep(call *call, const json *step, martlet_bytes value) {
  const char *name = json_text(step, "as", NULL);
  if (name) set_variable(call->scope, name, (const char *)value.data, value.size);
}

void keep_number(call *call, const json *step, uint64_t value) {
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)value);
  keep(call, step, bytes(text));
}

/* The results of text_of live in variables of the scope, by the member's name. */
martlet_bytes text_of(call *call, const json *step, const char *name) {
  const json *member = json_member(step, name);
  martlet_bytes result = {NULL, 0};
  if (!member || member->kind != JSON_TEXT) return result;
  size_t repeat = (size_t)json_number(step, "repeat", 1), capacity = 64, size = 0;
  char *made = malloc(capacity);
  for (size_t round = 0; round < repeat; round++) {
    for (size_t at = 0; at < member->size;) {
      const char *piece = member->text + at;
      size_t length = 1, used = 1;
      const char *close = strncmp(piece, "${", 2) == 0 ? strchr(piece, '}') : NULL;
      if (close) {
        const variable *one = find_variable(call->scope, piece + 2, (size_t)(close - piece - 2));
        used = (size_t)(close - piece) + 1;
        length = one ? one->size : 0;
        piece = one ? one->value : "";
      }
      if (size + length > capacity) made = realloc(made, capacity = 2 * (size + length));
      memcpy(made + size, piece, length);
      size += length;
      at += used;
    }
  }
  char slot[64];
  snprintf(slot, sizeof slot, "text of %s", name);
  set_variable(call->scope, slot, made, size);
  free(made);
  const variable *one = find_variable(call->scope, slot, strlen(slot));
  result.data = (const uint8_t *)one->value;
  result.size = one->size;
  return result;
}

martlet_handle handle_of(const call *call, const json *step) {
  const char *name = json_text(step, "handle", "own");
  scope *own = call->scope;
  if (strcmp(name, "worker") == 0) return own->worker ? own->worker->handle : 0;
  if (strcmp(name, "config") == 0) return own->configuration->scope.handle;
  if (strcmp(name, "plugin") == 0) return probe.host->plugin;
  if (strcmp(name, "remembered") == 0) return remembered;
  if (strcmp(name, "zero") == 0) return 0;
  return own->handle;
}

/* The number that a definition has, by its name; a number stands for itself. */
uint32_t number_of(const call *call, const json *step, const char *kind, const char *member) {
  const json *given = json_member(step, member);
  if (given && given->kind == JSON_NUMBER) return (uint32_t)given->number;
  const char *name = given && given->kind == JSON_TEXT ? given->text : "";
  for (definition *one = call->scope->configuration->definitions; one; one = one->next) {
    if (strcmp(one->kind, kind) == 0 && strcmp(one->name, name) == 0) return one->number;
  }
  say(call->scope, MARTLET_LOG_ERROR, "WRONG %s: nothing defined in %s as %s", call->hook, kind, name);
  return UINT32_MAX;
}

/* ---- Steps */

static bool applies(const call *call, const json *step, uint64_t visit) {
  const json *conditions = json_member(step, "if");
  for (const json *one = conditions ? conditions->first : NULL; one; one = one->next) {
    if (strcmp(one->name, "end") == 0 && one->truth != call->end) return false;
    if (strcmp(one->name, "visit") == 0 && (uint64_t)one->number != visit) return false;
    if (strcmp(one->name, "number") == 0 && (uint64_t)one->number != call->number) return false;
  }
  return true;
}

static bool set_return(call *call, const char *name) {
  for (size_t i = 0; i < sizeof returns / sizeof *returns; i++) {
    if (strcmp(returns[i], name) == 0) return call->status = (martlet_filter_status)i, true;
  }
  return false;
}

static const action *find_action(const scope *scope, const char *name) {
  const action *tables[] = {common_actions, scope->http ? http_actions : NULL, scope->network ? network_actions : NULL};
  for (size_t i = 0; i < 3; i++) {
    for (const action *one = tables[i]; one && one->name; one++) {
      if (strcmp(one->name, name) == 0) return one;
    }
  }
  return NULL;
}

static void run_step(call *call, const json *step, uint64_t visit) {
  if (step->kind == JSON_TEXT) {
    if (!set_return(call, step->text)) say(call->scope, MARTLET_LOG_ERROR, "WRONG %s: return %s", call->hook, step->text);
    return;
  }
  if (!applies(call, step, visit)) return;
  const char *name = json_text(step, "do", "");
  const action *found = find_action(call->scope, name);
  if (!found && set_return(call, name)) return;
  if (!found) {
    say(call->scope, MARTLET_LOG_ERROR, "WRONG %s: there is no step %s", call->hook, name);
    return;
  }
  martlet_status status = found->run(call, step);
  const char *expected = json_text(step, "expect", "OK");
  const char *status_as = json_text(step, "status_as", NULL);
  if (status_as) {
    set_variable(call->scope, status_as, status_name(status), strlen(status_name(status)));
  } else if (strcmp(status_name(status), expected) != 0) {
    say(call->scope, MARTLET_LOG_ERROR, "WRONG %s: %s gave %s (%d), expected %s", call->hook, name,
        status_name(status), status, expected);
  }
}

martlet_filter_status run(scope *scope, const char *hook, bool end, uint64_t number) {
  call call = {scope, hook, end, number, MARTLET_CONTINUE};
  int size = snprintf(scope->trace + scope->trace_size, sizeof scope->trace - scope->trace_size, " %s:%llu", hook,
                      (unsigned long long)number);
  if (size > 0 && scope->trace_size + (size_t)size < sizeof scope->trace) scope->trace_size += (size_t)size;
  set_variable(scope, "trace", scope->trace, scope->trace_size);

  const json *steps = json_member(scope->script, hook);
  if (!steps) return MARTLET_CONTINUE;
  char counter[64], text[32];
  snprintf(counter, sizeof counter, "visits of %s", hook);
  const variable *before = find_variable(scope, counter, strlen(counter));
  uint64_t visit = (before ? strtoull(before->value, NULL, 10) : 0) + 1;
  set_variable(scope, counter, text, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)visit));
  for (const json *step = steps->first; step; step = step->next) run_step(&call, step, visit);
  return call.status;
}

void scope_end(scope *scope) {
  while (scope->variables) {
    variable *next = scope->variables->next;
    free(scope->variables->name);
    free(scope->variables->value);
    free(scope->variables);
    scope->variables = next;
  }
  json_free(scope->own_script);
}
