#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# isa.sh PROGRAM TESTS_FOLDER BUILT_ARCHS USABLE_ARCHS [CPU]: which engine runs, on this machine or on an older CPU that
# QEMU emulates: the best, or the one that LOWBIT_ISA names, with the answers that this machine gives; one that the CPU
# cannot run is refused. Lists are separated by commas, lowest first. Exit code 77 without QEMU; with CI=true a failure.
set -euo pipefail
program=$(realpath "$1")
tests=$(realpath "$2")
IFS=, read -ra built <<<"$3"
IFS=, read -ra usable <<<"$4"
cpu=${5:-}
best=${usable[-1]}

emulated=()
if [[ -n $cpu ]]; then
  # The path: QEMU itself starts the program, whatever the system does with foreign ones.
  if ! qemu=$(command -v qemu-x86_64 || command -v qemu-x86_64-static); then
    echo 'not run: qemu-x86_64 is not installed (qemu-user)' >&2
    if [[ ${CI:-} == true ]]; then exit 1; fi
    exit 77
  fi
  emulated=("$qemu" -cpu "$cpu")
fi
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$tests/packaging/model_folder.sh"
enter_scratch
unset LOWBIT_ISA

failures=0
failed() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$*" >&2
}
run() { # ISA ARGUMENTS...: files out and err, and the exit code
  local isa=$1
  shift
  code=0
  LOWBIT_ISA=$isa "${emulated[@]}" "$program" "$@" >out 2>err </dev/null || code=$?
  sed -i '/^qemu-x86_64[^ ]*: warning: TCG /d' err  # CPU features that only the kernel uses
}

# The engine is printed. An integer policy: what an engine of bytes alone has.
small=(bench --json --shape '1,16,2,32' --tokens 4 --repetitions 1 -p int8)
expect_engine() { # ISA ARCH ARGUMENTS...
  local isa=$1 arch=$2 found
  shift 2
  run "$isa" "${small[@]}" "$@"
  found=$(sed -n 's/.*"arch":"\([^"]*\)".*/\1/p' out)
  if [[ $code != 0 || $found != "$arch" ]]; then
    failed "LOWBIT_ISA=$isa $*: exit code $code, found '$found', expected $arch; $(cat err)"
  fi
}
expect_engine '' "$best"
for arch in "${usable[@]}"; do expect_engine "$arch" "$arch"; done
expect_engine scalar "$best" --arch "$best"

# MODEL or MODEL:POLICY. What this machine answers by itself is what any engine on any CPU answers.
sentences=('hello world' 'world word17 word71 hello word40 word8 word9' 'word50')
for entry in bert_h128 bert_h128:int8 bert_h128:w1a8 tinybert_h96:w4a8 bibert_h75 bit_h128; do
  model=${entry%%:*}
  arguments=(classify --json --top 3 -m "$model")
  [[ $entry == "$model" ]] || arguments+=(-p "${entry#*:}")
  [[ -e $model ]] || model_folder "$tests/golden/$model" "$model"
  "$program" "${arguments[@]}" "${sentences[@]}" >expected
  [[ $(wc -l <expected) == 3 ]] || { echo "$entry: not 3 answers" >&2; exit 1; }
  for arch in '' "${usable[@]:0:${#usable[@]}-1}"; do  # without a name: the best
    run "$arch" "${arguments[@]}" "${sentences[@]}"
    if [[ $code != 0 ]] || ! cmp -s expected out; then
      failed "$entry, LOWBIT_ISA=$arch: exit code $code, $(cat err); found $(cat out), expected $(cat expected)"
    fi
  done
done

expect_refusal() { # ISA PART_OF_THE_MESSAGE
  run "$1" classify -m bert_h128 hello
  if [[ $code != 1 || -s out || $(wc -l <err) != 1 ]] || ! grep -qF -- "$2" err; then
    failed "LOWBIT_ISA=$1: exit code $code, expected 1 and one message with '$2'; found $(cat out err)"
  else
    printf 'ok: %s\n' "$(cat err)"
  fi
}
refused=0
for arch in "${built[@]}"; do
  if [[ ",$4," != *",$arch,"* ]]; then
    expect_refusal "$arch" "LOWBIT_ISA $arch: not supported by this CPU"
    refused=$((refused + 1))
  fi
done
expect_refusal no_such_arch 'LOWBIT_ISA is "no_such_arch", expected scalar'
if [[ $failures != 0 ]]; then exit 1; fi
printf '%s: %s run, %d refused\n' "${cpu:-this CPU}" "$4" "$refused"
