#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# pkg_config.sh COMPILER PC_FOLDER VERSION SOURCES OUTPUT: a user without CMake.
set -euo pipefail
compiler=$1 folder=$2 version=$3 sources=$4 output=$5
command -v pkg-config >/dev/null || { echo "pkg-config is not installed" >&2; exit 77; }
export PKG_CONFIG_PATH=$folder

found=$(pkg-config --modversion lowbit)
[[ $found == "$version" ]] || { echo "lowbit.pc says version $found, expected $version" >&2; exit 1; }
for program in encoder files; do
  package=lowbit
  [[ $program == encoder ]] || package=lowbit-io
  read -ra flags < <(pkg-config --cflags --libs "$package")
  "$compiler" -std=c++20 "$sources/$program.cpp" -o "$output/pkg_config_$program" "${flags[@]}"
  "$output/pkg_config_$program"
done
