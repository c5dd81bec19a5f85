// The host's services for all filters, wrapped: core, configuration, metrics, text, shared data, facts.
#include <string.h>

#include "engine.h"

namespace tools {

// A copy of a table, as much of it as the host has.
template <typename Table>
static Table &copyOf(const Table *real) {
  static Table made;
  made = {};
  memcpy(&made, real, real->size < sizeof made ? real->size : sizeof made);
  return made;
}

static std::string text(martlet_bytes bytes) {
  return std::string(reinterpret_cast<const char *>(bytes.data), bytes.data ? bytes.size : 0);
}

// ---- core

// Before what `allocate` gives: another allocator's free does not take it.
struct Header {
  uint64_t mark, size;
};
static constexpr uint64_t allocated = 0x6d6172746c657421, released = 0x72656c6561736564;

static Header *headerOf(void *memory, const char *function) {
  Header *header = static_cast<Header *>(memory) - 1;
  if (header->mark == allocated) return header;
  const bool isOld = header->mark == released;
  violated("A10", "%s was given %s, %s", function,
           isOld ? "memory that was released before" : "memory that `allocate` did not give", here().c_str());
  return nullptr;
}

const martlet_host_core *wrapCore() {
  martlet_host_core &made = copyOf(realCore);
  made.log = [](martlet_handle owner, martlet_log_level level, martlet_bytes message) {
    MARTLET_CALL(core, log, owner, Call::onAny | Call::mayBeLate);
    return call.done(realCore->log(owner, level, message));
  };
  made.random = []() -> uint64_t { return isSeeded ? nextRandom() : realCore->random(); };
  made.set_timer = [](martlet_handle handle, uint32_t timer, uint64_t milliseconds) {
    MARTLET_CALL(core, set_timer, handle, Call::onWorker | Call::onControl);
    return call.done(realCore->set_timer(handle, timer, milliseconds));
  };
  made.wake = [](martlet_handle handle, uint64_t token) {
    MARTLET_CALL(core, wake, handle, Call::onAny);
    return call.done(realCore->wake(handle, token));
  };
  made.allocate = [](martlet_handle plugin, size_t size) -> void * {
    MARTLET_CALL(core, allocate, plugin, Call::onAny);
    auto *header = static_cast<Header *>(realCore->allocate(plugin, size + sizeof(Header)));
    call.done(MARTLET_OK);
    if (!header) return nullptr;
    *header = {allocated, size};
    return header + 1;
  };
  made.reallocate = [](martlet_handle plugin, void *memory, size_t size) -> void * {
    MARTLET_CALL(core, reallocate, plugin, Call::onAny);
    Header *header = memory ? headerOf(memory, "core.reallocate") : nullptr;
    if (memory && !header) return nullptr;
    header = static_cast<Header *>(realCore->reallocate(plugin, header, size + sizeof(Header)));
    call.done(MARTLET_OK);
    if (!header) return nullptr;
    *header = {allocated, size};
    return header + 1;
  };
  made.release = [](martlet_handle plugin, void *memory) {
    MARTLET_CALL(core, release, plugin, Call::onAny);
    if (!memory) return;
    Header *header = headerOf(memory, "core.release");
    if (!header) return;
    header->mark = released;
    realCore->release(plugin, header);
    call.done(MARTLET_OK);
  };
  return &made;
}

// ---- config

const martlet_host_config *wrapConfig() {
  martlet_host_config &made = copyOf(realConfig);
  made.error = [](martlet_handle config, martlet_bytes path, martlet_bytes message) {
    MARTLET_CALL(config, error, config, Call::onControl);
    return call.done(realConfig->error(config, path, message));
  };
  made.warning = [](martlet_handle config, martlet_bytes path, martlet_bytes message) {
    MARTLET_CALL(config, warning, config, Call::onControl);
    return call.done(realConfig->warning(config, path, message));
  };
  made.header = [](martlet_handle config, martlet_bytes name, uint32_t *out) {
    MARTLET_CALL(config, header, config, Call::onControl);
    return call.done(realConfig->header(config, name, out));
  };
  made.format = [](martlet_handle config, martlet_bytes path, martlet_bytes format, uint32_t *out) {
    MARTLET_CALL(config, format, config, Call::onControl);
    return call.done(realConfig->format(config, path, format, out));
  };
  made.regex = [](martlet_handle config, martlet_bytes path, martlet_bytes pattern, uint32_t *out) {
    MARTLET_CALL(config, regex, config, Call::onControl);
    return call.done(realConfig->regex(config, path, pattern, out));
  };
  made.runtime = [](martlet_handle config, martlet_bytes key, uint32_t *out) {
    MARTLET_CALL(config, runtime, config, Call::onControl);
    return call.done(realConfig->runtime(config, key, out));
  };
  made.metric = [](martlet_handle config, martlet_metric_kind kind, martlet_bytes name, bool relative,
                   const martlet_bytes *labels, size_t label_count, uint32_t *out) {
    MARTLET_CALL(config, metric, config, Call::onControl);
    const martlet_status status =
        call.done(realConfig->metric(config, kind, name, relative, labels, label_count, out));
    if (guarding() && status == MARTLET_OK && out) nameMetric(*out, text(name));
    return status;
  };
  made.stat_prefix = [](martlet_handle config, martlet_bytes *out) {
    MARTLET_CALL(config, stat_prefix, config, Call::onControl);
    const martlet_status status = call.done(realConfig->stat_prefix(config, out));
    call.lend(status, out, Word::config);
    return status;
  };
  made.node = [](martlet_handle config, martlet_bytes *id, martlet_bytes *cluster, martlet_bytes *zone) {
    MARTLET_CALL(config, node, config, Call::onControl);
    const martlet_status status = call.done(realConfig->node(config, id, cluster, zone));
    for (martlet_bytes *out : {id, cluster, zone}) call.lend(status, out, Word::config);
    return status;
  };
  return &made;
}

// ---- metrics

const martlet_host_metrics *wrapMetrics() {
  martlet_host_metrics &made = copyOf(realMetrics);
  made.add = [](martlet_handle handle, uint32_t metric, uint64_t amount) {
    MARTLET_CALL(metrics, add, handle, Call::onWorker);
    const martlet_status status = call.done(realMetrics->add(handle, metric, amount));
    if (guarding() && status == MARTLET_OK) count("metric", metric, amount);
    return status;
  };
  made.subtract = [](martlet_handle handle, uint32_t metric, uint64_t amount) {
    MARTLET_CALL(metrics, subtract, handle, Call::onWorker);
    const martlet_status status = call.done(realMetrics->subtract(handle, metric, amount));
    if (guarding() && status == MARTLET_OK) count("metric", metric, ~amount + 1);
    return status;
  };
  made.record = [](martlet_handle handle, uint32_t metric, uint64_t value) {
    MARTLET_CALL(metrics, record, handle, Call::onWorker);
    const martlet_status status = call.done(realMetrics->record(handle, metric, value));
    if (guarding() && status == MARTLET_OK) count("values of metric", metric, 1);
    return status;
  };
  made.series = [](martlet_handle handle, uint32_t family, const martlet_bytes *values, size_t size,
                   uint32_t *out) {
    MARTLET_CALL(metrics, series, handle, Call::onWorker);
    const martlet_status status = call.done(realMetrics->series(handle, family, values, size, out));
    if (guarding() && status == MARTLET_OK) noteSeries(family, values, size);
    return status;
  };
  return &made;
}

// ---- text

const martlet_host_text *wrapText() {
  martlet_host_text &made = copyOf(realText);
  made.format = [](martlet_handle stream, uint32_t format, martlet_bytes *out) {
    MARTLET_CALL(text, format, stream, Call::onWorker);
    const martlet_status status = call.done(realText->format(stream, format, out));
    call.lend(status, out, Word::stream);
    return status;
  };
  made.matches = [](martlet_handle handle, uint32_t regex, martlet_bytes subject, bool *out) {
    MARTLET_CALL(text, matches, handle, Call::onWorker);
    return call.done(realText->matches(handle, regex, subject, out));
  };
  made.replace = [](martlet_handle stream, uint32_t regex, martlet_bytes subject, martlet_bytes substitution,
                    martlet_bytes *out) {
    MARTLET_CALL(text, replace, stream, Call::onWorker);
    const martlet_status status = call.done(realText->replace(stream, regex, subject, substitution, out));
    call.lend(status, out, Word::stream);
    return status;
  };
  made.runtime_number = [](martlet_handle handle, uint32_t key, uint64_t otherwise, uint64_t *out) {
    MARTLET_CALL(text, runtime_number, handle, Call::onWorker);
    return call.done(realText->runtime_number(handle, key, otherwise, out));
  };
  made.runtime_boolean = [](martlet_handle handle, uint32_t key, bool otherwise, bool *out) {
    MARTLET_CALL(text, runtime_boolean, handle, Call::onWorker);
    return call.done(realText->runtime_boolean(handle, key, otherwise, out));
  };
  made.runtime_share = [](martlet_handle handle, uint32_t key, uint32_t numerator, uint32_t denominator,
                          uint64_t random, bool *out) {
    MARTLET_CALL(text, runtime_share, handle, Call::onWorker);
    return call.done(realText->runtime_share(handle, key, numerator, denominator, random, out));
  };
  return &made;
}

// ---- shared data

const martlet_host_shared_data *wrapShared() {
  martlet_host_shared_data &made = copyOf(realShared);
  made.get = [](martlet_handle plugin, martlet_bytes key, uint8_t *buffer, size_t capacity, size_t *size,
                uint64_t *version) {
    MARTLET_CALL(shared_data, get, plugin, Call::onAny);
    return call.done(realShared->get(plugin, key, buffer, capacity, size, version));
  };
  made.set = [](martlet_handle plugin, martlet_bytes key, martlet_bytes value, uint64_t expected) {
    MARTLET_CALL(shared_data, set, plugin, Call::onAny);
    return call.done(realShared->set(plugin, key, value, expected));
  };
  made.remove = [](martlet_handle plugin, martlet_bytes key) {
    MARTLET_CALL(shared_data, remove, plugin, Call::onAny);
    return call.done(realShared->remove(plugin, key));
  };
  return &made;
}

// ---- stream info

const martlet_host_stream_info *wrapInfo() {
  martlet_host_stream_info &made = copyOf(realInfo);
  made.text = [](martlet_handle handle, martlet_text_attribute attribute, martlet_bytes *out) {
    MARTLET_CALL(stream_info, text, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->text(handle, attribute, out));
    call.lend(status, out, Word::stream);
    return status;
  };
  made.number = [](martlet_handle handle, martlet_number_attribute attribute, uint64_t *out) {
    MARTLET_CALL(stream_info, number, handle, Call::onWorker);
    return call.done(realInfo->number(handle, attribute, out));
  };
  made.add_response_flag = [](martlet_handle handle, martlet_bytes flag) {
    MARTLET_CALL(stream_info, add_response_flag, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->add_response_flag(handle, flag));
    if (guarding() && status == MARTLET_OK) leave("response flag " + text(flag), "set");
    return status;
  };
  made.set_metadata_text = [](martlet_handle handle, martlet_bytes space, martlet_bytes key,
                              martlet_bytes value) {
    MARTLET_CALL(stream_info, set_metadata_text, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->set_metadata_text(handle, space, key, value));
    if (guarding() && status == MARTLET_OK) leave("metadata " + text(space) + ":" + text(key), text(value));
    return status;
  };
  made.set_metadata_number = [](martlet_handle handle, martlet_bytes space, martlet_bytes key, double value) {
    MARTLET_CALL(stream_info, set_metadata_number, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->set_metadata_number(handle, space, key, value));
    if (guarding() && status == MARTLET_OK) {
      leave("metadata " + text(space) + ":" + text(key), std::to_string(value));
    }
    return status;
  };
  made.set_metadata_boolean = [](martlet_handle handle, martlet_bytes space, martlet_bytes key, bool value) {
    MARTLET_CALL(stream_info, set_metadata_boolean, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->set_metadata_boolean(handle, space, key, value));
    if (guarding() && status == MARTLET_OK) {
      leave("metadata " + text(space) + ":" + text(key), value ? "true" : "false");
    }
    return status;
  };
  made.metadata = [](martlet_handle handle, martlet_bytes space, martlet_bytes key, martlet_bytes *out) {
    MARTLET_CALL(stream_info, metadata, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->metadata(handle, space, key, out));
    call.lend(status, out, Word::stream);
    return status;
  };
  made.set_filter_state = [](martlet_handle handle, martlet_bytes key, martlet_bytes value) {
    MARTLET_CALL(stream_info, set_filter_state, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->set_filter_state(handle, key, value));
    if (guarding() && status == MARTLET_OK) leave("filter state " + text(key), text(value));
    return status;
  };
  made.filter_state = [](martlet_handle handle, martlet_bytes key, martlet_bytes *out) {
    MARTLET_CALL(stream_info, filter_state, handle, Call::onWorker);
    const martlet_status status = call.done(realInfo->filter_state(handle, key, out));
    call.lend(status, out, Word::stream);
    return status;
  };
  return &made;
}

}  // namespace tools
