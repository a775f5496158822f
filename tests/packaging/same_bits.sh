#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# same_bits.sh PROGRAM TESTS_FOLDER ARCH...: the answers are the same, byte for byte, for every
# instruction set, number of threads and batch, and from the checkpoint as from the packed folder.
set -euo pipefail
program=$(realpath "$1")
tests=$(realpath "$2")
shift 2
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$tests/packaging/model_folder.sh"
enter_scratch

# 40 sentences of 1 to 20 words: more than one batch, no length a multiple of a vector.
for ((i = 0; i < 40; ++i)); do
  for ((j = 0; j <= i * 7 % 20; ++j)); do printf 'word%d ' $((7 + (i * 31 + j * 17) % 80)); done
  echo
done >sentences.txt

failures=0
same() { # NAME FILE
  local differences
  if differences=$(diff expected "$2"); then return; fi
  echo "FAILED: $1 differs from the scalar run:" >&2
  head -n 4 <<<"$differences" >&2
  failures=$((failures + 1))
}
# MODEL or MODEL:POLICY. Integer policies are what an amx engine computes.
for entry in bert_h128 tinybert_h96 bibert_h75 bit_h128 tinybert_h96:int8 bert_h128:w4a8 bert_h128:w1a8; do
  model=${entry%%:*}
  policy=()
  [[ $entry == "$model" ]] || policy=(-p "${entry#*:}")
  [[ -e $model ]] || model_folder "$tests/golden/$model" "$model"
  "$program" quantize -q "${policy[@]}" "$model" "$entry-packed" >/dev/null
  answers() { # FOLDER ARGUMENT...
    if [[ $1 == *-packed ]]; then
      "$program" classify --json --top 3 -m "$@"
    else
      "$program" classify --json --top 3 "${policy[@]}" -m "$@"
    fi
  }
  answers "$model" --arch scalar <sentences.txt >expected
  [[ $(wc -l <expected) == 40 ]] || { echo "$model: not 40 answers" >&2; exit 1; }
  while IFS= read -r line; do
    answers "$model" --arch scalar "$line"
  done <sentences.txt >alone
  same "$entry, one sentence at a time" alone
  for arch in "$@"; do
    for threads in 1 3; do
      for folder in "$model" "$entry-packed"; do
        answers "$folder" --arch "$arch" -t "$threads" <sentences.txt >found
        same "$folder --arch $arch -t $threads" found
      done
    done
  done
  echo "$entry: $(sort -u expected | wc -l) different answers, the same on $*"
done
[[ $failures == 0 ]]
