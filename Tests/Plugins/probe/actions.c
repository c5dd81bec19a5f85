/* Steps for every scope: core, metrics, text, shared data, stream info. */
#include <time.h>

#include "probe.h"

#define ACTION(name) static martlet_status name(call *call, const json *step)

/* ---- The probe's own */

ACTION(say_text) {
  martlet_bytes text = text_of(call, step, "text");
  say(call->scope, MARTLET_LOG_WARNING, "said %.*s", (int)text.size, (const char *)text.data);
  return MARTLET_OK;
}

/* Two texts must be the same. */
ACTION(check) {
  martlet_bytes is = text_of(call, step, "is"), should = text_of(call, step, "should");
  if (is.size == should.size && (is.size == 0 || memcmp(is.data, should.data, is.size) == 0)) return MARTLET_OK;
  say(call->scope, MARTLET_LOG_ERROR, "WRONG %s: `%.*s` should be `%.*s`", call->hook, (int)is.size,
      (const char *)is.data, (int)should.size, (const char *)should.data);
  return MARTLET_OK;
}

ACTION(let) {
  keep(call, step, text_of(call, step, "value"));
  return MARTLET_OK;
}

ACTION(remember) {
  (void)step;
  remembered = call->scope->handle;
  return MARTLET_OK;
}

ACTION(crash) {
  (void)call, (void)step;
  *(volatile int *)16 = 1;
  return MARTLET_OK;
}

ACTION(block) {
  (void)call;
  double milliseconds = json_number(step, "milliseconds", 0);
  struct timespec time = {(time_t)(milliseconds / 1000), (long)((long long)(milliseconds * 1e6) % 1000000000)};
  nanosleep(&time, NULL);
  return MARTLET_OK;
}

ACTION(query) {
  const void *table = probe.host->query(json_text(step, "id", ""));
  keep_number(call, step, table ? *(const uint32_t *)table > 0 : 0);
  return table ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

/* ---- martlet.host.core/1 */

ACTION(log_line) {
  martlet_log_level level = (martlet_log_level)json_number(step, "level", MARTLET_LOG_WARNING);
  keep_number(call, step, probe.core->log_enabled(level));
  return probe.core->log(handle_of(call, step), level, text_of(call, step, "text"));
}

ACTION(set_timer) {
  return probe.core->set_timer(handle_of(call, step), (uint32_t)json_number(step, "timer", 0),
                               (uint64_t)json_number(step, "milliseconds", 1));
}

ACTION(wake) { return probe.core->wake(handle_of(call, step), (uint64_t)json_number(step, "token", 0)); }

typedef struct {
  martlet_handle handle;
  uint64_t token;
  long milliseconds;
  bool act;
} errand;

static void *run_errand(void *argument) {
  errand mine = *(errand *)argument;
  free(argument);
  struct timespec time = {mine.milliseconds / 1000, mine.milliseconds % 1000 * 1000000};
  nanosleep(&time, NULL);
  if (mine.act) {
    /* What belongs to a worker is not to be had on another thread. */
    martlet_bytes out;
    martlet_status statuses[] = {
        probe.core->set_timer(mine.handle, 0, 1),
        probe.metrics->add(mine.handle, 0, 1),
        probe.stream_info->text(mine.handle, MARTLET_DOWNSTREAM_REMOTE_ADDRESS, &out),
    };
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
      if (statuses[i] != MARTLET_E_GONE) say(NULL, MARTLET_LOG_ERROR, "WRONG thread: %zu gave %d", i, statuses[i]);
    }
  }
  martlet_status status = probe.core->wake(mine.handle, mine.token);
  say(NULL, MARTLET_LOG_WARNING, "wake %llu gave %s", (unsigned long long)mine.token, status_name(status));
  return NULL;
}

/* wake from a thread of the plugin's own, after a while. */
ACTION(wake_from_thread) {
  errand *made = malloc(sizeof *made);
  *made = (errand){handle_of(call, step), (uint64_t)json_number(step, "token", 0),
                   (long)json_number(step, "milliseconds", 0), json_truth(step, "act", false)};
  pthread_t thread;
  if (pthread_create(&thread, NULL, run_errand, made) != 0) return free(made), MARTLET_E_LIMIT;
  pthread_detach(thread);
  return MARTLET_OK;
}

