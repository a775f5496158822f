#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# own_policies.sh PROGRAM TESTS_FOLDER: a program that was built with examples/own_policies.hpp has int8_attention
# wherever it has the others.
set -euo pipefail
program=$(realpath "$1")
tests=$(realpath "$2")
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$tests/packaging/model_folder.sh"
enter_scratch
failed() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}
model_folder "$tests/golden/bert_h128" floats

# Where policies are listed.
code=0
"$program" quantize -p no_such_policy floats packed >out 2>err || code=$?
if [[ $code != 1 || -s out || $(wc -l <err) != 1 ]] ||
  ! grep -qF 'policy "no_such_policy" is not known, expected one of fp32, ' err || ! grep -qw int8_attention err; then
  failed "no int8_attention in the list of policies: exit code $code, $(cat out err)"
fi

# The header says: int8 in the attention half of each layer, f32 in the feed-forward half.
"$program" quantize -p int8_attention floats packed >report
layer=bert.encoder.layer.0
expect_format() { # MATRIX FORMAT
  local found
  found=$(awk -v name="$layer.$1.weight" '$1 == name { print $2 }' report)
  [[ $found == "$2" ]] || failed "$1 is $found, expected $2"
}
expect_format attention.self.query int8
expect_format attention.output.dense int8
expect_format intermediate.dense f32
expect_format output.dense f32
grep -qF '"policy": "int8_attention"' packed/config.json || failed 'the packed folder does not name its policy'
"$program" inspect packed >out
grep -qF 'policy int8_attention' out || failed "inspect does not name the policy: $(head -n 3 out)"

# It computes what it says: the packed folder as the checkpoint, neither fp32 nor int8, and close to fp32.
answers() { # ARGUMENTS...
  "$program" classify --json "$@" 'hello world' 'word17 word71 hello word9'
}
answers -m packed >own
answers -m floats -p int8_attention | cmp - own || failed 'checkpoint and packed folder differ'
for other in fp32 int8; do
  if answers -m floats -p $other | cmp -s own -; then failed "the answers are those of $other"; fi
done
golden=$tests/golden/bert_h128
"$program" verify -m "$golden" -p int8_attention --inputs "$golden/inputs.json" --tolerance 0.1 \
  --expected "$golden/expected.safetensors" >/dev/null || failed 'far from the recorded logits'
"$program" bench --shape '1,16,2,32' --tokens 4 --repetitions 1 -p int8,int8_attention --json >out
grep -qF '"policy":"int8_attention"' out || failed 'bench does not name the policy'
"$program" flops --shape '1,16,2,32' -p int8_attention >/dev/null
echo 'int8_attention is a policy of this program'
