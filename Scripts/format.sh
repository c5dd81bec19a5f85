#!/usr/bin/env bash
# `make format`: the toolchain's swift-format over our Swift, generated code left alone.
# With --check it changes nothing and fails where something would change.
set -euo pipefail
. "$(dirname "$0")/environment.sh"

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.swift' | grep -v '/Generated/')
if [ "${#files[@]}" -eq 0 ]; then exit 0; fi
if [ "${1:-}" = --check ]; then
  exec swift format lint --strict --parallel "${files[@]}"
fi
exec swift format --in-place --parallel "${files[@]}"
