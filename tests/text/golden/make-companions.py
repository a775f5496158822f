#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes companions.json: tokenizer folders, and the ids that transformers' AutoTokenizer gives.

usage: make-companions.py, beside vocab.txt and tokenizer.json; needs transformers (recorded with 5.24.0)
"""
import json
import pathlib
import random
import tempfile

import transformers

here = pathlib.Path(__file__).parent
texts = [
    "<e1> john </e1> lives",
    "hello [MASK] world <X> <e1></e1>x",
    "a<e1>b <new tok> New TOK \u00c9X \u00e9x",
    "[PAD] the <e1>  <e1> end",
]
candidates = ["<e1>", "</e1>", "<X>", "<new tok>", "\u00e9x", "hello", "[MASK]", "new"]
modes = ["decoder", "added", "additional", "extra", "extra_named", "both", "map", "json"]
rnd = random.Random(7)


def token(content):
    flags = {f: rnd.random() < 0.3 for f in ("lstrip", "rstrip", "single_word")}
    return {"content": content, **flags, "normalized": rnd.random() < 0.5, "special": rnd.random() < 0.5}


def case(mode, vocabulary, known):
    """The files beside the vocabulary."""
    files = {"config.json": {"model_type": "bert"}}
    config = {"tokenizer_class": rnd.choice(["BertTokenizer", "BertTokenizerFast"]), "do_lower_case": rnd.random() < 0.5}
    new = [c for c in candidates if c not in known]
    rnd.shuffle(new)
    new = new[: rnd.randint(1, 3)]
    old = [c for c in candidates if c in known][:1]
    decoder = {str(len(known) + i): token(c) for i, c in enumerate(new)}
    if mode in ("decoder", "both"):
        config["added_tokens_decoder"] = {**decoder, **{str(known.index(c)): token(c) for c in old}}
    if mode in ("additional", "both"):
        config["additional_special_tokens"] = new + old
    if mode == "added":
        files["added_tokens.json"] = {c: len(known) + i for i, c in enumerate(new)}
    if mode == "extra":
        config["extra_special_tokens"] = new
    if mode == "extra_named":
        config["extra_special_tokens"] = {f"k{i}": c for i, c in enumerate(new)}
    if mode == "map":
        files["special_tokens_map.json"] = {"additional_special_tokens": new, "mask_token": token("[MASK]")}
    if mode == "json":
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": decoder}
    files["tokenizer_config.json"] = config
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / vocabulary).write_bytes((here / vocabulary).read_bytes())
        for name, content in files.items():
            (pathlib.Path(folder) / name).write_text(json.dumps(content))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        return {"vocabulary": vocabulary, "files": files, "ids": [tokenizer(t)["input_ids"] for t in texts]}


words = (here / "vocab.txt").read_text().splitlines()
parts = json.loads((here / "tokenizer.json").read_text())
tokens = list(parts["model"]["vocab"])
tokens += [t["content"] for t in parts["added_tokens"] if t["content"] not in parts["model"]["vocab"]]
cases = []  # no two tokens that normalization makes equal: the reference takes any of them
for i in range(48):
    mode = modes[i % len(modes)]
    cases.append(case(mode, *(("tokenizer.json", tokens) if mode == "json" else ("vocab.txt", words))))
out = {"source": f"transformers {transformers.__version__}, AutoTokenizer", "texts": texts, "cases": cases}
text = json.dumps(out, separators=(",", ":")).replace('{"vocabulary"', '\n{"vocabulary"')
(here / "companions.json").write_text(text + "\n")
