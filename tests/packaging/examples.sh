#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# examples.sh PROGRAMS_FOLDER TESTS_FOLDER: the examples of the documentation run.
set -euo pipefail
programs=$(realpath "$1")
tests=$(realpath "$2")
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$tests/packaging/model_folder.sh"
enter_scratch
model_folder "$tests/golden/bibert_h75" model

"$programs/example_binary_gemm"
for example in classify custom_policy; do
  "$programs/example_$example" model 'hello world' 'world world hello' | tee answers
  [[ $(wc -l <answers) == 2 ]] || { echo "$example: not 2 answers" >&2; exit 1; }
  if "$programs/example_$example" no_such_folder hello 2>errors; then
    echo "$example: exit code 0 for a missing folder" >&2
    exit 1
  fi
  grep -F no_such_folder errors
done

# A codec of one's own: a float checkpoint encoded, saved, opened again.
model_folder "$tests/golden/bert_h128" floats
"$programs/example_custom_codec" floats encoded 'hello world' 'world world hello' | tee answers
[[ $(wc -l <answers) == 3 ]] || { echo 'custom_codec: not 2 answers and 1 line of costs' >&2; exit 1; }
grep -q '^bytes [0-9]* -> [0-9]*' answers
[[ -s encoded/model.safetensors ]]

# The other heads, on the tiny models of tests/golden/pipelines; what they answer is Hugging Face's.
if [[ -x $programs/example_embed ]]; then
  expect() { # EXPECTED EXAMPLE MODEL ARGUMENTS...
    local expected=$1 example=$2 model=$3
    shift 3
    if [[ ! -d $model ]]; then
      cp -r "$tests/golden/pipelines/$model" .
      cp "$tests/golden/pipelines/vocab.txt" "$model"
    fi
    "$programs/example_$example" "$model" "$@" >answers
    # shellcheck disable=SC2053
    [[ $(head -n 1 answers) == $expected ]] || {
      echo "$example: '$(head -n 1 answers)', expected $expected" >&2
      exit 1
    }
  }
  expect '0.*' embed embed 'the good movie' 'good movies'
  expect "$(cat answers)" embed embed 'the good movie' 'good movies' memory
  expect 'LOC 0.43* Angela' entities token 'Angela Merkel is in New Yorks, bigger washington movies.'
  expect 'days in new yorks *' answer span 'the movie' 'good movies and biggers bad days in new yorks.'
  expect '0.167007 the angela movie' fill masked 'the [MASK] movie'
  expect '0.75* angela merkel' rerank pair 'who is big' washingtons 'angela merkel'
  expect 'the good movies and bad days 0.39*' choose choice 'who is big' 'angela merkel' \
    'the good movies and bad days' washingtons
fi