ACTION(clocks) {
  uint64_t now = probe.core->now(), wall = probe.core->wall_clock(), random = probe.core->random();
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  int64_t apart = (int64_t)wall / 1000000000 - (int64_t)time.tv_sec;
  keep_number(call, step, now > 0 && apart >= -2 && apart <= 2 && random != probe.core->random());
  return MARTLET_OK;
}

ACTION(memory) {
  size_t size = (size_t)json_number(step, "size", 1000);
  uint8_t *first = probe.core->allocate(probe.host->plugin, size);
  if (!first) return MARTLET_E_LIMIT;
  memset(first, 7, size);
  uint8_t *second = probe.core->reallocate(probe.host->plugin, first, 2 * size);
  if (!second) return MARTLET_E_LIMIT;
  keep_number(call, step, second[0] == 7 && second[size - 1] == 7);
  if (!json_truth(step, "keep", false)) probe.core->release(probe.host->plugin, second);
  probe.core->release(probe.host->plugin, NULL);
  return MARTLET_OK;
}

/* ---- martlet.host.metrics/1 */

ACTION(add) {
  return probe.metrics->add(handle_of(call, step), number_of(call, step, "metrics", "metric"),
                            (uint64_t)json_number(step, "amount", 1));
}

ACTION(subtract) {
  return probe.metrics->subtract(handle_of(call, step), number_of(call, step, "metrics", "metric"),
                                 (uint64_t)json_number(step, "amount", 1));
}

ACTION(record) {
  return probe.metrics->record(handle_of(call, step), number_of(call, step, "metrics", "metric"),
                               (uint64_t)json_number(step, "amount", 1));
}

/* Adds to a member of a family; `times` members where it is given, with a number as their first value. */
ACTION(series_add) {
  martlet_bytes values[16];
  const json *given = json_member(step, "values");
  martlet_status status = MARTLET_OK;
  uint64_t times = (uint64_t)json_number(step, "times", 0);
  for (uint64_t round = 0; round < (times ? times : 1) && status == MARTLET_OK; round++) {
    size_t count = 0;
    char text[32];
    for (const json *one = given ? given->first : NULL; one && count < 16; one = one->next) {
      values[count++] = (martlet_bytes){(const uint8_t *)one->text, one->size};
    }
    if (times) {
      snprintf(text, sizeof text, "%llu", (unsigned long long)round);
      values[0] = bytes(text);
    }
    uint32_t number = 0;
    status = probe.metrics->series(handle_of(call, step), number_of(call, step, "metrics", "metric"), values, count,
                                   &number);
    if (status == MARTLET_OK) {
      status = probe.metrics->add(handle_of(call, step), number, (uint64_t)json_number(step, "amount", 1));
    }
  }
  return status;
}

/* ---- martlet.host.text/1 */

