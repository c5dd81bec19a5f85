// A filter in C++17: requests whose body has a forbidden word never reach a server.
//
//     name: com.example.word_guard
//     typed_config:
//       "@type": type.googleapis.com/com.example.WordGuard
//       words: [password, "4711"]      # required; letters of any case
//       answer: "no\n"                 # of the 403; "forbidden\n" where it is left out
//
// The filter stops at the request's head, so that nothing of it goes on, and looks at the body when
// all of it is there. The host holds it meanwhile, and answers 413 where it grows over the listener's
// per_connection_buffer_limit_bytes. Counted: `<stat prefix>word_guard.blocked`.
//
// No exception may leave a function that the host calls: `guarded` is around whatever can throw.
#include <algorithm>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "martlet.h"

namespace {

const martlet_host_config *configs;
const martlet_host_core *core;
const martlet_host_metrics *metrics;
martlet_handle self;

martlet_bytes bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

std::string_view view(martlet_bytes text) {
  return {reinterpret_cast<const char *>(text.data), text.size};
}

char lower(char letter) { return letter >= 'A' && letter <= 'Z' ? char(letter + 32) : letter; }

// Calls `body`; what it throws becomes `otherwise`.
template <typename Body, typename Result>
Result guarded(Body body, Result otherwise) noexcept {
  try {
    return body();
  } catch (const std::exception &problem) {
    core->log(self, MARTLET_LOG_ERROR, bytes(problem.what()));
  } catch (...) {
    core->log(self, MARTLET_LOG_ERROR, bytes("an exception of no known type"));
  }
  return otherwise;
}

// What is wrong with a configuration, and where.
struct Refused {
  std::string path;
  std::string why;
};

// Reads JSON texts and lists of them; escapes but \u, which no word of ours needs.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest(text) {}

  bool take(char expected) {
    while (!rest.empty() && std::string_view(" \t\r\n").find(rest.front()) != std::string_view::npos) {
      rest.remove_prefix(1);
    }
    if (rest.empty() || rest.front() != expected) return false;
    rest.remove_prefix(1);
    return true;
  }

  std::string text(const std::string &path) {
    if (!take('"')) throw Refused{path, "expected a text"};
    std::string result;
    for (;;) {
      if (rest.empty()) throw Refused{path, "the text does not end"};
      char letter = rest.front();
      rest.remove_prefix(1);
      if (letter == '"') return result;
      if (letter == '\\') {
        const auto which = std::string_view("\"\\/bfnrt").find(rest.empty() ? 'u' : rest.front());
        if (which == std::string_view::npos) throw Refused{path, "this escape is not supported"};
        letter = "\"\\/\b\f\n\r\t"[which];
        rest.remove_prefix(1);
      }
      result.push_back(letter);
    }
  }

  std::vector<std::string> texts(const std::string &path) {
    std::vector<std::string> result;
    if (!take('[')) throw Refused{path, "expected a list"};
    if (take(']')) return result;
    do {
      result.push_back(text(path + "[" + std::to_string(result.size()) + "]"));
    } while (take(','));
    if (!take(']')) throw Refused{path, "expected `,` or `]`"};
    return result;
  }

 private:
  std::string_view rest;
};

// A filter in the configuration.
struct Settings {
  std::vector<std::string> words;  // in lower case
  std::string answer = "forbidden\n";
  uint32_t blocked = 0;

  explicit Settings(std::string_view json) {
    Reader in(json);
    if (!in.take('{')) throw Refused{"", "expected an object"};
    for (bool more = !in.take('}'); more; more = in.take(',')) {
      const std::string name = in.text("");
      if (!in.take(':')) throw Refused{name, "expected `:`"};
      if (name == "words") {
        words = in.texts(name);
      } else if (name == "answer") {
        answer = in.text(name);
      } else {
        throw Refused{name, "there is no such field"};
      }
    }
    if (words.empty()) throw Refused{"words", "expected at least one word"};
    for (size_t index = 0; index < words.size(); index++) {
      if (words[index].empty()) throw Refused{"words[" + std::to_string(index) + "]", "is empty"};
      std::transform(words[index].begin(), words[index].end(), words[index].begin(), lower);
    }
  }
};

// One request.
class Guard {
 public:
  Guard(const Settings &settings, const martlet_host_http &http, martlet_handle stream)
      : settings(settings), http(http), stream(stream) {}

  martlet_filter_status onHeaders(bool end) { return end ? MARTLET_CONTINUE : MARTLET_STOP; }

