# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# To be sourced by the tests of programs.

# Goes to an empty folder, which is removed at the end.
enter_scratch() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  cd "$scratch" || exit
}
# Golden folders hold weights and no vocabulary; with one of the right size they take sentences.
vocabulary_size() { # GOLDEN_FOLDER
  sed -n 's/.*"vocab_size": *\([0-9]*\).*/\1/p' "$1/config.json"
}
model_folder() { # GOLDEN_FOLDER NEW_FOLDER
  local i words
  words=$(vocabulary_size "$1")
  mkdir "$2"
  cp "$1/config.json" "$1/model.safetensors" "$2"
  {
    printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' hello world
    for ((i = 7; i < words; ++i)); do echo "word$i"; done
  } >"$2/vocab.txt"
}
