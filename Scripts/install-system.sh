#!/usr/bin/env bash
# Installs what a purpose needs from the system, on Debian and its relatives:
#
#     Scripts/install-system.sh [run|test|bench|protos]      (run, when nothing is said)
#
# As root it installs the missing packages with apt-get. As anybody else it prints exactly which
# are missing and the command to install them, and ends with 1. The Swift toolchain comes from
# nobody's package: it is looked for in PATH and /opt/swift/usr/bin. `test` and `bench` also make
# the Python environment .venv (python-env.sh). Nothing is done where nothing is missing.
set -euo pipefail

purpose="${1:-run}"
here="$(cd "$(dirname "$0")" && pwd)"

build=(gcc g++ libc6-dev binutils make git pkg-config zlib1g-dev libxml2 libcurl4 libsqlite3-0
  libncurses6 libedit2 libc-ares-dev libre2-dev libxxhash-dev libssl-dev libffi-dev
  tzdata ca-certificates curl)
python=(python3 python3-venv)
case "$purpose" in
  run) packages=("${build[@]}") ;;
  test) packages=("${build[@]}" "${python[@]}" strace) ;;
  bench) packages=("${build[@]}" "${python[@]}" nginx-light haproxy wrk nghttp2-client) ;;
  protos) packages=(protobuf-compiler) ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ] && return 0
  case "$1" in  # a newer Debian renames libraries; any nginx will do
    nginx-light) [ -x /usr/sbin/nginx ] ;;
    lib*) dpkg-query -W -f '${db:Status-Status}\n' "$1t64" 2>/dev/null | grep -qx installed ;;
    *) return 1 ;;
  esac
}

missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${packages[@]}"; do installed "$package" || missing+=("$package"); done
else
  echo "This is not Debian: see that these are there, by whatever name: ${packages[*]}" >&2
fi

if [ "${#missing[@]}" -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ]; then
    echo "Missing system packages: ${missing[*]}" >&2
    echo "Install them with:  sudo apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "Installing: ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  # A package that starts a service would hold its ports: forbid that while we install.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  install() { apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; }
  install || { apt-get update -qq >&2 && install; }
fi

if [ "$purpose" != protos ] && ! PATH="$PATH:/opt/swift/usr/bin" command -v swift >/dev/null; then
  echo "No Swift toolchain: install Swift 6.2 or later from https://www.swift.org/install/linux/" >&2
  echo "and put its usr/bin in PATH, or unpack it to /opt/swift." >&2
  exit 1
fi

case "$purpose" in
  test | bench) "$here/python-env.sh" ;;
esac
