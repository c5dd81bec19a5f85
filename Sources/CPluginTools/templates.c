// The files of new plugins as they stand in Templates/, and martlet.h itself: embedded when this is
// compiled, so that there is no second copy of the header to grow old.
#include <stddef.h>

#include "plugin_tools.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t header[] = {
#embed "../CMartletABI/include/martlet.h"
};

#define FILE_OF(name, path) {path, name, sizeof name}

static const uint8_t c_source[] = {
#embed "Templates/c/my_filter.c"
};
static const uint8_t c_makefile[] = {
#embed "Templates/c/Makefile"
};
static const uint8_t c_readme[] = {
#embed "Templates/c/README.md"
};
static const uint8_t c_yaml[] = {
#embed "Templates/c/envoy.yaml"
};
static const uint8_t c_config[] = {
#embed "Templates/c/check.yaml"
};
static const uint8_t cpp_source[] = {
#embed "Templates/cpp/my_filter.cpp"
};
static const uint8_t cpp_makefile[] = {
#embed "Templates/cpp/Makefile"
};
static const uint8_t cpp_exports[] = {
#embed "Templates/cpp/exports.map"
};
static const uint8_t cpp_readme[] = {
#embed "Templates/cpp/README.md"
};
static const uint8_t rust_source[] = {
#embed "Templates/rust/my_filter.rs"
};
static const uint8_t rust_binding[] = {
#embed "Templates/rust/martlet.rs"
};
static const uint8_t rust_makefile[] = {
#embed "Templates/rust/Makefile"
};
static const uint8_t rust_readme[] = {
#embed "Templates/rust/README.md"
};
static const uint8_t swift_source[] = {
#embed "Templates/swift/Filter.swift"
};
static const uint8_t swift_package[] = {
#embed "Templates/swift/Package.swift"
};
static const uint8_t swift_makefile[] = {
#embed "Templates/swift/Makefile"
};
static const uint8_t swift_exports[] = {
#embed "Templates/swift/exports.map"
};
static const uint8_t swift_readme[] = {
#embed "Templates/swift/README.md"
};
static const uint8_t network_source[] = {
#embed "Templates/network-c/my_filter.c"
};
static const uint8_t network_readme[] = {
#embed "Templates/network-c/README.md"
};
static const uint8_t network_config[] = {
#embed "Templates/network-c/check.yaml"
};
static const uint8_t network_yaml[] = {
#embed "Templates/network-c/envoy.yaml"
};

// The configurations are the same for every language.
static const martlet_tools_file files[] = {
    FILE_OF(header, "martlet.h"),
    FILE_OF(c_source, "c/my_filter.c"),
    FILE_OF(c_makefile, "c/Makefile"),
    FILE_OF(c_readme, "c/README.md"),
    FILE_OF(c_yaml, "c/envoy.yaml"),
    FILE_OF(c_config, "c/check.yaml"),
    FILE_OF(cpp_source, "cpp/my_filter.cpp"),
    FILE_OF(cpp_makefile, "cpp/Makefile"),
    FILE_OF(cpp_exports, "cpp/exports.map"),
    FILE_OF(cpp_readme, "cpp/README.md"),
    FILE_OF(c_yaml, "cpp/envoy.yaml"),
    FILE_OF(c_config, "cpp/check.yaml"),
    FILE_OF(rust_source, "rust/my_filter.rs"),
    FILE_OF(rust_binding, "rust/martlet.rs"),
    FILE_OF(rust_makefile, "rust/Makefile"),
    FILE_OF(rust_readme, "rust/README.md"),
    FILE_OF(c_yaml, "rust/envoy.yaml"),
    FILE_OF(c_config, "rust/check.yaml"),
    FILE_OF(swift_source, "swift/Sources/MyFilter/Filter.swift"),
    FILE_OF(swift_package, "swift/Package.swift"),
    FILE_OF(swift_makefile, "swift/Makefile"),
    FILE_OF(swift_exports, "swift/exports.map"),
    FILE_OF(swift_readme, "swift/README.md"),
    FILE_OF(c_yaml, "swift/envoy.yaml"),
    FILE_OF(c_config, "swift/check.yaml"),
    FILE_OF(network_source, "network-c/my_filter.c"),
    FILE_OF(c_makefile, "network-c/Makefile"),
    FILE_OF(network_readme, "network-c/README.md"),
    FILE_OF(network_yaml, "network-c/envoy.yaml"),
    FILE_OF(network_config, "network-c/check.yaml"),
};

martlet_tools_file martlet_tools_template(int32_t number) {
  const bool isKnown = number >= 0 && (size_t)number < sizeof files / sizeof *files;
  return isKnown ? files[number] : (martlet_tools_file){NULL, NULL, 0};
}
