#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records a small random BertForMaskedLM of Hugging Face under every hidden_act that lowbit reads.

Needs: pip install torch transformers safetensors (recorded with torch 2.8 and transformers 5.24).
Writes next to this file: hidden_act.json and hidden_act.safetensors, the config and the weights of
one model for all functions, and hidden_act_logits.safetensors: input_ids (T), and per name the
logits (T, V) computed in float64.
The weights are large, so that functions that are close to each other give other logits.
"""
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM

NAMES = ["gelu", "gelu_python", "relu", "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh",
         "gelu_fast", "gelu_accurate", "silu", "swish", "quick_gelu"]
SHAPE = {"vocab_size": 27, "hidden_size": 18, "num_hidden_layers": 2, "num_attention_heads": 3,
         "intermediate_size": 37, "max_position_embeddings": 9, "type_vocab_size": 2}

here = Path(__file__).resolve().parent
torch.manual_seed(7)
ids = torch.randint(5, SHAPE["vocab_size"], (1, SHAPE["max_position_embeddings"]))


def model_with(name):
    config = BertConfig(**SHAPE, hidden_act=name, attn_implementation="eager")
    return BertForMaskedLM(config).eval()


weights = {}
for name, value in model_with("gelu").state_dict().items():
    if name == "cls.predictions.decoder.weight" or name == "cls.predictions.decoder.bias":
        continue  # tied to the word embeddings and to cls.predictions.bias
    if not value.is_floating_point():
        continue
    spread = 0.2 if name.endswith("bias") or "LayerNorm" in name else 0.6
    centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
    weights[name] = (centre + spread * torch.randn(value.shape)).contiguous()

expected = {"input_ids": ids[0].float()}
for name in NAMES:
    model = model_with(name)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    assert not unexpected and all("decoder" in m or "position_ids" in m for m in missing), missing
    model.tie_weights()
    with torch.no_grad():
        expected[name] = model.double()(input_ids=ids).logits[0].float().contiguous()

save_file(weights, here / "hidden_act.safetensors")
save_file(expected, here / "hidden_act_logits.safetensors")
config = {"architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_act": "gelu",
          "layer_norm_eps": 1e-12, **SHAPE}
(here / "hidden_act.json").write_text(json.dumps(config, indent=1) + "\n")
