# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Times the rows and writes docs/results.md. To be sourced after reproduce.sh; needs root, models,
# results, data, action from scripts/reproduce.

# Timing runs last, when nothing is training: the models of a data set and seed one after another, the
# minimum of three passes over the validation split, together with the seed-1 teacher in each pass.
time_rows() {
  local d s row folder timed times folders i
  for d in "${datasets[@]}"; do
    for s in $(seeds_of "$d"); do
      timed=() folders=(-m "$models/$d/teacher-1")
      for row in $(rows | sed -n "/^$d\/.*-$s\$/p"); do
        folder=$models/$row.packed
        if [[ $row == */teacher-* ]]; then folder=$models/$row; fi
        if [[ ! -f $results/$row.json || ! -d $folder ]]; then continue; fi
        if [[ $action != time ]] && jq -e .ms "$results/$row.json" >/dev/null; then continue; fi
        timed+=("$row") folders+=(-m "$folder")
      done
      if ((${#timed[@]} == 0)); then continue; fi
      say "timing $d, seed $s: ${#timed[@]} models"
      mapfile -t times < <(for _ in 1 2 3; do evaluated_all "$d" dev "${folders[@]}" --json; done |
        jq -s 'transpose[] | map(.ms_per_sentence) | min')
      ((${#times[@]} == ${#timed[@]} + 1)) || fail "lowbit eval failed on $d"
      for i in "${!timed[@]}"; do
        row=$results/${timed[i]}.json
        jq --argjson ms "${times[i + 1]}" --argjson teacher_ms "${times[0]}" \
          --arg machine "$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)" \
          '. + {ms: $ms, teacher_ms: $teacher_ms, machine: $machine}' "$row" >"$row.part"
        mv "$row.part" "$row"
      done
    done
  done
}

# Plots size, latency and validation score of the seed-1 models that still exist.
draw() { # DATASET
  local folder row links folders=()
  links=$(mktemp -d)  # links named after the rows, for the labels in the plot
  for folder in "$models/$1"/teacher-1 "$models/$1"/*-1.packed; do
    if [[ ! -d $folder ]]; then continue; fi
    row=$(basename "$folder" .packed)
    ln -s "$folder" "$links/${row%-1}"
    folders+=(-m "$links/${row%-1}")
  done
  if ((${#folders[@]} >= 4)); then
    evaluated_all "$1" dev "${folders[@]}" --svg "$results/$1.svg" >/dev/null
  fi
  rm -r "$links"
}
write_tables() {
  local d
  if [[ -d $models && -n $data ]]; then for d in "${datasets[@]}"; do draw "$d"; done; fi
  {
    sed '/^<!-- results -->$/q' "$root/docs/results.md"
    for d in "${datasets[@]}"; do
      [[ -n $(find "$results/$d" -name '*.json' 2>/dev/null) ]] || continue
      printf '\n## %s\n\n' "$d"
      if [[ -f $results/$d.svg ]]; then printf '![size, latency and score](results/%s.svg)\n\n' "$d"; fi
      jq -r -s --arg order "${recipes[*]}" -f "$root/scripts/lib/results.jq" "$results/$d"/*.json
    done
  } >"$root/docs/results.md.part"
  mv "$root/docs/results.md.part" "$root/docs/results.md"
  say "wrote docs/results.md"
}
