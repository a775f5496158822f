#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/golden/families: a tiny model with random weights for each model family and head, made
and run by Hugging Face transformers, and what it answers in float64.

    pip install torch transformers safetensors
    tests/golden/make_families.py [FOLDER]

Weights are stored as F16 and run with exactly these values. Made with transformers 5.24 and torch 2.8.
"""
import json
import pathlib
import sys

import torch
import transformers
from safetensors.torch import save_file

OUT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "families")
HIDDEN, HEADS, LAYERS, INNER, VOCABULARY, POSITIONS, LABELS = 18, 2, 2, 20, 37, 16, 3
HEAD_CLASSES = {
    "sequence": "ForSequenceClassification",
    "token": "ForTokenClassification",
    "span": "ForQuestionAnswering",
    "masked_lm": "ForMaskedLM",
    "embedding": "Model",
    "pretraining": "ForPreTraining",
    "choice": "ForMultipleChoice",
}
BERT = dict(hidden_size=HIDDEN, num_attention_heads=HEADS, num_hidden_layers=LAYERS, intermediate_size=INNER,
            vocab_size=VOCABULARY, max_position_embeddings=POSITIONS)
ROBERTA = BERT | dict(max_position_embeddings=POSITIONS + 2, type_vocab_size=1, layer_norm_eps=1e-5)
# Family: stem of its classes, fields of its config, heads.
FAMILIES = {
    "distilbert": ("DistilBert", dict(dim=HIDDEN, n_heads=HEADS, n_layers=LAYERS, hidden_dim=INNER,
                                      vocab_size=VOCABULARY, max_position_embeddings=POSITIONS),
                   ["sequence", "token", "span", "masked_lm"]),
    "roberta": ("Roberta", ROBERTA, ["sequence", "token", "span", "masked_lm", "embedding"]),
    "xlm-roberta": ("XLMRoberta", ROBERTA, ["sequence"]),
    "camembert": ("Camembert", ROBERTA, ["sequence"]),
    # The published checkpoint is a BERT whose config says "bort".
    "bort": ("Bert", BERT | dict(type_vocab_size=1), ["masked_lm"]),
    "electra": ("Electra", BERT | dict(embedding_size=12), ["sequence", "token", "span", "masked_lm", "pretraining"]),
    "albert": ("Albert", BERT | dict(embedding_size=12, hidden_act="gelu"), ["sequence", "token", "span", "masked_lm"]),
    # Longer texts than the distance from which its attention bias is constant, and than a vector of keys.
    "mpnet": ("MPNet", BERT | dict(max_position_embeddings=130, layer_norm_eps=1e-5),
              ["sequence", "token", "span", "masked_lm", "embedding", "choice"]),
    # Windows of 3 tokens to each side in layers 1 and 2.
    "modernbert": ("ModernBert", dict(
        hidden_size=20, num_attention_heads=2, num_hidden_layers=4, intermediate_size=26, vocab_size=VOCABULARY,
        max_position_embeddings=160, pad_token_id=1, bos_token_id=0, eos_token_id=2, cls_token_id=0, sep_token_id=2,
        local_attention=6, rope_parameters={"full_attention": {"rope_type": "default", "rope_theta": 5000.0},
                                            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}),
                   ["sequence", "token", "span", "masked_lm", "embedding", "choice"]),
}
# What differs for one head.
FIELDS = {"modernbert": {
    "token": dict(norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True),
    "span": dict(classifier_activation="silu", hidden_activation="gelu_pytorch_tanh"),
    "masked_lm": dict(norm_bias=True, decoder_bias=False),
    "choice": dict(classifier_pooling="mean"),
}}
# Tokens of the two texts of a batch, of which the second is padded.
LENGTHS = {"mpnet": {"sequence": (120, 40)}, "modernbert": {"embedding": (150, 70)}}


def randomize(model, generator):
    """Weights large enough that every part moves the answer, rounded to what F16 holds."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            values = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            norm = "norm" in name.lower() and name.endswith("weight")
            spread = 0.2 if p.dim() == 1 else 1.0 if "embeddings" in name else 1.6 / p.shape[-1] ** 0.5
            p.copy_(((1.0 if norm else 0.0) + spread * values).half().to(p.dtype))


