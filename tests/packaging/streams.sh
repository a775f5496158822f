#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# streams.sh PROGRAM TESTS_FOLDER: lines are answered as they come and bad ones are named; output that cannot be written,
# memory that runs out and signals end the program with the exit code that says so, one message, and nothing left over.
set -euo pipefail
program=$(realpath "$1")
tests=$(realpath "$2")
# shellcheck source-path=SCRIPTDIR source=model_folder.sh
. "$tests/packaging/model_folder.sh"
enter_scratch
model_folder "$tests/golden/bibert_h75" model
model_folder "$tests/golden/bert_h128" floats

failures=0
failed() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$*" >&2
}
# Both files of a run: exit code, lines on stdout, lines on stderr, a part of the message.
expect() { # NAME CODE ANSWERS MESSAGES PART
  local problem=''
  if [[ $code != "$2" ]]; then problem+=" exit code $code, expected $2;"; fi
  if [[ $3 != any && $(wc -l <out) != "$3" ]]; then problem+=" $(wc -l <out) answers, expected $3;"; fi
  if [[ $(wc -l <err) != "$4" ]]; then problem+=" $(wc -l <err) messages, expected $4;"; fi
  if ! grep -qF -- "$5" err; then problem+=" no message has \"$5\";"; fi
  if [[ -n $problem ]]; then failed "$1:$problem $(head -c 400 err)"; else printf 'ok: %s\n' "$1"; fi
}
expect_text() { # NAME FOUND EXPECTED
  if [[ $2 == "$3" ]]; then printf 'ok: %s\n' "$1"; else failed "$1: found '$2', expected '$3'"; fi
}
run() { # INPUT ARGUMENTS...
  local input=$1
  shift
  code=0
  printf '%b' "$input" | "$program" "$@" >out 2>err || code=$?
}

# An answer comes before the next line is there.
coproc CLASSIFY { exec "$program" classify -m model; }
pid=$CLASSIFY_PID
for line in 'hello world' 'world' 'hello'; do
  echo "$line" >&"${CLASSIFY[1]}"
  if ! IFS= read -r -t 60 answer <&"${CLASSIFY[0]}" || [[ $answer != *$'\t'"$line" ]]; then
    failed "streaming: no answer for '$line'"
  fi
done
eval "exec ${CLASSIFY[1]}>&-"
wait "$pid" || failed "streaming: exit code $?"
printf 'ok: an answer for each line as it comes\n'

# Bad lines: named, at the cost of no other.
lines='hello\nbad \\xff\n\nworld\nbad \\xfe\nhello\n'
lines=${lines//\\\\x/\\x}
run "$lines" classify -m model
expect 'a bad line' 1 1 1 'standard input:2: '
run "$lines" classify --keep-going -m model
expect 'bad lines with --keep-going' 1 4 3 'standard input:5: '
run "$lines" tokens --keep-going -m model
expect 'another head' 1 0 1 'expected a token classification model'
for verb in embed tokenize; do
  answers=1 pooling=(--pooling mean)
  if [[ $verb == tokenize ]]; then answers=2 pooling=(); fi
  run "$lines" $verb -m model "${pooling[@]}"
  expect "$verb, a bad line" 1 $answers 1 'standard input:2: '
  run "$lines" $verb -m model --keep-going "${pooling[@]}"
  expect "$verb --keep-going" 1 $((4 * answers)) 3 '2 of 6 texts failed'
done
run 'hello\tworld\nhello\n' classify -m model --pairs
expect 'pairs without a tab' 1 1 1 'standard input:2: '
run '' classify -m model
expect 'no line' 1 0 1 'no text'
run 'hello\r\nworld' classify -m model
expect_text 'ends of lines' "$(cut -f3 out | od -An -c | tr -d ' \n')" 'hello\nworld\n'
run 'world\nhello\n' classify -m model hello - world
expect_text '- is standard input' "$(cut -f3 out | tr '\n' ' ')" 'hello world hello world '
code=0
head -c 17000000 /dev/zero | tr '\0' a | "$program" classify -m model >out 2>err || code=$?
expect 'a line without end' 1 0 1 'standard input:1: '
for text in '[MASK] and [MASK]' '[]' '{}' '[a,b]' '[[a]]' '{"a": [1]}' '[x'; do
  expect_text "the argument $text" "$("$program" classify -m model "$text" | cut -f3)" "$text"
  expect_text "the argument $text behind --" "$("$program" classify -m model -- "$text" | cut -f3)" "$text"
done
mv model '[model]'
expect_text 'a folder in brackets' "$("$program" classify -m '[model]' hello | cut -f3)" 'hello'
mv '[model]' model

# What reaches a terminal.
run 'hello \033[31m\177\302\233 world\n' classify -m model
expect_text 'control characters' "$(cut -f3 out)" 'hello \x1b[31m\x7f\xc2\x9b world'
run 'hello \177\302\233\n' classify -m model --json
if LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f\x9b]' out; then failed 'control characters in JSON'; fi
code=0
"$program" classify -m model $'hello\nLABEL_1\t1.0000\tforged' >out 2>err || code=$?
expect_text 'a line in an argument' "$(wc -l <out)" 1

