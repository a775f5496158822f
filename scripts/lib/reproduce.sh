# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The rows of scripts/reproduce and how to produce them. To be sourced; needs root, models, results,
# data, lowbit, train, only, parallel from that script.

# --- Shapes and budgets -------------------------------------------------------------------------
# One teacher shape for all: 6 layers, so that a third (TinyBERT) and a half (Theseus) are integers.
teacher_shape=(-L 6 -H 128 -A 4 -I 512 -P 64)
datasets=(sst2 clinc150 snips)
seeds_of() { if [[ $1 == sst2 ]]; then echo 1; else echo 1 2 3; fi; }
data_of() {
  case $1 in
    sst2) echo "$data/sst2" ;;
    clinc150) echo "$data/clinc150/data_full.json" ;;
    snips) echo "$data/atis_snips_slots/snips" ;;
  esac
}
# epochs DATASET: for recipes that start from a trained model. SST-2 has four times as many sentences.
epochs() { if [[ $1 == sst2 ]]; then echo 1; else echo 6; fi; }
longer() { if [[ $1 == sst2 ]]; then echo 3; else echo 12; fi; }

# --- Rows: recipe and starting point --------------------------------------------------------------
# For each recipe: the lowbit-train command without --data, --out and --seed. TEACHER is the fine-tuned
# teacher of the data set, OUT the folder of the row.
recipes=(
  int8-ptq codebook16-ptq codebook8-ptq
  int8-qat codebook16-qat codebook8-qat
  pruned50 pruned80 half-width
  bibert-naive bibert-naive-dmd bibert-attention bibert
  bit binarybert
  kd tinybert tinybert-no-attention tinybert-no-hidden tinybert-no-embedding tinybert-no-prediction
  tinybert-augmented
  theseus theseus-constant
  bort bort-deep bort-wide bort-flat
)
commands_of() { # DATASET RECIPE -> words, one per line
  local e l
  e=$(epochs "$1") l=$(longer "$1")
  case $2 in
    *-ptq) ;;
    int8-qat) printf '%s\n' qat --student TEACHER --teacher TEACHER -p int8 --epochs "$e" --lr 1e-4 ;;
    codebook16-qat) printf '%s\n' qat --student TEACHER --teacher TEACHER -p codebook16 --epochs "$e" --lr 2e-4 ;;
    codebook8-qat) printf '%s\n' qat --student TEACHER --teacher TEACHER -p codebook8 --epochs "$e" --lr 2e-4 ;;
    pruned50) printf '%s\n' prune --student TEACHER --sparsity 0.5 --epochs "$e" --lr 2e-4 ;;
    pruned80) printf '%s\n' prune --student TEACHER --sparsity 0.8 --epochs "$e" --lr 2e-4 ;;
    half-width) printf '%s\n' prune --student TEACHER --heads 2 --neurons 256 --epochs "$e" --lr 2e-4 ;;
    bibert-naive) printf '%s\n' bibert --teacher TEACHER --attention softmax-binarized --no-dmd --epochs "$l" --lr 5e-4 ;;
    bibert-naive-dmd) printf '%s\n' bibert --teacher TEACHER --attention softmax-binarized --epochs "$l" --lr 5e-4 ;;
    bibert-attention) printf '%s\n' bibert --teacher TEACHER --no-dmd --epochs "$l" --lr 5e-4 ;;
    bibert) printf '%s\n' bibert --teacher TEACHER --epochs "$l" --lr 5e-4 ;;
    bit) printf '%s\n' bit --teacher TEACHER --schedule 32,2,1 --epochs "$e" --lr 5e-4 ;;
    binarybert) printf '%s\n' binarybert --teacher TEACHER --input-bits 4 --epochs "$e" --lr 2e-4 ;;
    kd) printf '%s\n' distill --teacher TEACHER -L 2 --init-from-teacher mapped --epochs "$l" --lr 5e-4 ;;
    tinybert*)
      # Up to three variants per CLINC150 sentence: about as many steps in a third of the epochs.
      if [[ $2 == tinybert-augmented ]]; then e=$((e / 3)); fi
      printf '%s\n' distill --objective tinybert --teacher TEACHER -L 2 --init-from-teacher mapped \
        --stage1-epochs "$e" --stage1-lr 5e-4 --epochs "$e" --lr 5e-4
      if [[ $2 == tinybert-no-* ]]; then printf '%s\n' --without "${2#tinybert-no-}"; fi
      ;;
    theseus) printf '%s\n' theseus --teacher TEACHER -L 3 --schedule linear --p0 0.3 --epochs "$e" --lr 5e-4 ;;
    theseus-constant) printf '%s\n' theseus --teacher TEACHER -L 3 --schedule constant --p0 0.5 --epochs "$e" --lr 5e-4 ;;
    # The shape found by the search, and three hand-picked ones of similar size: fine-tuned identically.
    bort*) printf '%s\n' finetune --student "SHAPE" --epochs "$l" --lr 5e-4 --token-dropout 0.05 ;;
    *) fail "no recipe $2" ;;
  esac
}
# The grid for a shape that is distilled from the pre-trained encoder: a search, or a single shape of
# about the size that the search chose.
grid_of() {
  case $1 in
    bort) printf '%s\n' -L 2,3,4 -A 2,4 -H 80,96,112 -I 128,256,384,512 ;;
    bort-deep) printf '%s\n' -L 4 -A 4 -H 64 -I 256 ;;
    bort-wide) printf '%s\n' -L 1 -A 4 -H 80 -I 448 ;;
    bort-flat) printf '%s\n' -L 2 -A 2 -H 72 -I 384 ;;
  esac
}
shape_of() { # RECIPE -> folder of the shape, pre-trained by distillation
  local grid
  mapfile -t grid < <(grid_of "$1")
  trained "$models/$1" search --teacher "$models/pretrained" -p int8 "${grid[@]}" \
    --every 6 --steps 300 --trial-adam --trial-lr 1e-3 --trial-batch 64 --epochs 3 --lr 1e-3 \
    --data "$texts" --batch-size 64 --seed 1 >&2
  echo "$models/$1"
}
# The runtime policy under which the model of a row is measured.
policy_of() {
  case $1 in
    int8-* | half-width | kd | tinybert* | theseus* | bort*) echo int8 ;;
    codebook16-*) echo codebook16 ;;
    codebook8-*) echo codebook8 ;;
    pruned50 | pruned80) echo sparse ;;
    *) echo '' ;; # the checkpoint's own
  esac
}

