#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# versions.sh SUITE FOLDER COMPILER CATCH2_OBJECT BUILD_COMMAND...
# Unpacks the suite's packages of the libraries in FOLDER, builds FOLDER/lowbit and CATCH2_OBJECT with them, starts every
# verb with --help and runs the Catch2 test. Exit code 77 where the packages cannot be had; with CI=true that is a failure.
set -euo pipefail
suite=$1 folder=$2 compiler=$3 catch2_object=$4
shift 4
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source-path=SCRIPTDIR source=../../../scripts/lib/debian.sh
. "$here/../../../scripts/lib/debian.sh"

leave_out() {
  printf 'not run: %s\n' "$*" >&2
  if [[ ${CI:-} == true ]]; then exit 1; fi
  exit 77
}

# An apt of our own: nothing of the system's is read but how it reaches the network, and nothing is written there.
fetch() {
  local tool keyring mirror apt
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null || leave_out "$tool is not installed"
  done
  keyring=$(debian_keyring)
  [[ -n $keyring ]] || leave_out 'the keys of the Debian archive are not installed (debian-archive-keyring)'
  mirror=$(debian_mirror)
  [[ -n $mirror ]] || leave_out 'no mirror of Debian is known (LOWBIT_DEBIAN_MIRROR)'
  rm -rf "$folder"
  mkdir -p "$folder"/apt/{lists,archives}/partial
  : >"$folder/apt/status"
  printf "deb [signed-by=$keyring] $mirror %s main\n" "$suite" >"$folder/apt/sources.list"
  # The oldest Catch2 3.
  if [[ $suite == bookworm ]]; then
    printf "deb [signed-by=$keyring] $mirror %s main\n" bookworm-backports >>"$folder/apt/sources.list"
  fi
  apt=(apt-get -q -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::State::status=$folder/apt/status"
    -o "Dir::Cache=$folder/apt" -o "Dir::Cache::archives=$folder/apt/archives"
    -o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o APT::Default-Release= -o APT::Sandbox::User=root -o Acquire::Languages=none
    -o Acquire::Retries=2
    # A mirror that lags behind, or a snapshot, will do: signatures are checked, dates are not.
    -o Acquire::Check-Valid-Until=false)
  # A failed download is a warning to it.
  if ! "${apt[@]}" update >"$folder/apt/log" 2>&1 || grep '^W:.*[Ff]ailed' "$folder/apt/log"; then
    leave_out "apt-get update from $mirror: $(grep -m 1 '^[EW]:' "$folder/apt/log")"
  fi
  (cd "$folder/apt" && "${apt[@]}" download libxsimd-dev libcli11-dev libfmt-dev nlohmann-json3-dev libcatch2-dev) \
    >"$folder/apt/log" 2>&1 || leave_out "apt-get download from $mirror: $(grep -m 1 '^[EW]:' "$folder/apt/log")"
  for package in "$folder"/apt/*.deb; do dpkg-deb -x "$package" "$folder"; done
  rm -rf "$folder"/apt/{lists,archives,*.bin}
  # What a moved header would leave to the compiler's own folders.
  for header in xsimd/xsimd.hpp CLI/CLI.hpp fmt/core.h nlohmann/json.hpp catch2/catch_test_macros.hpp; do
    [[ -f $folder/usr/include/$header ]] || {
      echo "the packages of $suite have no $header" >&2
      exit 1
    }
  done
  touch "$folder/complete"
}
[[ -f $folder/complete ]] || fetch
(cd "$folder/apt" && printf '%s\n' *.deb)

"$@"
bash "$here/../help.sh" "$folder/lowbit"

link=("$compiler" "$catch2_object" -o "$folder/catch2" -L "$folder/usr/lib" -lCatch2Main -lCatch2)
if "${link[@]}" 2>"$folder/link.log"; then
  "$folder/catch2"
elif grep -qE 'undefined reference to .*(__isoc23_|GLIBC)' "$folder/link.log"; then
  echo "Catch2: compiled, not run: the library of $suite needs a later libc than this one"
else
  cat "$folder/link.log" >&2
  exit 1
fi
