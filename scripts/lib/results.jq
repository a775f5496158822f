# SPDX-License-Identifier: Apache-2.0
# Converts the rows of one data set (an array) to a Markdown table: one line per recipe, means over seeds.
def mean: add / length;
def percent: . * 10000 | round / 100 | tostring;
def spread: if length > 1 then " ± " + ((max - min) * 5000 | round / 100 | tostring) else "" end;
def numbers_of(f): map(f) | map(select(. != null));
# The teacher with seed 1 is the teacher of all rows.
(map(select(.recipe == "teacher" and .seed == 1)) | numbers_of(.test)[0]) as $teacher |
.[0].metric as $metric |
(numbers_of(.measures.attention_entropy) | length > 0) as $entropy |
# Rows in the order of the recipes in scripts/reproduce ($order), teacher first.
(["teacher"] + ($order | split(" "))) as $names |
["| recipe | policy | seeds | validation \($metric) % | test \($metric) % | of the teacher | KB | ms / sentence | speedup over fp32 |" +
   (if $entropy then " attention entropy, bits |" else "" end),
 "|---|---|---:|---:|---:|---:|---:|---:|---:|" + (if $entropy then "---:|" else "" end)] +
(group_by(.recipe) | sort_by(.[0].recipe as $r | $names | index($r)) | map(
  . as $all | numbers_of(.test) as $test | numbers_of(.validation) as $dev |
  numbers_of(.measures.attention_entropy) as $bits |
  numbers_of(.ms) as $ms | numbers_of(if .ms then .teacher_ms / .ms else null end) as $faster |
  "| \(.[0].recipe) | \(.[0].policy // "-") | \(length) | " +
  "\(if ($dev | length) > 0 then ($dev | mean | percent) + ($dev | spread) else "-" end) | " +
  "\(if ($test | length) > 0 then ($test | mean | percent) + ($test | spread) else "-" end) | " +
  "\(if $teacher != null and ($test | length) > 0 then (($test | mean) / $teacher | percent) + " %" else "-" end) | " +
  "\(if .[0].bytes != null then .[0].bytes / 1000 | round else "-" end) | " +
  "\(if ($ms | length) > 0 then ($ms | mean * 1000 | round / 1000) else "-" end) | " +
  "\(if ($faster | length) > 0 then ($faster | mean * 100 | round / 100) else "-" end) |" +
  (if $entropy then " \(if ($bits | length) > 0 then ($bits | mean * 1000 | round / 1000) else "" end) |" else "" end)
)) | .[]
