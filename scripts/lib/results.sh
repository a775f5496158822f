# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# docs/results.md from the rows that are there. To be sourced after reproduce.sh; needs root, models,
# results, data of scripts/reproduce.

# The first seed's models that are still there, as a picture of bytes, milliseconds and validation score.
draw() { # DATASET
  local folder folders=()
  for folder in "$models/$1"/teacher-1 "$models/$1"/*-1.packed; do
    if [[ -d $folder ]]; then folders+=(-m "$folder"); fi
  done
  if ((${#folders[@]} < 4)); then return; fi
  evaluated_all "$1" dev "${folders[@]}" --svg "$results/$1.svg" >/dev/null
  sed -i 's/-1\(\.packed\)\? (/ (/' "$results/$1.svg"  # names of rows, not of folders
}
write_tables() {
  local d
  if [[ -d $models && -n $data ]]; then for d in "${datasets[@]}"; do draw "$d"; done; fi
  {
    sed '/^<!-- results -->$/q' "$root/docs/results.md"
    for d in "${datasets[@]}"; do
      [[ -n $(find "$results/$d" -name '*.json' 2>/dev/null) ]] || continue
      printf '\n## %s\n\n' "$d"
      if [[ -f $results/$d.svg ]]; then printf '![size, milliseconds and score](results/%s.svg)\n\n' "$d"; fi
      jq -r -s --arg order "${recipes[*]}" -f "$root/scripts/lib/results.jq" "$results/$d"/*.json
    done
  } >"$root/docs/results.md.part"
  mv "$root/docs/results.md.part" "$root/docs/results.md"
  say "wrote docs/results.md"
}
