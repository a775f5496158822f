#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes mpnet_folders.json: folders with vocab.txt, and what AutoTokenizer makes of texts.

usage: make-mpnet-folders.py; needs transformers (recorded with 5.24.0)
"""
import json
import pathlib
import tempfile

import transformers

here = pathlib.Path(__file__).parent
words = "<s> <pad> </s> <unk> [UNK] <mask> the good movie ##s bad new york é cafe , ##e".split()
texts = ["The good  <mask> Movies é café", "a <s> bad</s>", "", " <mask>", "the<pad>e [UNK]<unk>, york"]
pairs = [["good <mask>", "bad movies"], ["", "new"]]
options = dict(content="<mask>", rstrip=False, normalized=False, single_word=False, special=True)
cases = [
    {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer"}},
    {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizerFast", "mask_token": "<mask>", "do_lower_case": False}},
    {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer", "strip_accents": False, "cls_token": "the",
                               "unk_token": "<unk>"}},
    {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer",
                               "added_tokens_decoder": {"5": dict(options, lstrip=False)}}},
    {"tokenizer_config.json": {"tokenizer_class": "MPNetTokenizer"},
     "special_tokens_map.json": {"mask_token": {k: v for k, v in dict(options, lstrip=False).items() if k != "special"}}},
]


def encoded(tokenizer, *text):
    e = tokenizer(*text, return_offsets_mapping=True)
    assert "token_type_ids" not in e
    # The reference counts characters, this library bytes; the offsets of a pair's second text are its own.
    texts = [None if s is None else text[s] for s in e.sequence_ids()]
    offsets = [[0, 0] if t is None else [len(t[:at].encode()) for at in o] for t, o in zip(texts, e["offset_mapping"])]
    return {"ids": e["input_ids"], "types": [0] * len(offsets), "offsets": offsets}


out = []
for case in cases:
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "vocab.txt").write_text("\n".join(words) + "\n")
        for name, content in {"config.json": {"model_type": "mpnet"}, **case}.items():
            (pathlib.Path(folder) / name).write_text(json.dumps(content))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        out.append({"files": case, "texts": [encoded(tokenizer, t) for t in texts],
                    "pairs": [encoded(tokenizer, *p) for p in pairs]})
text = json.dumps({"source": f"transformers {transformers.__version__}, AutoTokenizer", "words": words, "texts": texts,
                   "pairs": pairs, "cases": out}, separators=(",", ":"), ensure_ascii=True)
(here / "mpnet_folders.json").write_text(text.replace('{"files"', '\n{"files"') + "\n")
