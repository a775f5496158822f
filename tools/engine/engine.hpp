// SPDX-License-Identifier: Apache-2.0
// One program, every CPU: the encoder is compiled once per instruction set (engine_scalar,
// engine_avx2, engine_avx512, engine_amx) and reached through a table of plain function pointers.
// Everything that crosses this boundary is plain data declared outside lowbit's inline namespace,
// and the engines instantiate no standard container, so no code compiled for AVX can end up in the
// baseline part.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lowbit_engine {

/// What is compiled: mixtures of float or of integer formats as the file names them, and the
/// one-bit schemes.
enum class policy : std::uint8_t {
  floats,
  floats_relu,
  integers,
  integers_relu,
  static_integers,
  bibert,
  bibert_plus_one,
  bit,
  ibert,
  ibert_relu,
  ternarybert_w2a8,
  ternarybert_w2a4,
  binarybert_w2a8,  // gelu with 8 bits, relu with 4, or by name the other
  binarybert_w2a8_relu,
  binarybert_w2a4,
  binarybert_w2a4_gelu,
  binarybert_w1a8,
  binarybert_w1a8_relu,
  binarybert_w1a4,
  binarybert_w1a4_gelu,
  binarybert_split_w1a8,
  binarybert_split_w1a8_relu,
  binarybert_split_w1a4,
  binarybert_split_w1a4_gelu
};

/// As lowbit::head_kind.
enum class head : std::uint8_t { sequence, token, span, masked_lm, mean_embedding, cls_embedding };

struct shape {
  std::size_t layers, hidden, heads, intermediate, vocabulary, positions, token_types, labels;
  float layer_norm_eps;
  bool relu_before_classifier;
  head task;
  std::size_t attention;  // 0: hidden
};

/// As lowbit::stored_type.
enum class element : std::uint8_t { f32, u8, i8, i32, f16, bf16 };

struct tensor {
  const char* name;
  const std::byte* data;
  element type;
  std::size_t rank;
  std::size_t extents[2];
};

struct batch {
  const std::int32_t* ids;
  const std::int32_t* type_ids;   // may be null
  const std::int32_t* positions;  // may be null
  const std::uint32_t* offsets;   // sentences + 1
  std::size_t sentences;
  const std::uint32_t* asked;  // token rows that a masked language model answers; else null
  std::size_t asked_count;
  const std::uint32_t* valid;  // tokens of each sentence that are no padding; null: all
};

/// Of what a run writes.
struct extents {
  std::size_t rows, cols;
};

/// The caller's threads; see core/executor.hpp.
struct executor {
  std::size_t workers;
  void* self;
  void (*run)(void* self, std::size_t tasks, void* task,
              void (*call)(void* task, std::size_t index, std::size_t worker));
};

struct rows {
  const float* data;
  std::size_t count, cols, stride;
};

/// Sees intermediate values; every function may be called many times, always from the calling
/// thread.
struct observer {
  void* self;
  void (*hidden)(void* self, std::size_t index, rows values);  // index 0: embeddings
  void (*scores)(void* self, std::size_t layer, std::size_t sentence, std::size_t first_row,
                 std::size_t head, rows values);
  void (*context)(void* self, std::size_t layer, std::size_t sentence, std::size_t first_row,
                  std::size_t head, rows values);
  void (*pooled)(void* self, rows values);
  /// At every lowbit::activation_site of a layer; may be null.
  void (*site)(void* self, std::size_t layer, std::size_t site, rows values) = nullptr;
};

/// A message in the caller's memory; empty when all went well.
struct error {
  std::uint8_t code;  // a lowbit::errc
  char text[512];
};

/// The functions of one instruction set. A model lives in `memory` of model_bytes bytes, aligned
/// to 64; policy and shape of every call are those it was loaded with.
struct engine {
  const char* arch;
  /// Policies that this engine computes; the others belong to `below`, which computes all.
  bool (*computes)(policy);
  const engine* below;
  std::size_t (*model_bytes)(policy, const shape&, const tensor* tensors, std::size_t count);
  bool (*load)(policy, const shape&, const tensor* tensors, std::size_t count, std::byte* memory,
               std::size_t bytes, error& why);
  extents (*output)(policy, const shape&, const batch&);
  std::size_t (*workspace_bytes)(policy, const shape&, const batch&, std::size_t workers,
                                 bool observed);
  bool (*run)(policy, const shape&, const std::byte* model, const batch&, std::byte* workspace,
              std::size_t bytes, const executor&, const observer*, float* out, error& why);
  /// One encoder layer on hidden rows (tokens, hidden), in place.
  bool (*run_layer)(policy, const shape&, const std::byte* model, std::size_t index, const batch&,
                    std::byte* workspace, std::size_t bytes, const executor&, float* hidden,
                    error& why);
};

// Which of them exist is the build's choice (LOWBIT_ARCHS).
extern const engine engine_scalar;
extern const engine engine_avx2;
extern const engine engine_avx512;
extern const engine engine_amx;

}  // namespace lowbit_engine
