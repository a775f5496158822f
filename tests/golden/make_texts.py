#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/texts: tiny encoders with random weights and their tokenizers, and what Hugging Face
transformers makes of texts: ids, and the mean of the last hidden rows with length 1.

    pip install torch transformers safetensors tokenizers
    tests/golden/make_texts.py [FOLDER]

Made with transformers 5.24, tokenizers 0.23 and torch 2.8.
"""
import json
import pathlib
import sys

import tokenizers
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


def modernbert(folder):
    """With the tokenizer's pipeline of the published one: NFC, byte-level BPE, added tokens of blanks."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.normalizer = tokenizers.normalizers.NFC()
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    specials = ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=290, special_tokens=specials, show_progress=False,
                                             initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["the good movies", "president", "who is bigger", "bad days"], trainer)
    tokenizer.add_tokens([tokenizers.AddedToken("  ", normalized=True)])
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:0 [SEP]:0", special_tokens=[("[CLS]", 0), ("[SEP]", 2)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]",
        mask_token="[MASK]", model_input_names=["input_ids", "attention_mask"]).save_pretrained(folder)
    config = transformers.ModernBertConfig(
        vocab_size=len(tokenizer.get_vocab()), hidden_size=16, num_attention_heads=2, num_hidden_layers=4, intermediate_size=24,
        max_position_embeddings=220, local_attention=8, pad_token_id=1, cls_token_id=0, bos_token_id=0, sep_token_id=2,
        eos_token_id=2)
    return transformers.ModernBertModel(config), "ModernBertForMaskedLM"


for number, make in enumerate([mpnet, modernbert]):
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
    # Read again: half() has rounded the frequencies of rotary positions, which no file holds.
    model = type(model).from_pretrained(folder, dtype=torch.float64).eval()
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