def with_older_names(config):
    """The config as transformers 4 wrote it."""
    rope = config.pop("rope_parameters")
    del config["layer_types"]
    return config | dict(global_rope_theta=rope["full_attention"]["rope_theta"], global_attn_every_n_layers=3,
                         local_rope_theta=rope["sliding_attention"]["rope_theta"])


def make(family, stem, fields, head, seed):
    generator = torch.Generator().manual_seed(seed)
    fields = fields | FIELDS.get(family, {}).get(head, {})
    config = getattr(transformers, stem + "Config")(num_labels=2 if head in ("span", "choice") else LABELS, **fields)
    model = getattr(transformers, stem + HEAD_CLASSES[head])(config).double().eval()
    randomize(model, generator)

    lengths = LENGTHS.get(family, {}).get(head, (9, 5))
    columns = lengths[0]
    ids = torch.randint(5, VOCABULARY, (len(lengths), columns), generator=generator)
    mask = torch.tensor([[int(c < n) for c in range(columns)] for n in lengths])
    ids[mask == 0] = config.pad_token_id
    types = torch.zeros_like(ids)
    inputs = dict(input_ids=ids, attention_mask=mask)
    if getattr(config, "type_vocab_size", 1) > 1:
        types[:, 3:] = 1
        inputs["token_type_ids"] = types
    normalised = []  # the hidden rows that layers of a model with norms first read
    if family == "modernbert":
        for layer in model.model.layers if hasattr(model, "model") else model.layers:
            layer.attn.register_forward_pre_hook(lambda _, args: normalised.append(args[0]))
    with torch.no_grad():
        if head == "choice":
            inputs = {k: v[None] for k, v in inputs.items()}
        out = model(**inputs, output_hidden_states=True)

    expected = {}
    if head == "sequence":
        expected["logits"] = out.logits
        hidden = normalised + [out.hidden_states[-1]] if normalised else out.hidden_states
        for l, rows in enumerate(hidden):
            # transformers gives ALBERT's and ELECTRA's embeddings after their linear map
            if rows.shape[-1] == config.hidden_size:
                expected[f"hidden.{l}"] = rows
    elif head == "span":
        expected["logits"] = torch.stack([out.start_logits, out.end_logits], -1)
    elif head == "choice":
        expected["logits"] = out.logits[0, :, None]
    elif head in ("token", "masked_lm"):
        expected["logits"] = out.logits
    else:
        m = mask[..., None].double()
        mean = (out.hidden_states[-1] * m).sum(1) / m.sum(1)
        expected["logits"] = mean / mean.norm(dim=1, keepdim=True)

    folder = OUT / f"{family}-{head}"
    folder.mkdir(parents=True, exist_ok=True)
    model.half().save_pretrained(folder, safe_serialization=True)
    (folder / "generation_config.json").unlink(missing_ok=True)
    written = json.loads((folder / "config.json").read_text())
    if family == "bort":
        written["model_type"] = "bort"
    if (family, head) == ("modernbert", "token"):
        written = with_older_names(written)
    (folder / "config.json").write_text(json.dumps(written, indent=1) + "\n")
    save_file({k: v.float().contiguous() for k, v in expected.items()}, folder / "expected.safetensors")
    recorded = dict(input_ids=ids.tolist(), token_type_ids=types.tolist(), attention_mask=mask.tolist())
    (folder / "inputs.json").write_text(json.dumps(recorded) + "\n")
    print(folder.name, {k: f"{v.abs().max():.2f}" for k, v in expected.items()})


for number, (name, (stem, fields, heads)) in enumerate(FAMILIES.items()):
    for at, head in enumerate(heads):
        make(name, stem, fields, head, 100 * number + at)
