#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# bad_input.sh PROGRAM TESTS_FOLDER: whatever it is given, the program ends with an exit code that is
# not 0 and no signal, one line on stderr that names what is wrong, nothing on stdout, no file written.
set -euo pipefail
program=$(realpath "$1")
tests=$(realpath "$2")
golden=$tests/golden/bibert_h75
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$tests/packaging/model_folder.sh"
enter_scratch

model_folder "$golden" model
words=$(vocabulary_size "$golden")
"$program" classify -m model 'hello world' >/dev/null || { echo 'the good run failed' >&2; exit 1; }

failures=0
tree() { find . -not -path ./out -not -path ./err -printf '%p %y %s %T@\n' | sort; }
expect_refusal() { # PART_OF_THE_MESSAGE COMMAND...
  local part=$1 code=0 problem=''
  shift
  : >out
  : >err
  local before after
  before=$(tree)
  "$program" "$@" >out 2>err </dev/null || code=$?
  after=$(tree)
  if ((code == 0)); then problem+=' exit code 0;'; fi
  if ((code >= 126)); then problem+=" exit code $code, a signal;"; fi
  if [[ -s out ]]; then problem+=' something on stdout;'; fi
  if [[ $(wc -l <err) != 1 ]]; then problem+=" $(wc -l <err) lines on stderr;"; fi
  if ! grep -qF -- "$part" err; then problem+=" the message does not name \"$part\";"; fi
  if [[ $before != "$after" ]]; then problem+=' files were written;'; fi
  if [[ -n $problem ]]; then
    failures=$((failures + 1))
    printf 'FAILED: lowbit %s:%s\n%s\n' "$*" "$problem" "$(head -c 2000 err)" >&2
  else
    printf 'ok: %s\n' "$(cat err)"
  fi
}

expect_refusal 'no_such_folder' classify -m no_such_folder hello
expect_refusal 'no_such_folder' inspect no_such_folder
expect_refusal 'no_such_folder' quantize no_such_folder packed
expect_refusal 'no_such_folder' tokenize -m no_such_folder hello

mkdir empty
expect_refusal 'empty' classify -m empty hello

# A file cut anywhere: in its length, in its header, in its data.
for bytes in 0 4 100 4000 20000; do
  rm -rf cut
  cp -r model cut
  head -c "$bytes" model/model.safetensors >cut/model.safetensors
  expect_refusal 'cut/model.safetensors' classify -m cut hello
  expect_refusal 'cut/model.safetensors' quantize cut packed
done
# A header that claims more than there is.
cp -r model huge
printf '\377\377\377\377\377\377\377\177' | dd of=huge/model.safetensors conv=notrunc status=none
expect_refusal 'huge/model.safetensors' classify -m huge hello

cp -r model broken
echo '{"hidden_size": ' >broken/config.json
expect_refusal 'broken/config.json' classify -m broken hello
cp -r model mute
rm mute/vocab.txt
expect_refusal 'mute' classify -m mute hello
cp -r model wordy
for ((i = 0; i < words; ++i)); do echo "more$i"; done >>wordy/vocab.txt
expect_refusal 'wordy' classify -m wordy hello

expect_refusal 'no_such_policy' classify -m model -p no_such_policy hello
expect_refusal 'bit' classify -m model -p bit hello
expect_refusal 'no_such_arch' classify -m model --arch no_such_arch hello
expect_refusal 'expected scalar' classify -m model --arch no_such_arch hello
export LOWBIT_ISA=no_such_arch
expect_refusal 'LOWBIT_ISA is "no_such_arch", expected scalar' classify -m model hello
unset LOWBIT_ISA
expect_refusal 'no_such_zero' classify -m model --zero no_such_zero hello

# A system that gives no more threads.
if [[ -z ${LOWBIT_NO_MEMORY_LIMITS:-} ]]; then
  printf '#!/bin/sh\nulimit -v 400000 && exec "%s" "$@"\n' "$program" >limited
  chmod +x limited
  program=./limited expect_refusal 'of 256 threads: ' classify -m model -t 256 hello
  program=./limited expect_refusal 'of 256 threads: ' compare -m model -m model -t 256 hello
  program=./limited expect_refusal 'of 256 threads: ' bench --shape 1,16,2,32 --tokens 4 -t 256
fi

expect_refusal 'hello hello' classify -m model "$(printf 'hello %.0s' {1..5000})"
expect_refusal 'UTF-8' classify -m model "$(printf 'hello \377\376')"
expect_refusal 'no text' classify -m model

mkdir taken
echo 'not a model' >taken/notes.txt
expect_refusal 'taken' quantize model taken
mkdir taken/folder
expect_refusal 'taken' quantize --overwrite model taken
expect_refusal 'no_such_parent' quantize model no_such_parent/packed

expect_refusal 'no_such.tsv' eval -m model --data no_such.tsv
printf 'hello\tno such label\n' >labels.tsv
expect_refusal 'labels.tsv' eval -m model --data labels.tsv
expect_refusal 'no_such.json' verify -m model --inputs no_such.json --expected "$golden/expected.safetensors"
expect_refusal 'no_such.safetensors' verify -m model --inputs "$golden/inputs.json" --expected no_such.safetensors

# What a file holds never drives the terminal, and never makes a second line.
escape=$'\033[2J'
for field in policy zero; do
  cp -r model "drives-$field"
  sed -i '0,/{/s//{"quantization_config": {"quant_method": "lowbit", "format_version": 1, "policy": "bibert", "zero": "torch"},/' "drives-$field/config.json"
  sed -i "s/\"$field\": \"[a-z]*\"/\"$field\": \"x\\\\u001b[2J\\\\nlowbit: all is well\"/" "drives-$field/config.json"
  expect_refusal 'x\x1b[2J\nlowbit: all is well' classify -m "drives-$field" hello
  if grep -qF "$escape" err; then failures=$((failures + 1)); echo "FAILED: $field drives the terminal" >&2; fi
done
cp -r model drives-tokenizer
printf '{"model": {"type": "Word\\u001b[2J\\nlowbit: all is well"}}' >drives-tokenizer/tokenizer.json
expect_refusal 'Word\x1b[2J\nlowbit' classify -m drives-tokenizer hello
cp -r model drives-vocabulary
printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n\033[2J\n\033[2J\n' >drives-vocabulary/vocab.txt
expect_refusal '\x1b[2J' classify -m drives-vocabulary hello
mkdir "$escape"
expect_refusal '\x1b[2J' classify -m "$escape" hello

# What was downloaded in place of a file.
for file in model.safetensors vocab.txt config.json; do
  rm -rf pointer
  cp -r model pointer
  printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n' >"pointer/$file"
  expect_refusal 'git lfs pull' classify -m pointer hello
  printf '<!DOCTYPE html>\n<html><body>404</body></html>\n' >"pointer/$file"
  expect_refusal 'a web page' classify -m pointer hello
done
rm -rf pointer
cp -r model pointer
printf 'GGUF\003\000\000\000\001\000\000\000\000\000\000\000' >pointer/model.safetensors
expect_refusal 'a GGUF file' classify -m pointer hello

if ((failures != 0)); then
  printf '%d refusals are wrong\n' "$failures" >&2
  exit 1
fi
