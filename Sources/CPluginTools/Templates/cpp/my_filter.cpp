// The filter com.example.my_filter: sets a header on every response and counts how often.
//
//     name: com.example.my_filter
//     typed_config:
//       "@type": type.googleapis.com/com.example.MyFilter
//       header: x-my-filter        # required
//       value: "hello, %PROTOCOL%" # required; Envoy's format operators work
//
// The counter is `<stat prefix>my_filter.served`. No exception may leave a function that the host
// calls: `guarded` is around whatever can throw.
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "martlet.h"

namespace {

// The host's services, found when the plugin is opened.
const martlet_host_config *configs;
const martlet_host_metrics *metrics;
const martlet_host_text *texts;

martlet_bytes bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

// Calls `body`; where it throws, the result is `otherwise`.
template <typename Body, typename Result>
Result guarded(Body body, Result otherwise) noexcept {
  try {
    return body();
  } catch (...) {
    return otherwise;
  }
}

// ---- Configuration: read once, on the control thread; all workers read what comes of it.

struct Refused {
  std::string path, why;
};

// Reads a flat JSON object of texts without escapes.
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
    const size_t end = rest.find_first_of("\"\\");
    if (end == std::string_view::npos || rest[end] == '\\') {
      throw Refused{path, "expected a text without escapes"};
    }
    std::string result(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    return result;
  }

 private:
  std::string_view rest;
};

struct Settings {
  // The host's numbers for the header's name, the format and the counter.
  uint32_t header = 0, value = 0, served = 0;

  Settings(martlet_handle config, std::string_view json) {
    std::string name, text;
    Reader in(json);
    if (!in.take('{')) throw Refused{"", "expected an object"};
    if (!in.take('}')) {
      do {
        const std::string field = in.text("");
        if (!in.take(':')) throw Refused{field, "this is not JSON"};
        if (field != "header" && field != "value") throw Refused{field, "there is no such field"};
        (field == "header" ? name : text) = in.text(field);
      } while (in.take(','));
      if (!in.take('}')) throw Refused{"", "this is not JSON"};
    }
    if (name.empty()) throw Refused{"header", "is required"};
    if (text.empty()) throw Refused{"value", "is required"};
    if (configs->header(config, bytes(name), &header) != MARTLET_OK) {
      throw Refused{"header", "is not a header's name"};
    }
    // What is wrong with a format the host has said already.
    if (configs->format(config, bytes("value"), bytes(text), &value) != MARTLET_OK ||
        configs->metric(config, MARTLET_COUNTER, bytes("my_filter.served"), true, nullptr, 0, &served) !=
            MARTLET_OK) {
      throw Refused{"", "cannot be used"};
    }
  }
};

martlet_status configCreate(martlet_handle config, const martlet_filter_config *given, void **out) {
  return guarded(
      [&]() -> martlet_status {
        try {
          const auto *json = reinterpret_cast<const char *>(given->bytes.data);
          *out = std::make_unique<Settings>(config, std::string_view(json, given->bytes.size)).release();
          return MARTLET_OK;
        } catch (const Refused &refused) {
          configs->error(config, bytes(refused.path), bytes(refused.why));
          return MARTLET_E_ARGUMENT;
        }
      },
      MARTLET_E_LIMIT);
}

void configDestroy(void *config) { delete static_cast<Settings *>(config); }

// ---- One request and its response, on a worker. Nothing here may block.

struct Filter {
  const Settings &settings;
  const martlet_host_http &http;
  const martlet_handle stream;
};

void *create(void *config, void *, const martlet_host_http *http, martlet_handle stream) {
  return new (std::nothrow) Filter{*static_cast<Settings *>(config), *http, stream};
}

martlet_filter_status onResponseHeaders(void *context, bool) {
  const Filter &self = *static_cast<Filter *>(context);
  martlet_bytes value;
  if (texts->format(self.stream, self.settings.value, &value) == MARTLET_OK) {
    self.http.header_set_by_id(self.stream, MARTLET_RESPONSE_HEADERS, self.settings.header, value);
    metrics->add(self.stream, self.settings.served, 1);
  }
  return MARTLET_CONTINUE;
}

void destroy(void *context) { delete static_cast<Filter *>(context); }

// ---- The tables. A hook that is not needed stays null; martlet.h has them all.

const char *const types[] = {"com.example.MyFilter", nullptr};

const martlet_filter_info info = [] {
  martlet_filter_info made = {};
  made.size = sizeof made;
  made.name = "com.example.my_filter";
  made.type_names = types;
  return made;
}();

const martlet_http_filter table = [] {
  martlet_http_filter made = {};
  made.size = sizeof made;
  made.info = &info;
  made.config_create = configCreate;
  made.config_destroy = configDestroy;
  made.create = create;
  made.on_response_headers = onResponseHeaders;
  made.destroy = destroy;
  return made;
}();

const martlet_http_filter *const filters[] = {&table};
const martlet_http_filter_list list = {sizeof list, 1, filters};

martlet_status openPlugin(const martlet_host *host) {
  configs = static_cast<const martlet_host_config *>(host->query("martlet.host.config/1"));
  metrics = static_cast<const martlet_host_metrics *>(host->query("martlet.host.metrics/1"));
  texts = static_cast<const martlet_host_text *>(host->query("martlet.host.text/1"));
  return configs && metrics && texts ? MARTLET_OK : MARTLET_E_NOT_FOUND;
}

const void *query(const char *id) {
  return std::string_view(id) == "martlet.plugin.http_filter/1" ? &list : nullptr;
}

const martlet_plugin plugin = {
    sizeof plugin, MARTLET_ABI_MINOR, "com.example.my_filter", "0.1.0", openPlugin, nullptr, query,
};

}  // namespace

extern "C" MARTLET_EXPORT const martlet_plugin *martlet_plugin_v1(uint32_t) { return &plugin; }
