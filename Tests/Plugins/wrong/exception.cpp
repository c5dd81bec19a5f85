// A5: an exception leaves a hook. (No part of wrong.h, which is C.)
#include <stdexcept>
#include <string_view>

#include "martlet.h"

namespace {

struct Filter {
  int seen = 0;
};

void *create(void *, void *, const martlet_host_http *, martlet_handle) { return new Filter; }
void destroy(void *filter) { delete static_cast<Filter *>(filter); }

martlet_filter_status onResponseHeaders(void *, bool) { throw std::out_of_range("no such thing"); }

const char *const types[] = {"com.example.Wrong", nullptr};
const martlet_filter_info info = [] {
  martlet_filter_info made = {};
  made.size = sizeof made;
  made.name = "com.example.wrong";
  made.type_names = types;
  return made;
}();
const martlet_http_filter table = [] {
  martlet_http_filter made = {};
  made.size = sizeof made;
  made.info = &info;
  made.create = create;
  made.on_response_headers = onResponseHeaders;
  made.destroy = destroy;
  return made;
}();
const martlet_http_filter *const filters[] = {&table};
const martlet_http_filter_list list = {sizeof list, 1, filters};

martlet_status openPlugin(const martlet_host *) { return MARTLET_OK; }
const void *query(const char *id) {
  return std::string_view(id) == "martlet.plugin.http_filter/1" ? &list : nullptr;
}
const martlet_plugin plugin = {
    sizeof plugin, MARTLET_ABI_MINOR, "com.example.wrong", "1.0.0", openPlugin, nullptr, query,
};

}  // namespace

extern "C" MARTLET_EXPORT const martlet_plugin *martlet_plugin_v1(uint32_t) { return &plugin; }
