# Sourced by the other scripts: goes to the repository's root and finds the Swift toolchain.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v swift >/dev/null || PATH="$PATH:/opt/swift/usr/bin"
export PATH
