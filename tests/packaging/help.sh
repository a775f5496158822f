#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# help.sh PROGRAM: it and every verb that it lists start with --help: exit code 0, a usage line, nothing on stderr. The
# names of options are checked at each start: one that CLI11 refuses ends every verb.
set -euo pipefail
program=$1

failures=0
expect_help() { # [VERB]
  local code=0 help messages
  messages=$(mktemp)
  help=$("$program" "$@" --help 2>"$messages" </dev/null) || code=$?
  if ((code != 0)) || [[ -s $messages || $help != *"[OPTIONS]"* ]]; then
    failures=$((failures + 1))
    printf 'FAILED: %s --help: exit code %d\n%s\n%s\n' "$*" "$code" "$help" "$(cat "$messages")" >&2
  fi
  rm "$messages"
}

expect_help
# "Subcommands:" or "SUBCOMMANDS:", then an indented line that begins with the name of each.
mapfile -t verbs < <("$program" --help | awk 'tolower($1) == "subcommands:" { on = 1; next } on && /^  [a-z]/ { print $1 }')
if ((${#verbs[@]} < 10)); then
  printf 'FAILED: the help lists %d verbs: %s\n' "${#verbs[@]}" "${verbs[*]}" >&2
  exit 1
fi
for verb in "${verbs[@]}"; do expect_help "$verb"; done
if ((failures != 0)); then exit 1; fi
printf '%d verbs: %s\n' "${#verbs[@]}" "${verbs[*]}"
