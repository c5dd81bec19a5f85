#!/usr/bin/env bash
# `make fuzz`: each fuzz target under libFuzzer and the address sanitizer, from the committed corpora
# in Tests/Fuzz/Corpus. SECONDS_EACH (or the first argument) is the time of each, 60 by default; the
# arguments behind it name targets. What is found goes to .build/fuzz/found, and the exit is not 0.
set -euo pipefail
"$(dirname "$0")/install-system.sh" run
. "$(dirname "$0")/environment.sh"

each="${1:-${SECONDS_EACH:-60}}"
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  targets=(request response chunked proxy-protocol configuration format path-normalization
    forwarded-for path-template parameters)
fi

toolchain="$(dirname "$(dirname "$(readlink -f "$(command -v swift)")")")"
runtime="$(find "$toolchain/lib" -name "libclang_rt.fuzzer_no_main*$(uname -m)*.a" | head -n 1)"
if [ -z "$runtime" ]; then
  echo "fuzz: libclang_rt.fuzzer_no_main is not in $toolchain/lib; it comes with the Swift toolchain" >&2
  exit 1
fi

# Optimised for speed; the sanitizer sees freed chunks because none are pooled.
MARTLET_FUZZ=1 swift build -c release --product fuzz --sanitize=address --scratch-path .build/fuzz \
  -Xswiftc -enable-testing -Xswiftc -DMARTLET_UNPOOLED \
  -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table \
  -Xlinker "$runtime" -Xlinker -lstdc++ -Xlinker -lm

mkdir -p .build/fuzz/found
failed=()
for target in "${targets[@]}"; do
  mkdir -p ".build/fuzz/corpus/$target"
  log=".build/fuzz/$target.log"
  # Swift's own crash handler would read the process in the sanitizer's way.
  # What static tables hold at the end is no leak.
  if SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=detect_leaks=0 .build/fuzz/release/fuzz "$target" \
    -max_total_time="$each" -max_len=4096 -timeout=10 -rss_limit_mb=3072 \
    -detect_leaks=0 -print_final_stats=1 \
    -artifact_prefix=".build/fuzz/found/$target-" \
    ".build/fuzz/corpus/$target" "Tests/Fuzz/Corpus/$target" >"$log" 2>&1; then
    echo "fuzz $target: clean, $(grep -oE 'number_of_executed_units: [0-9]+' "$log" || true), ${each} s"
  else
    tail -n 40 "$log"
    echo "fuzz $target: FAILED, see $log and .build/fuzz/found"
    failed+=("$target")
  fi
done
[ ${#failed[@]} -eq 0 ] || { echo "make fuzz: FAILED (${failed[*]})"; exit 1; }
echo "make fuzz: all clean"
