// SPDX-License-Identifier: Apache-2.0
// Converts the canonical f32 tensors of a lowbit model to a BERT encoder in ONNX, in the form that
// ONNX Runtime runs fastest: its own fused operators, in f32, or with dynamically quantized
// activations and 8-bit weights as produced by its quantizer.
#pragma once

#include <string>

#include "lowbit/io/canonical_model.hpp"

namespace lowbit_bench {

enum class onnx_format : std::uint8_t { f32, int8 };

/// Inputs "ids" and, with `masked`, "mask", both (B, S) int32; output "hidden" (B, S, D).
/// Errors: a tensor that is missing or not f32.
lowbit::result<std::string> onnx_bert(const lowbit::canonical_model& model, onnx_format format,
                                      bool masked);

}  // namespace lowbit_bench