# Output that cannot be written.
printf 'hello world\n%.0s' {1..3000} >many.txt
expect_failed_output() { # NAME COMMAND...
  local name=$1
  shift
  code=0
  "$program" "$@" >/dev/full 2>err <many.txt || code=$?
  : >out
  expect "$name, a full disk" 1 0 1 'standard output: cannot write: No space left on device'
  code=0
  "$program" "$@" >&- 2>err <many.txt || code=$?
  expect "$name, no output" 1 0 1 'standard output: cannot write: Bad file descriptor'
}
expect_failed_output classify classify -m model
expect_failed_output classify-one classify -m model hello
expect_failed_output embed embed -m model --pooling mean
expect_failed_output raw embed -m model --pooling mean --raw
expect_failed_output tokenize tokenize -m model
expect_failed_output inspect inspect model
expect_failed_output inspect-json inspect --json model
expect_failed_output flops flops
expect_failed_output help --help
expect_failed_output help-of-a-verb classify --help
expect_failed_output version --version
printf 'hello\tLABEL_0\nworld\tLABEL_1\n' >data.tsv
expect_failed_output eval eval -m floats --data data.tsv
expect_failed_output bench bench --shape 1,16,2,16 --tokens 4 --repetitions 1 -p fp32
expect_failed_output compare compare -m floats -m floats --repetitions 1 hello
code=0
"$program" quantize -p int8 floats packed >/dev/full 2>err || code=$?
expect 'quantize, a full disk' 1 any 1 'packed: was written, but standard output'
"$program" classify -m packed hello >out || failed 'the folder is whole'
code=0
"$program" quantize -p int8 floats closed >&- 2>err || code=$?
expect 'quantize, no output' 1 any 1 'closed: was written, but standard output'
"$program" classify -m closed hello >out || failed 'the folder is whole'
code=0
"$program" classify -m model <&- >out 2>err || code=$?
expect 'no input' 1 0 1 'standard input: cannot read'
code=0
"$program" classify -m no_such_folder hello >out 2>&- || code=$?
expect_text 'no standard error' "$code" 1
code=$( (trap '' PIPE; { "$program" classify -m model <many.txt 2>err; echo $? >code; } | head -n 1 >/dev/null); cat code)
: >out
expect 'a reader that is gone' 1 0 1 'standard output: cannot write: Broken pipe'
cp -r floats $'not-utf8-\xff'
run '' eval --json -m $'not-utf8-\xff' --data data.tsv
expect_text 'a path that is not UTF-8' "$code" 0
run '' compare --json -m $'not-utf8-\xff' -m floats --repetitions 1 hello
expect_text 'compare: a path that is not UTF-8' "$code" 0

# Expressions that others never finish or overflow the stack on.
run '' quantize --format "$(printf '(%.0s' {1..60000})=int8" -p mixed floats formats
expect '60,000 parentheses' 1 0 1 'expected at most 1000'
code=0
timeout 60 "$program" quantize --format '^((((.*)*)*)*)*!=int8' -p mixed floats formats >out 2>err || code=$?
expect 'nested stars' 1 0 1 'matches no matrix'
run '' quantize -q --format 'layer\.[01]\..*(query|key)=int8' -p mixed floats formats
expect_text 'a sound expression' "$code" 0

# Memory that runs out anywhere: one message, exit code 1; nothing in between. What the loader needs comes first.
if [[ -z ${LOWBIT_NO_MEMORY_LIMITS:-} ]]; then
  loaded=8000
  until { (ulimit -v $loaded && exec "$program" --version) >out; } 2>err; do loaded=$((loaded + 1000)); done
  for verb in 'classify -m floats hello' 'embed --pooling mean -m floats hello' 'eval -m floats --data data.tsv' \
    'quantize -q -p int8 floats memory'; do
    # Finer where an answer is tried again, text by text.
    step=$([[ $verb == classify* ]] && echo 100 || echo 1000)
    for ((limit = loaded; limit < loaded + 30000; limit += step)); do
      code=0
      rm -rf memory
      # shellcheck disable=SC2086
      (ulimit -v $limit && exec "$program" $verb) >out 2>err || code=$?
      if ((code != 0 && code != 1)) || [[ $code == 1 && $(wc -l <err) != 1 ]]; then
        failed "$verb under ulimit -v $limit: exit code $code, $(head -c 400 err)"
      fi
    done
  done
  for file in .memory.tmp-*; do
    if [[ -e $file ]]; then failed "$file is left of a run without memory"; fi
  done
  printf 'ok: memory that runs out\n'
