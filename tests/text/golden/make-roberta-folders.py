#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes roberta_folders.json: folders with vocab.json and merges.txt, and the ids that AutoTokenizer gives.

usage: make-roberta-folders.py, beside pipelines.json; needs transformers (recorded with 5.24.0)
"""
import json
import pathlib
import tempfile

import transformers

here = pathlib.Path(__file__).parent
texts = ["hello <mask> world", "low  lower<mask>", "<s>it's</s> new<X> <e1>wide", " <pad><unk> don't\nCLS SEP", "newest<e1>running \u00e9\U0001F44D"]
pairs = [[texts[0], texts[3]], ["", "a b"]]
cases = [
    {},
    {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True}},
    {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizerFast", "trim_offsets": False, "model_max_length": 512}},
    {"added_tokens.json": {"<e1>": 340, "<X>": 341}},
    {"special_tokens_map.json": {"additional_special_tokens": ["<X>", "<e1>"]}},
    {"special_tokens_map.json": {"mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": True}, "bos_token": "<s>", "eos_token": "</s>"}},
    {"special_tokens_map.json": {"mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}, "cls_token": "<s>", "sep_token": "</s>"}},
    {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer", "added_tokens_decoder": {"4": {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": False, "single_word": False, "special": True}, "340": {"content": "<e1>", "lstrip": False, "rstrip": True, "normalized": False, "single_word": False, "special": False}}}},
    {"tokenizer_config.json": {"tokenizer_class": "RobertaTokenizer", "cls_token": "<unk>", "sep_token": "<pad>"}},
]


def ids(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    single = [tokenizer(t, return_offsets_mapping=True) for t in texts]
    return {
        "ids": [e["input_ids"] for e in single],
        "pairs": [tokenizer(a, b)["input_ids"] for a, b in pairs],
    }


def main():
    described = json.loads((here / "pipelines.json").read_text())["pipelines"][0]["tokenizer"]["model"]
    files = {"vocab.json": json.dumps(described["vocab"]), "merges.txt": "#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in described["merges"])}
    out = []
    for case in cases:
        case = {"config.json": {"model_type": "roberta"}, **case}
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                (pathlib.Path(folder) / name).write_text(text)
            for name, content in case.items():
                (pathlib.Path(folder) / name).write_text(json.dumps(content))
            out.append({"files": case, **ids(folder)})
    text = json.dumps({"source": f"transformers {transformers.__version__}, AutoTokenizer", "texts": texts, "pairs": pairs, "cases": out}, separators=(",", ":"))
    (here / "roberta_folders.json").write_text(text.replace('{"files"', '\n{"files"') + "\n")


if __name__ == "__main__":
    main()
