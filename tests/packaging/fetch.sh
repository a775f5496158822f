#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fetch.sh PROGRAM TESTS_FOLDER PYTHON: lowbit fetch against a stand-in for the Hub, hub_server.py.
set -euo pipefail
program=$(realpath "$1")
tests=$(realpath "$2")
python=$3
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$tests/packaging/model_folder.sh"
enter_scratch
unset HF_TOKEN HF_HOME XDG_CACHE_HOME http_proxy HTTP_PROXY all_proxy ALL_PROXY
export no_proxy='*' HF_HUB_CACHE=$PWD/cache
model_folder "$tests/golden/bibert_h75" model
printf 'x' >model/tf_model.h5
printf 'x' >model/README.md

coproc hub { exec "$python" "$tests/packaging/hub_server.py" model log; }
read -r port <&"${hub[0]}"
export HF_ENDPOINT=http://127.0.0.1:$port/

failures=0
problem() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n%s\n' "$*" "$(cat out err)" >&2
}
fetch() { # EXIT_CODE PART_OF_OUTPUT ARGUMENTS...
  local wanted=$1 part=$2 code=0
  shift 2
  "$program" fetch "$@" >out 2>err </dev/null || code=$?
  if [[ $code != "$wanted" ]]; then problem "fetch $*: exit code $code, expected $wanted"; fi
  if ! grep -qF -- "$part" out err; then problem "fetch $*: nothing about \"$part\""; fi
  if ((wanted != 0)) && [[ -s out || $(grep -c '^lowbit: ' err) != 1 ]]; then problem "fetch $*: not one message"; fi
}
commit=$(printf 'c%.0s' {1..40})
repository() { echo "$HF_HUB_CACHE/models--$1--model"; }

fetch 0 "$(repository good)/snapshots/$commit" good/model
at=$(repository good)
for file in config.json model.safetensors vocab.txt; do
  if ! cmp -s "model/$file" "$at/snapshots/$commit/$file"; then problem "$file differs"; fi
  if [[ $(readlink "$at/snapshots/$commit/$file") != ../../blobs/* ]]; then problem "$file is no link to a blob"; fi
done
if [[ $(readlink "$at/snapshots/$commit/model.safetensors") != */$(sha256sum model/model.safetensors | cut -d ' ' -f 1) ]]; then
  problem 'the blob is not named after its digest'
fi
if [[ -e $at/snapshots/$commit/tf_model.h5 || -e $at/snapshots/$commit/README.md ]]; then problem 'files that nobody reads'; fi
if [[ $(cat "$at/refs/main") != "$commit" ]]; then problem 'refs/main'; fi
"$program" classify -m model 'hello world' >expected
"$program" classify -m good/model 'hello world' >out 2>err || problem 'classify by name'
if ! cmp -s expected out; then problem 'another answer by name'; fi

# Nothing is downloaded twice; other names of the revision.
: >log
fetch 0 "$commit" good/model@refs/pr/1
if grep -q cdn log; then problem 'downloaded again'; fi
if [[ $(cat "$at/refs/refs/pr/1") != "$commit" ]]; then problem 'refs/refs/pr/1'; fi
fetch 0 "$commit" good/model --revision "$commit"
fetch 1 '--revision is main' "good/model@$commit" --revision main
fetch 0 "$(repository moved)" moved/model

# A cut transfer goes on where it ended, in the same run and in the next.
: >log
fetch 0 "$commit" cut/model
if ! grep -q 'GET /cdn/cut/model.safetensors bytes=[1-9]' log; then problem 'no range after a cut'; fi
fetch 0 "$commit" norange/model
fetch 1 'run it again to continue' die/model
if [[ -e $(repository die)/refs/main ]]; then problem 'a model that is not complete has a name'; fi
if ! ls "$(repository die)"/blobs/*.incomplete >/dev/null; then problem 'nothing to go on from'; fi
"$program" classify -m die/model hello >out 2>err && problem 'an incomplete model was opened'
if ! grep -qF 'lowbit fetch die/model' err; then problem 'no advice to fetch'; fi
: >log
fetch 0 "$commit" die/model
if ! grep -q 'GET /cdn/die/model.safetensors bytes=[1-9]' log; then problem 'no range in the next run'; fi
for name in cut norange die; do
  if ! cmp -s model/model.safetensors "$(repository $name)/snapshots/$commit/model.safetensors"; then problem "$name: damaged"; fi
  if ls "$(repository $name)"/blobs/*.incomplete >out 2>err; then problem "$name: a file is left"; fi
done

# Wrong bytes never get a name.
fetch 1 'SHA-256 is' wrong/model
fetch 1 'bytes announced' long/model
for name in wrong long; do
  if [[ -e $(repository $name)/snapshots/$commit/model.safetensors ]]; then problem "$name: accepted"; fi
  if [[ -e $(repository $name)/refs/main ]]; then problem "$name: has a name"; fi
done
if ls "$(repository wrong)"/blobs/*.incomplete >out 2>err; then problem 'wrong bytes are kept'; fi

fetch 1 'HF_TOKEN' private/model
: >log
HF_TOKEN=secret fetch 0 "$commit" private/model
if grep -q 'cdn.*secret' log; then problem 'the token was sent to another host'; fi
fetch 1 '404' good/none
fetch 1 '404' good/model@none
fetch 1 'neither model.safetensors nor pytorch_model.bin' h5/model
printf '[{"path": "", "type": "a.Transformer"}]' >model/modules.json
fetch 1 'plain name of a folder' evil/model
fetch 1 'ORG/NAME' ../model
HF_HUB_OFFLINE=1 fetch 1 'HF_HUB_OFFLINE' good/model
HF_ENDPOINT=ftp://x fetch 1 'HF_ENDPOINT' good/model

# The older layout, with shards of torch.save.
mkdir model/0_Transformer model/1_Pooling
mv model/config.json model/vocab.txt model/0_Transformer
rm model/model.safetensors
cp "$tests/io/golden/zip.bin" model/0_Transformer/pytorch_model-1.bin
printf '{"weight_map": {"a": "pytorch_model-1.bin"}}' >model/0_Transformer/pytorch_model.bin.index.json
printf '{"pooling_mode_mean_tokens": true}' >model/1_Pooling/config.json
mkdir model/2_Dense
cp "$tests/io/golden/zip.bin" model/2_Dense/pytorch_model.bin
printf '{"in_features": 2, "out_features": 1}' >model/2_Dense/config.json
printf '[{"path": "0_Transformer", "type": "a.Transformer"}, {"path": "1_Pooling", "type": "a.Pooling"},
  {"path": "2_Dense", "type": "a.Dense"}]' >model/modules.json
fetch 0 "$commit" old/model
for file in modules.json 1_Pooling/config.json 2_Dense/{config.json,pytorch_model.bin} 0_Transformer/{config.json,vocab.txt,pytorch_model.bin.index.json,pytorch_model-1.bin}; do
  if ! cmp -s "model/$file" "$(repository old)/snapshots/$commit/$file"; then problem "$file is missing"; fi
done

if ((failures != 0)); then
  printf '%d checks failed\n' "$failures" >&2
  exit 1
fi
echo ok
