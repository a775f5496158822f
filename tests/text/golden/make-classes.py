#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes classes.json: what `tokenizers` takes for letters, numbers, spaces and marks, and the normal forms.

usage: make-classes.py (recorded with tokenizers 0.23.2; takes minutes)
Ranges of code points for the classes. Normal forms as one FNV-1a hash for each block of 4096 code points: of the
normalized UTF-8 of each code point and a byte 0xFF.
"""
import json
import pathlib

import tokenizers
from tokenizers import normalizers as norm
from tokenizers import pre_tokenizers as pre

points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
byte_level = pre.ByteLevel(add_prefix_space=False)
digits = pre.Digits(individual_digits=True)
accents = norm.StripAccents()
classes = {
    "letter": lambda c: len(byte_level.pre_tokenize_str("a" + c)) == 1,
    "number": lambda c: len(byte_level.pre_tokenize_str("1" + c)) == 1,
    "space": lambda c: len(byte_level.pre_tokenize_str("\t" + c)) == 1,
    "digit": lambda c: len(digits.pre_tokenize_str("a" + c)) == 2,
    "mark": lambda c: accents.normalize_str("a" + c) == "a",
}
forms = {"NFC": norm.NFC(), "NFD": norm.NFD(), "NFKC": norm.NFKC(), "NFKD": norm.NFKD(), "Nmt": norm.Nmt()}


def ranges(holds):
    out = []
    for c in points:
        if not holds(chr(c)):
            continue
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def hashes(form):
    out = []
    for block in range(0, 0x110000, 4096):
        value = 0xCBF29CE484222325
        for c in range(block, block + 4096):
            if 0xD800 <= c <= 0xDFFF:
                continue
            for byte in form.normalize_str(chr(c)).encode() + b"\xff":
                value = (value ^ byte) * 0x100000001B3 % 2**64
        out.append(f"{value:016x}")
    return out


out = {"source": f"tokenizers {tokenizers.__version__}"}
out["classes"] = {name: ranges(holds) for name, holds in classes.items()}
out["forms"] = {name: hashes(form) for name, form in forms.items()}
text = json.dumps(out, separators=(",", ":")).replace('],"', '],\n"')
(pathlib.Path(__file__).parent / "classes.json").write_text(text + "\n")