fi

# A signal: its own exit code, and no half folder.
tensor_names() { # ROWS_OF_THE_TABLE
  local d=256 i=1024 l=bert.encoder.layer.0
  printf '%s %s\n' bert.embeddings.word_embeddings.weight "$1,$d" bert.embeddings.position_embeddings.weight "16,$d" \
    bert.embeddings.token_type_embeddings.weight "2,$d" bert.embeddings.LayerNorm.weight $d \
    bert.embeddings.LayerNorm.bias $d $l.attention.self.query.weight $d,$d $l.attention.self.query.bias $d \
    $l.attention.self.key.weight $d,$d $l.attention.self.key.bias $d $l.attention.self.value.weight $d,$d \
    $l.attention.self.value.bias $d $l.attention.output.dense.weight $d,$d $l.attention.output.dense.bias $d \
    $l.attention.output.LayerNorm.weight $d $l.attention.output.LayerNorm.bias $d $l.intermediate.dense.weight $i,$d \
    $l.intermediate.dense.bias $i $l.output.dense.weight $d,$i $l.output.dense.bias $d $l.output.LayerNorm.weight $d \
    $l.output.LayerNorm.bias $d bert.pooler.dense.weight $d,$d bert.pooler.dense.bias $d classifier.weight 2,$d \
    classifier.bias 2
}
mkdir large
rows=60000
echo '{"architectures": ["BertForSequenceClassification"], "num_hidden_layers": 1, "hidden_size": 256,
  "num_attention_heads": 4, "intermediate_size": 1024, "vocab_size": '$rows', "max_position_embeddings": 16}' \
  >large/config.json
header='{' end=0
while read -r name shape; do
  begin=$end
  end=$((end + 4 * ${shape/,/*}))
  header+="\"$name\":{\"dtype\":\"F32\",\"shape\":[$shape],\"data_offsets\":[$begin,$end]},"
done < <(tensor_names $rows)
header="${header%,}}"
while ((${#header} % 8 != 0)); do header+=' '; done
{
  size=${#header}
  for ((n = 0; n < 8; ++n, size /= 256)); do printf '%b' "\\x$(printf %02x $((size % 256)))"; done
  printf '%s' "$header"
} >large/model.safetensors
truncate -s $((8 + ${#header} + end)) large/model.safetensors
for signal in TERM INT HUP; do
  case $signal in TERM) expected=143 ;; INT) expected=130 ;; HUP) expected=129 ;; esac
  interrupted=
  for ((try = 0; try < 20; ++try)); do
    rm -rf stopped
    # In a job of its own: a shell without job control lets its background ignore SIGINT.
    set -m
    "$program" quantize -q -p fp32 large stopped >out 2>err &
    pid=$!
    set +m
    while kill -0 $pid 2>/dev/null && ! compgen -G '.stopped.tmp-*' >/dev/null; do :; done
    late=no  # done before the signal came
    kill -$signal $pid 2>/dev/null || late=yes
    code=0
    wait $pid 2>/dev/null || code=$?
    if compgen -G '.stopped.*' >/dev/null; then failed "SIG$signal leaves $(compgen -G '.stopped.*')"; break; fi
    if [[ $late == no && $code == "$expected" && ! -e stopped ]]; then interrupted=yes; break; fi
    # The folder may have got its name before the signal counted: then it is there, whatever the code.
    if [[ ! -e stopped || ($code != 0 && $code != "$expected") ]]; then failed "SIG$signal: exit code $code, $(head -c 400 err)"; break; fi
  done
  if [[ -n $interrupted ]]; then printf 'ok: SIG%s\n' $signal; else failed "SIG$signal: never in time"; fi
done

# Only what lowbit packed is replaced.
expect_kept() { # NAME PART
  run '' quantize -q --replace -p int8 floats kept
  expect "$1" 1 0 1 "$2"
}
cp -r packed kept
run '' quantize -q --replace -p int8 floats kept
expect_text 'a packed folder is replaced' "$code" 0
echo mine >kept/notes.txt
expect_kept 'a foreign file' 'holds "notes.txt"'
rm -r kept
cp -r floats kept
expect_kept 'a checkpoint' 'config.json'
if [[ ! -e kept/model.safetensors ]]; then failed 'a checkpoint was deleted'; fi

if ((failures != 0)); then
  printf '%d checks failed\n' "$failures" >&2
  exit 1
fi
