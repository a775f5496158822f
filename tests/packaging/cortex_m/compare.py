#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py EXPECTED ACTUAL: EXPECTED has the lines of `lowbit classify --json --top N` with all N labels, ACTUAL those of
examples/cortex-m with the argument `logits`. Every label and every bit of every logit must be the same."""
import json
import struct
import sys


def bits(value):
    return struct.pack("<f", value)[::-1].hex()


expected = [json.loads(line)["labels"] for line in open(sys.argv[1], encoding="utf-8")]
actual = [line.rstrip("\n").split("\t") for line in open(sys.argv[2], encoding="utf-8")]
if len(actual) != len(expected) or not expected:
    sys.exit(f"{len(actual)} lines of answers, expected {len(expected)}")
logits = 0
for number, (labels, answer) in enumerate(zip(expected, actual), 1):
    if answer[0] != labels[0]["label"]:
        sys.exit(f"line {number}: label {answer[0]}, expected {labels[0]['label']}")
    wanted = sorted(bits(label["logit"]) for label in labels)
    found = sorted(answer[-1].split())
    if found != wanted:
        differ = sum(a != b for a, b in zip(found, wanted))
        sys.exit(f"line {number}: {differ} of {len(wanted)} logits differ")
    logits += len(wanted)
print(f"{len(expected)} texts, {logits} logits: the same bits")
