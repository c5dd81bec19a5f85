#!/usr/bin/env bash
# `make test`: every test there is. Installs what is missing, builds the release that the
# integration tests drive, then runs the unit tests and the Python tests. All of them run even
# when the first fail; the last lines say which did.
set -euo pipefail
"$(dirname "$0")/install-system.sh" test
. "$(dirname "$0")/environment.sh"

swift build -c release --product martlet
export MARTLET="$PWD/.build/release/martlet"
Scripts/plugins.sh
export MARTLET_PLUGIN_PATH="$PWD/.build/plugins"

unit=0 python=0
# One test at a time: many block on sockets, and in parallel they would hold the threads that the
# admin's tests need to be answered.
swift test --no-parallel || unit=$?
swift test --package-path Plugins --scratch-path .build/plugins-build --no-parallel || unit=$?

folders=()
for folder in Tests/Conformance Tests/Integration; do
  if compgen -G "$folder/test_*.py" >/dev/null; then folders+=("$folder"); fi
done
for folder in "${folders[@]}"; do
  .venv/bin/python -m pytest -q -p no:cacheprovider -rfER "$folder" || python=$?
done

if [ "$unit" -eq 0 ] && [ "$python" -eq 0 ]; then
  echo "make test: all passed"
else
  echo "make test: FAILED (swift test: $unit, pytest: $python)"
  exit 1
fi
