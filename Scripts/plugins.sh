#!/bin/sh
# Builds the plugins that come with Martlet and puts them, stripped, into .build/plugins (or the folder
# that is named): a folder for --plugin-path. Each must export its entry and nothing else. With
# SELF_CONTAINED=1 they bring a Swift runtime of their own. ARGS in PLUGIN_BUILD_FLAGS go to swift build.
set -eu
cd "$(dirname "$0")/.."
out=${1:-.build/plugins}
scratch=.build/plugins-build

# shellcheck disable=SC2086  # the flags are meant to be split
swift build --package-path Plugins --scratch-path "$scratch" -c release ${PLUGIN_BUILD_FLAGS:-} >&2
built=$(swift build --package-path Plugins --scratch-path "$scratch" -c release --show-bin-path)
mkdir -p "$out"
for library in "$built"/libmartlet-*.so; do
  name=$(basename "$library")
  strip --strip-unneeded -o "$out/.$name" "$library"
  exported=$(nm -D --defined-only "$out/.$name" | awk '{ print $3 }')
  if [ "$exported" != martlet_plugin_v1 ]; then
    echo "plugins.sh: $name exports more than its entry: $exported" >&2
    exit 1
  fi
  # A rename: a proxy that has the old file open keeps it.
  mv "$out/.$name" "$out/$name"
  echo "$out/$name"
done
