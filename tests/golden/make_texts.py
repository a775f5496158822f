#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/texts: tiny encoders with random weights and their tokenizers, and what Hugging Face
transformers makes of texts: ids, and the mean of the last hidden rows with length 1.

    pip install torch transformers safetensors
    tests/golden/make_texts.py [FOLDER]

Made with transformers 5.24 and torch 2.8.
"""
import json
import pathlib
import sys

import torch
import transformers

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "texts")
TEXTS = ["The good movies", "Angela  was the first\tpresident, who is bigger and washes bad days!",
         "a " * 90 + "Zürich 東京"]


def mpnet(folder):
    words = ("<s> <pad> </s> <unk> [UNK] <mask> the good movie ##s bad day angela was first president , who is big "
             "##ger and wash ##es ! a zurich").split()
    (folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "MPNetTokenizer", "do_lower_case": true}\n')
    config = transformers.MPNetConfig(vocab_size=len(words), hidden_size=16, num_attention_heads=2, num_hidden_layers=2,
                                      intermediate_size=24, max_position_embeddings=130, layer_norm_eps=1e-5)
    return transformers.MPNetModel(config), "MPNetForMaskedLM"


for number, make in enumerate([mpnet]):
    folder = OUT / make.__name__
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(number)
    model, architecture = make(folder)
    with torch.no_grad():
        for name, p in model.named_parameters():
            spread = 0.2 if p.dim() == 1 else 1.0 if "embeddings" in name else 1.6 / p.shape[-1] ** 0.5
            p.copy_((float("norm" in name.lower() and name.endswith("weight")) + spread * torch.randn(p.shape)).half())
    model.half().save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = [architecture]  # as published: the class of the pre-training
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = model.double().eval()
    out = []
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        rows = model(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    for text, ids, mask, hidden in zip(TEXTS, batch["input_ids"], batch["attention_mask"], rows):
        mean = hidden[mask == 1].mean(0)
        out.append({"text": text, "ids": ids[mask == 1].tolist(),
                    "embedding": [float(f"{v:.7g}") for v in (mean / mean.norm()).tolist()]})
    (folder / "expected.json").write_text(json.dumps(out) + "\n")
    print(folder.name, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()), "bytes")
