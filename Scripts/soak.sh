#!/usr/bin/env bash
# `make soak`: two minutes of hostile clients against a build with the address sanitizer, kept in
# a build folder of its own. Arguments go to Tests/Soak/soak.py, for example --seconds 600.
set -euo pipefail
"$(dirname "$0")/install-system.sh" test
. "$(dirname "$0")/environment.sh"

# Pooled memory is freed at once here, so that the sanitizer sees a use after the end.
swift build --product martlet --sanitize=address --scratch-path .build/asan -Xswiftc -DMARTLET_UNPOOLED
export LSAN_OPTIONS="suppressions=$PWD/Tests/Soak/leaks.supp:print_suppressions=0"
MARTLET="$PWD/.build/asan/debug/martlet" exec .venv/bin/python Tests/Soak/soak.py "$@"
