# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Functions shared by the scripts. To be sourced; sets `root`, the checkout folder.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
me=$(basename "$0")

say() { printf '%s: %s\n' "$me" "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

# Number of parallel compile jobs: limited by cores and memory, as the trainer's sources take 2 GB each.
jobs() {
  local cores memory=''
  cores=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
  if [[ -r /proc/meminfo ]]; then
    memory=$(awk '/^MemAvailable:/ { print int($2 / 2000000) }' /proc/meminfo)
  fi
  if [[ -n $memory ]] && ((memory < cores)); then cores=$((memory > 1 ? memory : 1)); fi
  echo "$cores"
}

# Reads lines and shows progress: the latest line on a terminal, otherwise one every 20 seconds.
progress() {
  local line shown=$SECONDS
  while IFS= read -r line; do
    if [[ -t 2 ]]; then
      printf '\r\033[K%.78s' "$line" >&2
    elif ((SECONDS - shown >= 20)); then
      printf '  %.98s\n' "$line" >&2
      shown=$SECONDS
    fi
  done
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
}

# quietly LOG COMMAND...: shows progress, and the last lines of output on failure.
quietly() {
  local log=$1
  shift
  "$@" </dev/null 2>&1 | tee "$log" | progress || {
    tail -n 40 "$log" >&2
    return 1
  }
}

# configured FOLDER: whether it was completely configured, for this checkout (not copied or moved).
configured() {
  [[ -f $1/CMakeCache.txt && (-f $1/build.ninja || -f $1/Makefile) ]] &&
    [[ $(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$1/CMakeCache.txt") == "$root" ]]
}

# configure FOLDER ARGUMENTS...: configures it, from scratch if it belongs to another checkout.
configure() {
  local folder=$1 generator=()
  shift
  mkdir -p "$folder"
  if ! configured "$folder"; then
    rm -rf "$folder/CMakeCache.txt" "$folder/CMakeFiles"
    if command -v ninja >/dev/null; then generator=(-G Ninja); fi
  fi
  quietly "$folder/configure.log" cmake -S "$root" -B "$folder" "${generator[@]}" "$@" ||
    fail "cmake failed, see $folder/configure.log"
}

# build FOLDER TARGET...
build() {
  local folder=$1
  shift
  quietly "$folder/build.log" cmake --build "$folder" --target "$@" --parallel "$(jobs)" ||
    fail "the build failed, see $folder/build.log"
}