rows() { # DATASET/RECIPE-SEED, one per line; the caller must handle an empty list
  local d r s
  for d in "${datasets[@]}"; do
    for s in $(seeds_of "$d"); do
      echo "$d/teacher-$s"
      for r in "${recipes[@]}"; do
        if [[ $r == tinybert-augmented && $d != clinc150 ]]; then continue; fi
        if [[ $r == *-ptq && $s != 1 ]]; then continue; fi # no randomness involved
        echo "$d/$r-$s"
      done
    done
  done | grep -E -- "$only" || (($? == 1))
}
list_rows() {
  local row
  for row in $(rows); do
    printf '%-40s %s\n' "$row" "$([[ -f $results/$row.json ]] && echo "done" || echo open)"
  done
}

# --- Shared prerequisites -----------------------------------------------------------------------
texts=$models/texts.txt
prepare() { # the vocabulary and the pre-trained encoder, once
  mkdir -p "$models"
  if [[ ! -f $models/vocab.txt ]]; then
    {
      tail -n +2 "$data/sst2/train.tsv" | cut -f 1
      jq -r '.train[][0]' "$data/clinc150/data_full.json"
      cat "$data/atis_snips_slots/snips/train/seq.in"
    } >"$texts.part"
    mv "$texts.part" "$texts"
    "$train" vocab --data "$texts" --size 8000 --out "$models/vocab.txt"
  fi
  trained "$models/pretrained" pretrain --data "$texts" --vocab "$models/vocab.txt" \
    "${teacher_shape[@]}" --epochs 10 --lr 5e-4 --dropout 0 --batch-size 64 --seed 1 --threads "$parallel"
}
# trained FOLDER COMMAND...: runs lowbit-train unless the folder is finished, resuming an interrupted
# run. FOLDER.command records the command, FOLDER.seconds has a line for each part of the run.
trained() {
  local out=$1 resume=() started=$SECONDS outcome=0
  shift
  if [[ -f $out/results.json ]] && jq -e .finished "$out/results.json" >/dev/null; then return; fi
  # Multi-stage recipes keep separate checkpoints and folders next to the final one.
  if compgen -G "$out.*checkpoint" >/dev/null || compgen -G "$out.*/" >/dev/null || [[ -e $out.search ]]; then
    resume=(--resume)
  fi
  mkdir -p "$(dirname "$out")"
  say "training ${out#"$models"/}"
  echo "lowbit-train $*" >"$out.command"
  "$train" "$@" --out "$out" --replace "${resume[@]}" >>"$out.log" 2>&1 || outcome=$?
  echo $((SECONDS - started)) >>"$out.seconds"
  if ((outcome != 0)); then fail "lowbit-train failed, see $out.log"; fi
}
augmented() { # -> CLINC150 with two more variants of each training sentence, once
  local out=$models/augmented.json resume=()
  if [[ ! -f $out ]]; then
    say "augmenting clinc150" >&2
    if [[ -e $out.checkpoint ]]; then resume=(--resume); fi
    "$train" augment "${resume[@]}" --data "$(data_of clinc150)" --mlm "$models/pretrained" --out "$out" -n 2 --seed 1 \
      --synonyms "$data/augmentation_synonyms/ppdb_synonyms.txt" \
      --antonyms "$data/augmentation_synonyms/ppdb_antonyms.txt" \
      --antonyms "$data/augmentation_synonyms/wordnet_antonyms.txt" >&2
  fi
  echo "$out"
}
teacher_of() { # DATASET SEED -> folder; seed 1 is the teacher of all rows
  local task=sentences length=12
  if [[ $1 == snips ]]; then task=words; fi
  if [[ $1 == sst2 ]]; then length=3; fi
  trained "$models/$1/teacher-$2" finetune --student "$models/pretrained" --data "$(data_of "$1")" \
    --task "$task" --epochs "$length" --lr 5e-4 --batch-size 64 --token-dropout 0.05 --seed "$2" >&2
  echo "$models/$1/teacher-$2"
}

