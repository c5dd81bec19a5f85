#!/usr/bin/env bash
# `make run`: installs what is missing, builds the release and serves the quickstart.
set -euo pipefail
"$(dirname "$0")/install-system.sh" run
. "$(dirname "$0")/environment.sh"

swift build -c release --product martlet
cat <<'TEXT'

Martlet serves Samples/quickstart. In another terminal:

  curl http://127.0.0.1:10000/                    one of two services, v1 in 90 of 100
  for i in $(seq 100); do curl -s http://127.0.0.1:10000/; done | sort | uniq -c
  curl http://127.0.0.1:10001/                    service v1 itself
  curl http://127.0.0.1:10002/                    service v2 itself
  curl http://127.0.0.1:9901/ready                is it ready?
  curl http://127.0.0.1:9901/stats                what it counted
  curl http://127.0.0.1:9901/clusters             where it sends

Ctrl-C ends it.

TEXT
exec .build/release/martlet -c Samples/quickstart/envoy.yaml "$@"
