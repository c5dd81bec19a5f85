#!/usr/bin/env bash
# `make bench`: builds the release and measures it beside nginx, HAProxy and Envoy. Arguments go to
# Tests/Benchmarks/bench.py; the whole table into the documentation is
#
#     make bench ARGS="--output Docs/benchmarks.md"
set -euo pipefail
"$(dirname "$0")/install-system.sh" bench
. "$(dirname "$0")/environment.sh"

swift build -c release --product martlet
exec .venv/bin/python Tests/Benchmarks/bench.py "$@"
