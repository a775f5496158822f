# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What scripts/demo and scripts/test share. To be sourced; sets `root`, the folder of the checkout.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
me=$(basename "$0")

say() { printf '%s: %s\n' "$me" "$*" >&2; }
fail() {
  say "$@"
  exit 1
}

# As many compilers as there are cores, and memory for: the trainer's sources take 2 GB each.
jobs() {
  local cores memory
  cores=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
  memory=$(awk '/^MemAvailable:/ { print int($2 / 2000000) }' /proc/meminfo 2>/dev/null || true)
  if [[ -n $memory ]] && ((memory < cores)); then cores=$((memory > 1 ? memory : 1)); fi
  echo "$cores"
}

# quietly LOG COMMAND...: one line of progress on a terminal, else one now and then; the last lines when it fails.
quietly() {
  local log=$1 show='{ printf "\r\033[K%.78s", $0; fflush() } END { printf "\r\033[K" }'
  shift
  if [[ ! -t 2 ]]; then
    show='BEGIN { last = systime() } systime() - last >= 20 { printf "  %.98s\n", $0; fflush(); last = systime() }'
  fi
  "$@" </dev/null 2>&1 | tee "$log" | awk "$show" >&2 || {
    tail -n 40 "$log" >&2
    return 1
  }
}

# configure FOLDER ARGUMENTS...: a folder that was copied or moved here is made anew.
configure() {
  local folder=$1 home generator=()
  shift
  mkdir -p "$folder"
  if [[ -f $folder/CMakeCache.txt ]]; then
    home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt")
    if [[ $home != "$root" ]]; then rm -rf "$folder/CMakeCache.txt" "$folder/CMakeFiles"; fi
  fi
  if [[ ! -f $folder/CMakeCache.txt ]] && command -v ninja >/dev/null; then generator=(-G Ninja); fi
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
