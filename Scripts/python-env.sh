#!/usr/bin/env bash
# Makes the Python environment .venv of the tests and the benchmark, from the versions pinned in
# Tests/requirements.txt, out of PyPI. Does nothing when it stands and the pins have not changed.
set -euo pipefail
cd "$(dirname "$0")/.."

pins=Tests/requirements.txt
stamp=.venv/requirements.txt
if [ -x .venv/bin/python ] && cmp -s "$pins" "$stamp"; then exit 0; fi

echo "Making .venv from $pins" >&2
[ -x .venv/bin/python ] && .venv/bin/python -c pass 2>/dev/null || rm -rf .venv
[ -d .venv ] || python3 -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$pins" >&2
cp "$pins" "$stamp"  # last: an interrupted installation is begun again
