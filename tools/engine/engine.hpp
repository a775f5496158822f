// SPDX-License-Identifier: Apache-2.0
// One program, every CPU: the encoder is compiled once per instruction set (engine_scalar,
// engine_avx2, engine_avx512) and reached through a table of plain function pointers. Everything
// that crosses this boundary is plain data declared outside lowbit's inline namespace, and the
// engines instantiate no standard container, so no code compiled for AVX can end up in the baseline
// part.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lowbit_engine {

enum class policy : std::uint8_t { fp32, fp32_relu, bibert, bibert_plus_one, bit };

struct shape {
  std::size_t layers, hidden, heads, intermediate, vocabulary, positions, token_types, labels;
  float layer_norm_eps;
  bool relu_before_classifier;
};

struct tensor {
  const char* name;
  const std::byte* data;
  bool bytes;  // U8 instead of F32
  std::size_t rank;
  std::size_t extents[2];
};

struct batch {
  const std::int32_t* ids;
  const std::int32_t* type_ids;   // may be null
  const std::int32_t* positions;  // may be null
  const std::uint32_t* offsets;   // sentences + 1
  std::size_t sentences;
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
};

/// A message in the caller's memory; empty when all went well.
struct error {
  char text[512];
};

/// The functions of one instruction set. A model lives in `memory` of model_bytes bytes, aligned
/// to 64.
struct engine {
  const char* arch;
  std::size_t (*model_bytes)(policy, const shape&);
  bool (*load)(policy, const shape&, const tensor* tensors, std::size_t count, std::byte* memory,
               std::size_t bytes, error& why);
  std::size_t (*workspace_bytes)(policy, const shape&, const batch&, std::size_t workers,
                                 bool observed);
  bool (*run)(policy, const std::byte* model, const batch&, std::byte* workspace, std::size_t bytes,
              const executor&, const observer*, float* logits, error& why);
};

// Which of them exist is the build's choice (LOWBIT_ARCHS).
extern const engine engine_scalar;
extern const engine engine_avx2;
extern const engine engine_avx512;

}  // namespace lowbit_engine
