#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cortex_m.sh PROGRAM SOURCE_FOLDER [BOARD...]: converts the one-bit model, builds examples/cortex-m with it, and runs it
# in QEMU: every label and every bit of every logit are those of PROGRAM, the ids those of its tokenizer.
set -euo pipefail
program=$(realpath "$1")
source=$(realpath "$2")
shift 2
boards=("$@")
if ((${#boards[@]} == 0)); then boards=(m4f m0plus); fi
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$source/tests/packaging/model_folder.sh"
enter_scratch
model=$source/models/clinc150-bibert
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

"$program" convert "$model" flash --name model
# An existing folder is kept, and replaced if asked for.
if "$program" convert "$model" flash --name model 2>message; then fail "an existing folder is overwritten"; fi
grep -q 'already exists' message || fail "message for an existing folder: $(<message)"
"$program" convert "$model" flash --name model --replace >/dev/null
refused() { # MESSAGE ARGUMENT...
  local wanted=$1
  shift
  if "$program" convert "$@" refused 2>message; then fail "convert $* is accepted"; fi
  grep -qF -- "$wanted" message || fail "convert $*: $(<message), expected $wanted"
  [[ ! -e refused ]] || fail "convert $*: left a folder"
}
refused '--layout: "avx2", expected scalar' "$model" --layout avx2
refused '--to: "elf", expected header' "$model" --to elf
refused 'expected a C++ identifier' "$model" --name 1x
refused 'policy int8 cannot be packed for a program without files, expected bibert or bit' "$source/models/clinc150-int8"
mkdir other
touch other/model.hpp
if "$program" convert "$model" other --replace 2>message; then fail "a folder of something else is replaced"; fi
grep -q 'was not written by lowbit convert' message || fail "message for another folder: $(<message)"

cmake -S "$source/examples/cortex-m" -B build -DMODEL="$PWD/flash" -DCMAKE_CXX_COMPILER_LAUNCHER="${LAUNCHER:-}" \
  -DCMAKE_TOOLCHAIN_FILE="$source/examples/cortex-m/arm-none-eabi.cmake" -DBOARDS="$(IFS=';'; echo "${boards[*]}")" >log ||
  fail "$(<log)"
cmake --build build -j2 >log 2>&1 || fail "$(<log)"

cut -f 1 "$source/models/sentences.tsv" | head -n 24 >texts
printf '%s\n' 'What is my BALANCE?' '[MASK] a 12.5% tip, please!' >>texts
"$program" classify -m "$model" --json --top 150 <texts >expected
"$program" tokenize -m "$model" --json <texts | sed 's/.*"ids":\[\([0-9,]*\)\].*/ \1/; s/,/ /g' >expected_ids
for board in "${boards[@]}"; do
  timeout 120 "$source/examples/cortex-m/run" "$board" "build/classify-$board.elf" ids logits <texts >answers
  cut -f 2 answers | diff expected_ids - || fail "$board: other ids"
  result=$(python3 "$source/tests/packaging/cortex_m/compare.py" expected answers) || fail "$board: other logits"
  echo "$board: $result"
done
# The comparison sees one bit.
sed '3s/.$/x/' answers >changed
if python3 "$source/tests/packaging/cortex_m/compare.py" expected changed 2>/dev/null; then fail "a changed logit passes"; fi
