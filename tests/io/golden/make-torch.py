#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the files of torch.save that the io tests read, and the same tensors as safetensors.

usage: make-torch.py [FOLDER]    (needs the packages torch and safetensors)
Written with torch 2.8.0 and safetensors 0.8.0; the tensors do not depend on the versions.
"""

import pathlib
import sys

import torch
from safetensors.torch import save_file

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
folder = folder if folder.is_dir() else folder.parent

module = torch.nn.Sequential()
module.add_module("dense", torch.nn.Linear(3, 2))
module.add_module("norm", torch.nn.LayerNorm(2))
with torch.no_grad():
    module.dense.weight.copy_(torch.arange(6).reshape(2, 3) / 8 - 0.25)
    module.dense.bias.copy_(torch.tensor([0.5, -2.0]))
tensors = module.state_dict()  # an OrderedDict with the attribute _metadata
table = torch.arange(20, dtype=torch.float32).reshape(5, 4) / 4
tensors["table"] = table
tensors["tied"] = table
tensors["transposed"] = table.t()
tensors["permuted"] = torch.arange(24, dtype=torch.int16).reshape(2, 3, 4).permute(2, 0, 1)
tensors["rows"] = table[1:3]
tensors["columns"] = table[:, 1:3]
tensors["repeated"] = torch.tensor([7.0]).expand(3, 2)
tensors["parameter"] = torch.nn.Parameter(torch.tensor([[1.5]]))
tensors["scalar"] = torch.tensor(-3)
tensors["empty"] = torch.zeros(0, 4)
for kind in ("float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"):
    tensors[kind] = torch.tensor([0, 1, 2, 100], dtype=getattr(torch, kind))
tensors["n\u00e4me"] = torch.ones(1)

torch.save(tensors, folder / "zip.bin")
torch.save(dict(tensors), folder / "zip_protocol4.bin", pickle_protocol=4)
torch.save(tensors, folder / "legacy.bin", _use_new_zipfile_serialization=False)
save_file({name: t.detach().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()},
          folder / "tensors.safetensors")