# --- One row --------------------------------------------------------------------------------------
evaluated_all() { # DATASET SPLIT -m FOLDER ... [OPTION...]
  local folder dataset=$1 split=$2
  folder=$(data_of "$1")
  shift 2
  case $dataset in
    clinc150) "$lowbit" eval "$@" --data "$folder" --split "${split/dev/val}" --truncate ;;
    sst2) "$lowbit" eval "$@" --data "$folder/$split.tsv" --truncate ;;
    snips) "$lowbit" eval "$@" --data "$folder/$split" --truncate ;;
  esac
}
evaluated() { evaluated_all "$2" "$3" -m "$1" --json; } # FOLDER DATASET SPLIT -> JSON of lowbit eval
make_row() { # DATASET RECIPE SEED
  local row=$1/$2-$3 out=$models/$1/$2-$3 teacher packed policy words shape from made=() command
  if [[ -f $results/$row.json && $again == no ]]; then return; fi
  teacher=$(teacher_of "$1" 1)
  policy=$(policy_of "$2") packed=$out.packed
  case $2 in
    teacher) packed=$(teacher_of "$1" "$3") ;;
    *-ptq) out=$teacher ;;
    *)
      mapfile -t words < <(commands_of "$1" "$2")
      words=("${words[@]/TEACHER/$teacher}")
      if [[ $2 == bort* ]]; then
        shape=$(shape_of "$2")
        words=("${words[@]/SHAPE/$shape}") made=("$shape")
      fi
      if [[ $1 == snips && ${words[0]} == finetune ]]; then words+=(--task words); fi
      from=$(data_of "$1")
      if [[ $2 == tinybert-augmented ]]; then from=$(augmented); fi
      trained "$out" "${words[@]}" --data "$from" --batch-size 64 --seed "$3"
      ;;
  esac
  made+=("$out")
  case $2 in
    teacher) ;;
    bibert-naive*) packed='' ;; # the runtime rejects it by name: the score is the trainer's
    *)
      rm -rf "$packed"
      "$lowbit" quantize ${policy:+-p "$policy"} "$out" "$packed" >>"$models/$row.log" 2>&1 ||
        fail "lowbit quantize failed, see $models/$row.log"
      ;;
  esac
  if [[ $2 == *-ptq ]]; then
    made=() command="lowbit quantize -p $policy $teacher"
  else
    command=$(cat "${made[@]/%/.command}" | paste -s -d ';' | sed 's/;/; /g')
  fi
  command=${command//"$models/"/}
  mkdir -p "$results/$1"
  row_json "$1" "$2" "$3" "$out" "$packed" "${command//"$data/"/}" "$(seconds_of "${made[@]}")" \
    >"$results/$row.json.part"
  mv "$results/$row.json.part" "$results/$row.json"
}
seconds_of() { # FOLDER... -> total training time of all parts
  local folder
  for folder in "$@"; do cat "$folder.seconds"; done | awk '{ sum += $1 } END { print sum + 0 }'
}
row_json() { # DATASET RECIPE SEED TRAINED PACKED COMMAND SECONDS
  local dev='{}' test='{}'
  if [[ -n $5 ]]; then dev=$(evaluated "$5" "$1" dev) test=$(evaluated "$5" "$1" test); fi
  jq -n --arg dataset "$1" --arg recipe "$2" --argjson seed "$3" --arg command "$6" \
    --argjson seconds "$7" --argjson dev "$dev" --argjson test "$test" \
    --slurpfile trained "$4/results.json" '
    ($trained[0]) as $t |
    {dataset: $dataset, recipe: $recipe, seed: $seed, command: $command, seconds: $seconds,
     metric: ($dev.metric // (if $t.validation_f1 then "f1" else "accuracy" end)),
     validation: ($dev.score // $t.validation_f1 // $t.validation_accuracy), test: ($test.score // null),
     policy: ($dev.policy // null), bytes: ($dev.bytes // null),
     measures: ($t.run.history[-1].measures // {})}'
}
train_rows() {
  local row dataset rest running=0
  prepare
  # Teachers first: the rows of a data set share one.
  for row in $(rows); do dataset=${row%%/*}; teacher_of "$dataset" 1 >/dev/null; done
  for row in $(rows); do
    dataset=${row%%/*} rest=${row#*/}
    if ((running >= parallel)); then
      wait -n || fail 'a row failed'
      running=$((running - 1))
    fi
    make_row "$dataset" "${rest%-*}" "${rest##*-}" &
    running=$((running + 1))
  done
  while ((running > 0)); do
    wait -n || fail 'a row failed'
    running=$((running - 1))
  done
}