  martlet_filter_status onBody(bool end) { return end ? decide() : MARTLET_STOP; }

  // A body that trailers follow ends with them.
  martlet_filter_status onTrailers() { return decide(); }

 private:
  // A check that fails lets nothing pass.
  martlet_filter_status decide() {
    return guarded([&] { return allowed(); }, false) ? MARTLET_CONTINUE : block();
  }

  bool allowed() const {
    std::string body;
    martlet_bytes piece;
    for (size_t index = 0; http.body_piece(stream, MARTLET_REQUEST, index, &piece) == MARTLET_OK; index++) {
      body.append(view(piece));
    }
    std::transform(body.begin(), body.end(), body.begin(), lower);
    return std::none_of(settings.words.begin(), settings.words.end(),
                        [&](const std::string &word) { return body.find(word) != std::string::npos; });
  }

  martlet_filter_status block() {
    const martlet_header type = {bytes("content-type"), bytes("text/plain")};
    martlet_reply reply = {};
    reply.size = sizeof reply;
    reply.status = 403;
    reply.headers = &type;
    reply.header_count = 1;
    reply.body = bytes(settings.answer);
    reply.details = bytes("forbidden_word");
    reply.grpc_status = -1;
    http.reply(stream, &reply);
    metrics->add(stream, settings.blocked, 1);
    return MARTLET_STOP;
  }

  const Settings &settings;
  const martlet_host_http &http;
  const martlet_handle stream;
};

martlet_status configCreate(martlet_handle config, const martlet_filter_config *given, void **out) {
  return guarded(
      [&]() -> martlet_status {
        try {
          auto made = std::make_unique<Settings>(view(given->bytes));
          const martlet_status status = configs->metric(config, MARTLET_COUNTER, bytes("word_guard.blocked"),
                                                        true, nullptr, 0, &made->blocked);
          if (status == MARTLET_OK) *out = made.release();
          return status;
        } catch (const Refused &refused) {
          configs->error(config, bytes(refused.path), bytes(refused.why));
          return MARTLET_E_ARGUMENT;
        }
      },
      MARTLET_E_LIMIT);
}

void configDestroy(void *config) { delete static_cast<Settings *>(config); }

void *create(void *config, void *, const martlet_host_http *http, martlet_handle stream) {
  return new (std::nothrow) Guard(*static_cast<Settings *>(config), *http, stream);
}

martlet_filter_status onRequestHeaders(void *guard, bool end) {
  return static_cast<Guard *>(guard)->onHeaders(end);
}

martlet_filter_status onRequestBody(void *guard, bool end) {
  return static_cast<Guard *>(guard)->onBody(end);
}

martlet_filter_status onRequestTrailers(void *guard) { return static_cast<Guard *>(guard)->onTrailers(); }

void destroy(void *guard) { delete static_cast<Guard *>(guard); }

// ---- The tables. C++17 has no designated initialisers, so functions fill them, once.

const char *const typeNames[] = {"com.example.WordGuard", nullptr};

const martlet_filter_info info = [] {
  martlet_filter_info made = {};
  made.size = sizeof made;
  made.name = "com.example.word_guard";
  made.type_names = typeNames;
  return made;
}();

const martlet_http_filter wordGuard = [] {
  martlet_http_filter made = {};
  made.size = sizeof made;
  made.info = &info;
  made.config_create = configCreate;
  made.config_destroy = configDestroy;
  made.create = create;
  made.on_request_headers = onRequestHeaders;
  made.on_request_body = onRequestBody;
  made.on_request_trailers = onRequestTrailers;
  made.destroy = destroy;
  return made;
}();

const martlet_http_filter *const filters[] = {&wordGuard};
const martlet_http_filter_list list = {sizeof list, 1, filters};

martlet_status openPlugin(const martlet_host *host) {
  self = host->plugin;
  core = static_cast<const martlet_host_core *>(host->query("martlet.host.core/1"));
  configs = static_cast<const martlet_host_config *>(host->query("martlet.host.config/1"));
  metrics = static_cast<const martlet_host_metrics *>(host->query("martlet.host.metrics/1"));
  return core && configs && metrics ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

const void *query(const char *id) {
  return std::string_view(id) == "martlet.plugin.http_filter/1" ? &list : nullptr;
}

const martlet_plugin plugin = {
    sizeof plugin, MARTLET_ABI_MINOR, "com.example.word_guard", "1.0.0", openPlugin, nullptr, query,
};

}  // namespace

extern "C" const martlet_plugin *martlet_plugin_v1(uint32_t) { return &plugin; }
