// SPDX-License-Identifier: Apache-2.0
// One program, every CPU: the encoders of program_policies, compiled once per instruction set
// (cmake/lowbit_engine.cmake) and reached through a table of functions. What crosses this boundary
// is plain data outside the namespaces of instruction sets, and the engines instantiate no standard
// container, so no code compiled for AVX can end up in the baseline part.
#pragma once

#include "lowbit/arch/list.hpp"
#include "lowbit/boundary/batch.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/boundary/weights.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit {

/// Of what a run writes.
struct output_extents {
  std::size_t rows, cols;
};

/// The caller's threads; see core/executor.hpp.
struct engine_threads {
  std::size_t workers;
  void* self;
  void (*run)(void* self, std::size_t tasks, void* task,
              void (*call)(void* task, std::size_t index, std::size_t worker));
};

/// Sees intermediate values. A function may be null; it may be called many times, always from the
/// calling thread.
struct run_observer {
  using rows = matrix_view<const float>;

  void* self;
  void (*hidden)(void* self, std::size_t index, rows values) = nullptr;  // index 0: embeddings
  void (*scores)(void* self, std::size_t layer, std::size_t sentence, std::size_t first_row,
                 std::size_t head, rows values) = nullptr;
  void (*context)(void* self, std::size_t layer, std::size_t sentence, std::size_t first_row,
                  std::size_t head, rows values) = nullptr;
  void (*pooled)(void* self, rows values) = nullptr;
  /// At every lowbit::activation_site of a layer.
  void (*site)(void* self, std::size_t layer, std::size_t site, rows values) = nullptr;
};

/// The functions of one instruction set. `encoder` is an index into encoders_of<program_policies>,
/// as io/named_policy.hpp gives it; shape.head says which head stands on it. A model lives in
/// memory of model_bytes bytes, aligned to 64; encoder and shape of every call are those it was
/// loaded with.
struct engine {
  const char* arch;
  /// Encoders that this engine has; the others belong to `below`, which has all.
  bool (*has)(std::size_t encoder);
  const engine* below;
  std::size_t (*model_bytes)(std::size_t encoder, const weight_set&, const model_shape&);
  status (*load)(std::size_t encoder, const weight_set&, const model_shape&, std::byte* memory,
                 std::size_t bytes);
  output_extents (*output)(std::size_t encoder, const model_shape&, const token_input&);
  std::size_t (*workspace_bytes)(std::size_t encoder, const model_shape&, const token_batch&,
                                 std::size_t workers, bool observed);
  status (*run)(std::size_t encoder, const model_shape&, const std::byte* model, const token_input&,
                std::byte* workspace, std::size_t bytes, const engine_threads&, const run_observer*,
                float* out);
  /// One encoder layer on hidden rows (tokens, hidden), in place.
  status (*run_layer)(std::size_t encoder, const model_shape&, const std::byte* model,
                      std::size_t index, const token_batch&, std::byte* workspace,
                      std::size_t bytes, const engine_threads&, float* hidden);
};

// Which of them exist is the build's choice.
#define LOWBIT_DECLARE_ENGINE(tag, ...) extern const engine engine_##tag;
LOWBIT_EACH_ARCH(LOWBIT_DECLARE_ENGINE)
#undef LOWBIT_DECLARE_ENGINE

}  // namespace lowbit
