// What filters may ask of a stream or a connection, wrapped: `martlet.host.http/1` and
// `martlet.host.network/1`.
#include <string.h>

#include "engine.h"

namespace tools {

static constexpr unsigned reads = Call::onWorker;
static constexpr unsigned changes = Call::onWorker;
static constexpr unsigned acts = Call::onWorker | Call::acts;
static constexpr unsigned answers = Call::onWorker | Call::answers;

// The body of that direction is another now.
static void changed(Scope *scope, int direction, martlet_status status) {
  if (guarding() && scope && status == MARTLET_OK) {
    takeBack(scope->lentForHook[direction & 1], "the filter had changed the same buffer");
  }
}

static void checkReply(const martlet_reply *reply, const char *function) {
  if (guarding() && reply && reply->size < sizeof *reply) {
    violated("A3", "%s was given a martlet_reply of size %u, expected %zu, %s", function, reply->size,
             sizeof *reply, here().c_str());
  }
}

static void fillHeaders(martlet_host_http &made) {
  made.header_count = [](martlet_handle stream, martlet_header_map map, size_t *out) {
    MARTLET_CALL(http, header_count, stream, reads);
    return call.done(realHttp->header_count(stream, map, out));
  };
  made.header_at = [](martlet_handle stream, martlet_header_map map, size_t index, martlet_header *out) {
    MARTLET_CALL(http, header_at, stream, reads);
    const martlet_status status = call.done(realHttp->header_at(stream, map, index, out));
    call.lend(status, out ? &out->name : nullptr, Word::stream);
    call.lend(status, out ? &out->value : nullptr, Word::stream);
    return status;
  };
  made.headers = [](martlet_handle stream, martlet_header_map map, martlet_header *out, size_t capacity,
                    size_t *count) {
    MARTLET_CALL(http, headers, stream, reads);
    size_t known = 0;
    size_t *const whole = count ? count : &known;
    const martlet_status status = call.done(realHttp->headers(stream, map, out, capacity, whole));
    for (size_t index = 0; status == MARTLET_OK && index < *whole && index < capacity; index++) {
      call.lend(status, &out[index].name, Word::stream);
      call.lend(status, &out[index].value, Word::stream);
    }
    return status;
  };
  made.header_get = [](martlet_handle stream, martlet_header_map map, martlet_bytes name, size_t nth,
                       martlet_bytes *out) {
    MARTLET_CALL(http, header_get, stream, reads);
    call.name(name);
    const martlet_status status = call.done(realHttp->header_get(stream, map, name, nth, out));
    call.lend(status, out, Word::stream);
    return status;
  };
  made.header_set = [](martlet_handle stream, martlet_header_map map, martlet_bytes name,
                       martlet_bytes value) {
    MARTLET_CALL(http, header_set, stream, changes);
    call.name(name);
    return call.done(realHttp->header_set(stream, map, name, value));
  };
  made.header_add = [](martlet_handle stream, martlet_header_map map, martlet_bytes name,
                       martlet_bytes value) {
    MARTLET_CALL(http, header_add, stream, changes);
    call.name(name);
    return call.done(realHttp->header_add(stream, map, name, value));
  };
  made.header_append = [](martlet_handle stream, martlet_header_map map, martlet_bytes name,
                          martlet_bytes value) {
    MARTLET_CALL(http, header_append, stream, changes);
    call.name(name);
    return call.done(realHttp->header_append(stream, map, name, value));
  };
  made.header_remove = [](martlet_handle stream, martlet_header_map map, martlet_bytes name) {
    MARTLET_CALL(http, header_remove, stream, changes);
    call.name(name);
    return call.done(realHttp->header_remove(stream, map, name));
  };
  made.header_get_by_id = [](martlet_handle stream, martlet_header_map map, uint32_t header, size_t nth,
                             martlet_bytes *out) {
    MARTLET_CALL(http, header_get_by_id, stream, reads);
    const martlet_status status = call.done(realHttp->header_get_by_id(stream, map, header, nth, out));
    call.lend(status, out, Word::stream);
    return status;
  };
  made.header_set_by_id = [](martlet_handle stream, martlet_header_map map, uint32_t header,
                             martlet_bytes value) {
    MARTLET_CALL(http, header_set_by_id, stream, changes);
    return call.done(realHttp->header_set_by_id(stream, map, header, value));
  };
  made.header_remove_by_id = [](martlet_handle stream, martlet_header_map map, uint32_t header) {
    MARTLET_CALL(http, header_remove_by_id, stream, changes);
    return call.done(realHttp->header_remove_by_id(stream, map, header));
  };
}

static void fillBodies(martlet_host_http &made) {
  made.body_size = [](martlet_handle stream, martlet_direction direction, size_t *out) {
    MARTLET_CALL(http, body_size, stream, reads);
    return call.done(realHttp->body_size(stream, direction, out));
  };
  made.body_piece = [](martlet_handle stream, martlet_direction direction, size_t index, martlet_bytes *out) {
    MARTLET_CALL(http, body_piece, stream, reads);
    const martlet_status status = call.done(realHttp->body_piece(stream, direction, index, out));
    call.lend(status, out, Word::hook, direction);
    return status;
  };
  made.body_drain = [](martlet_handle stream, martlet_direction direction, size_t count) {
    MARTLET_CALL(http, body_drain, stream, acts, direction);
    const martlet_status status = call.done(realHttp->body_drain(stream, direction, count));
    changed(call.scope, direction, status);
    return status;
  };
  made.body_append = [](martlet_handle stream, martlet_direction direction, martlet_bytes bytes) {
    MARTLET_CALL(http, body_append, stream, acts, direction);
    const martlet_status status = call.done(realHttp->body_append(stream, direction, bytes));
    changed(call.scope, direction, status);
    return status;
  };
  made.body_replace = [](martlet_handle stream, martlet_direction direction, martlet_bytes bytes) {
    MARTLET_CALL(http, body_replace, stream, acts, direction);
    const martlet_status status = call.done(realHttp->body_replace(stream, direction, bytes));
    changed(call.scope, direction, status);
    return status;
  };
  made.body_pass = [](martlet_handle stream, martlet_direction direction, size_t count) {
    MARTLET_CALL(http, body_pass, stream, acts, direction);
    return call.done(realHttp->body_pass(stream, direction, count));
  };
  made.trailers_create = [](martlet_handle stream, martlet_direction direction) {
    MARTLET_CALL(http, trailers_create, stream, acts, direction);
    return call.done(realHttp->trailers_create(stream, direction));
  };
  made.continue_message = [](martlet_handle stream, martlet_direction direction) {
    MARTLET_CALL(http, continue_message, stream, acts, direction);
    return call.done(realHttp->continue_message(stream, direction));
  };
  made.buffer_limit = [](martlet_handle stream, size_t *out) {
    MARTLET_CALL(http, buffer_limit, stream, reads);
    return call.done(realHttp->buffer_limit(stream, out));
  };
  made.set_buffer_limit = [](martlet_handle stream, size_t bytes) {
    MARTLET_CALL(http, set_buffer_limit, stream, changes);
    return call.done(realHttp->set_buffer_limit(stream, bytes));
  };
}

static void fillAnswers(martlet_host_http &made) {
  made.reply = [](martlet_handle stream, const martlet_reply *reply) {
    MARTLET_CALL(http, reply, stream, answers);
    checkReply(reply, "http.reply");
    return call.done(realHttp->reply(stream, reply));
  };
  made.reply_start = [](martlet_handle stream, const martlet_reply *reply) {
    MARTLET_CALL(http, reply_start, stream, answers);
    checkReply(reply, "http.reply_start");
    const martlet_status status = call.done(realHttp->reply_start(stream, reply));
    if (guarding() && call.scope && status == MARTLET_OK) call.scope->isStreaming = true;
    return status;
  };
  made.reply_body = [](martlet_handle stream, martlet_bytes bytes, bool end) {
    MARTLET_CALL(http, reply_body, stream, changes);
    if (guarding() && call.scope && call.scope->answered && !call.scope->isStreaming && !call.scope->isOver) {
      violated("A19", "http.reply_body was called %s, after the answer's end", here().c_str());
    }
    const martlet_status status = call.done(realHttp->reply_body(stream, bytes, end));
    if (guarding() && call.scope && end) call.scope->isStreaming = false;
    return status;
  };
  made.reset = [](martlet_handle stream) {
    MARTLET_CALL(http, reset, stream, answers);
    return call.done(realHttp->reset(stream));
  };
  made.route_config = [](martlet_handle stream, uint32_t level, void **out) {
    MARTLET_CALL(http, route_config, stream, reads);
    return call.done(realHttp->route_config(stream, level, out));
  };
  made.clear_route = [](martlet_handle stream) {
    MARTLET_CALL(http, clear_route, stream, acts);
    return call.done(realHttp->clear_route(stream));
  };
  made.set_cluster = [](martlet_handle stream, martlet_bytes cluster) {
    MARTLET_CALL(http, set_cluster, stream, acts);
    return call.done(realHttp->set_cluster(stream, cluster));
  };
}

const martlet_host_http *wrapHttp() {
  static martlet_host_http made;
  static std::once_flag once;
  std::call_once(once, [] {
    memcpy(&made, realHttp, realHttp->size < sizeof made ? realHttp->size : sizeof made);
    fillHeaders(made);
    fillBodies(made);
    fillAnswers(made);
  });
  return &made;
}

const martlet_host_network *wrapNetwork() {
  static martlet_host_network made;
  static std::once_flag once;
  std::call_once(once, [] {
    memcpy(&made, realNetwork, realNetwork->size < sizeof made ? realNetwork->size : sizeof made);
    made.read_buffer = [](martlet_handle connection, martlet_bytes *out) {
      MARTLET_CALL(network, read_buffer, connection, reads);
      const martlet_status status = call.done(realNetwork->read_buffer(connection, out));
      call.lend(status, out, Word::hook, MARTLET_REQUEST);
      return status;
    };
    made.read_replace = [](martlet_handle connection, martlet_bytes bytes) {
      MARTLET_CALL(network, read_replace, connection, changes);
      const martlet_status status = call.done(realNetwork->read_replace(connection, bytes));
      changed(call.scope, MARTLET_REQUEST, status);
      return status;
    };
    made.read_drain = [](martlet_handle connection, size_t count) {
      MARTLET_CALL(network, read_drain, connection, changes);
      const martlet_status status = call.done(realNetwork->read_drain(connection, count));
      changed(call.scope, MARTLET_REQUEST, status);
      return status;
    };
    made.write_buffer = [](martlet_handle connection, martlet_bytes *out, size_t *total) {
      MARTLET_CALL(network, write_buffer, connection, reads);
      const martlet_status status = call.done(realNetwork->write_buffer(connection, out, total));
      call.lend(status, out, Word::hook, MARTLET_RESPONSE);
      return status;
    };
    made.write_drain = [](martlet_handle connection, size_t count) {
      MARTLET_CALL(network, write_drain, connection, changes);
      const martlet_status status = call.done(realNetwork->write_drain(connection, count));
      changed(call.scope, MARTLET_RESPONSE, status);
      return status;
    };
    made.write = [](martlet_handle connection, martlet_bytes bytes, bool end) {
      MARTLET_CALL(network, write, connection, acts);
      return call.done(realNetwork->write(connection, bytes, end));
    };
    made.close = [](martlet_handle connection, martlet_close_mode mode) {
      // To close at once what is being flushed is no second answer.
      Scope *scope = guarding() ? find(connection) : nullptr;
      const bool isHarder = scope && scope->closeMode >= 0 && mode > scope->closeMode;
      MARTLET_CALL(network, close, connection, isHarder ? changes : answers);
      const martlet_status status = call.done(realNetwork->close(connection, mode));
      if (call.scope && status == MARTLET_OK) call.scope->closeMode = mode;
      return status;
    };
    made.continue_reading = [](martlet_handle connection) {
      MARTLET_CALL(network, continue_reading, connection, acts);
      return call.done(realNetwork->continue_reading(connection));
    };
    made.disable_reading = [](martlet_handle connection, bool disable) {
      MARTLET_CALL(network, disable_reading, connection, changes);
      return call.done(realNetwork->disable_reading(connection, disable));
    };
  });
  return &made;
}

}  // namespace tools
