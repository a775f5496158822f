// SPDX-License-Identifier: Apache-2.0
// One program for every CPU: the encoders of program_policies, compiled once per instruction set
// (cmake/lowbit_engine.cmake) and called through a table of functions. Only plain data from outside
// the per-ISA namespaces crosses this boundary, and engines instantiate no standard container, so
// no AVX code can end up in the baseline part of the program.
#pragma once

#include "lowbit/arch/list.hpp"
#include "lowbit/boundary/batch.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/boundary/weights.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit {

/// The extents of a run's output.
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

/// Receives intermediate values. Functions may be null; each may be called many times, always on
/// the calling thread.
struct run_observer {
  using rows = matrix_view<const float>;

  void* self;
  void (*hidden)(void* self, std::size_t index, rows values) = nullptr;  // index 0: embeddings
  void (*scores)(void* self, std::size_t layer, std::size_t sentence, std::size_t first_row,
                 std::size_t head, rows values) = nullptr;
  void (*context)(void* self, std::size_t layer, std::size_t sentence, std::size_t first_row,
                  std::size_t head, rows values) = nullptr;
  void (*pooled)(void* self, rows values) = nullptr;
  /// Called at every lowbit::activation_site of a layer.
  void (*site)(void* self, std::size_t layer, std::size_t site, rows values) = nullptr;
};

/// The functions of one instruction set. `encoder` is an index into encoders_of<program_policies>,
/// as returned by io/named_policy.hpp; shape.head selects the head. A model occupies model_bytes
/// bytes, aligned to 64; every call must pass the encoder and shape it was loaded with.
struct engine {
  const char* arch;
  /// True if this engine has the encoder; otherwise `below` must be used, which has all.
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
  /// Runs one encoder layer on hidden rows (tokens, hidden), in place.
  status (*run_layer)(std::size_t encoder, const model_shape&, const std::byte* model,
                      std::size_t index, const token_batch&, std::byte* workspace,
                      std::size_t bytes, const engine_threads&, float* hidden);
};

// The build determines which of these are defined.
#define LOWBIT_DECLARE_ENGINE(tag, ...) extern const engine engine_##tag;
LOWBIT_EACH_ARCH(LOWBIT_DECLARE_ENGINE)
#undef LOWBIT_DECLARE_ENGINE

}  // namespace lowbit