ACTION(format) {
  martlet_bytes out = {NULL, 0};
  martlet_status status = probe.text->format(handle_of(call, step), number_of(call, step, "formats", "format"), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(matches) {
  bool out = false;
  martlet_status status = probe.text->matches(handle_of(call, step), number_of(call, step, "regexes", "regex"),
                                              text_of(call, step, "text"), &out);
  keep_number(call, step, out);
  return status;
}

ACTION(replace) {
  martlet_bytes out = {NULL, 0};
  martlet_status status = probe.text->replace(handle_of(call, step), number_of(call, step, "regexes", "regex"),
                                              text_of(call, step, "text"), text_of(call, step, "substitution"), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(runtime_number) {
  uint64_t out = 0;
  martlet_status status =
      probe.text->runtime_number(handle_of(call, step), number_of(call, step, "runtime", "key"),
                                 (uint64_t)json_number(step, "otherwise", 0), &out);
  keep_number(call, step, out);
  return status;
}

ACTION(runtime_boolean) {
  bool out = false;
  martlet_status status =
      probe.text->runtime_boolean(handle_of(call, step), number_of(call, step, "runtime", "key"),
                                  json_truth(step, "otherwise", false), &out);
  keep_number(call, step, out);
  return status;
}

ACTION(runtime_share) {
  bool out = false;
  martlet_status status = probe.text->runtime_share(
      handle_of(call, step), number_of(call, step, "runtime", "key"), (uint32_t)json_number(step, "numerator", 0),
      (uint32_t)json_number(step, "denominator", 100), (uint64_t)json_number(step, "random", 0), &out);
  keep_number(call, step, out);
  return status;
}

/* ---- martlet.host.shared_data/1 */

ACTION(shared_get) {
  uint8_t buffer[256];
  size_t size = 0, capacity = (size_t)json_number(step, "capacity", sizeof buffer);
  uint64_t version = 0;
  martlet_handle handle = json_member(step, "handle") ? handle_of(call, step) : probe.host->plugin;
  martlet_status status =
      probe.shared_data->get(handle, text_of(call, step, "key"), buffer, capacity, &size, &version);
  if (status != MARTLET_OK) return status;
  keep(call, step, (martlet_bytes){buffer, size < capacity ? size : capacity});
  char text[32];
  snprintf(text, sizeof text, "%llu", (unsigned long long)version);
  set_variable(call->scope, "version", text, strlen(text));
  snprintf(text, sizeof text, "%zu", size);
  set_variable(call->scope, "size", text, strlen(text));
  return status;
}

ACTION(shared_set) {
  const char *expected = json_text(step, "expected", "0");
  uint64_t version = strtoull(expected, NULL, 10);
  if (strcmp(expected, "none") == 0) version = UINT64_MAX;
  if (expected[0] == '$') version = strtoull((const char *)text_of(call, step, "expected").data, NULL, 10);
  return probe.shared_data->set(probe.host->plugin, text_of(call, step, "key"), text_of(call, step, "value"), version);
}

ACTION(shared_remove) { return probe.shared_data->remove(probe.host->plugin, text_of(call, step, "key")); }

/* ---- martlet.host.stream_info/1 */

ACTION(text) {
  martlet_bytes out = {NULL, 0};
  martlet_status status =
      probe.stream_info->text(handle_of(call, step), (martlet_text_attribute)json_number(step, "attribute", -1), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(number) {
  uint64_t out = 0;
  martlet_status status = probe.stream_info->number(
      handle_of(call, step), (martlet_number_attribute)json_number(step, "attribute", -1), &out);
  if (status == MARTLET_OK) keep_number(call, step, out);
  return status;
}

ACTION(add_response_flag) {
  return probe.stream_info->add_response_flag(handle_of(call, step), text_of(call, step, "flag"));
}

ACTION(set_metadata) {
  const json *value = json_member(step, "value");
  martlet_handle handle = handle_of(call, step);
  martlet_bytes name_space = text_of(call, step, "namespace"), key = text_of(call, step, "key");
  if (!value || value->kind == JSON_TEXT) {
    return probe.stream_info->set_metadata_text(handle, name_space, key, text_of(call, step, "value"));
  }
  if (value->kind == JSON_NUMBER) {
    return probe.stream_info->set_metadata_number(handle, name_space, key, value->number);
  }
  return probe.stream_info->set_metadata_boolean(handle, name_space, key, value->truth);
}

ACTION(metadata) {
  martlet_bytes out = {NULL, 0};
  martlet_status status = probe.stream_info->metadata(handle_of(call, step), text_of(call, step, "namespace"),
                                                      text_of(call, step, "key"), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

ACTION(set_filter_state) {
  return probe.stream_info->set_filter_state(handle_of(call, step), text_of(call, step, "key"),
                                             text_of(call, step, "value"));
}

ACTION(filter_state) {
  martlet_bytes out = {NULL, 0};
  martlet_status status = probe.stream_info->filter_state(handle_of(call, step), text_of(call, step, "key"), &out);
  if (status == MARTLET_OK) keep(call, step, out);
  return status;
}

const action common_actions[] = {
    {"say", say_text},
    {"check", check},
    {"let", let},
    {"remember", remember},
    {"crash", crash},
    {"block", block},
    {"query", query},
    {"log", log_line},
    {"set_timer", set_timer},
    {"wake", wake},
    {"wake_from_thread", wake_from_thread},
    {"clocks", clocks},
    {"memory", memory},
    {"add", add},
    {"subtract", subtract},
    {"record", record},
    {"series_add", series_add},
    {"format", format},
    {"matches", matches},
    {"replace", replace},
    {"runtime_number", runtime_number},
    {"runtime_boolean", runtime_boolean},
    {"runtime_share", runtime_share},
    {"shared_get", shared_get},
    {"shared_set", shared_set},
    {"shared_remove", shared_remove},
    {"text", text},
    {"number", number},
    {"add_response_flag", add_response_flag},
    {"set_metadata", set_metadata},
    {"metadata", metadata},
    {"set_filter_state", set_filter_state},
    {"filter_state", filter_state},
    {NULL, NULL},
};
