// SPDX-License-Identifier: Apache-2.0
// The implementation behind the function table of dispatch/engine.hpp. Included only by
// cmake/lowbit_engine.cpp, once per instruction set.
#pragma once

#include <new>

#include "lowbit/dispatch/engine.hpp"
#include "lowbit/model/heads.hpp"
#include "lowbit/policy/program_policies.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct borrowed_threads {
  const engine_threads& pool;
  [[nodiscard]] std::size_t workers() const { return pool.workers; }
  template <class Task>
  void run(std::size_t tasks, Task task) {
    if (pool.workers == 1 || tasks <= 1) {
      serial::run(tasks, task);
      return;
    }
    pool.run(pool.self, tasks, &task, [](void* self, std::size_t index, std::size_t worker) {
      (*static_cast<Task*>(self))(index, worker);
    });
  }
};

struct forwarding_observer {
  static constexpr bool enabled = true;
  const run_observer& to;
  std::size_t layer = 0;

  void hidden(std::size_t index, run_observer::rows m) const {
    if (to.hidden != nullptr) to.hidden(to.self, index, m);
  }
  void scores(const query_span& span, std::size_t head, run_observer::rows m) const {
    if (to.scores != nullptr) to.scores(to.self, layer, span.sentence, span.first, head, m);
  }
  void context(const query_span& span, std::size_t head, run_observer::rows m) const {
    if (to.context != nullptr) to.context(to.self, layer, span.sentence, span.first, head, m);
  }
  void pooled(run_observer::rows m) const {
    if (to.pooled != nullptr) to.pooled(to.self, m);
  }
  void site(std::size_t index, activation_site at, run_observer::rows m) const {
    if (to.site != nullptr) to.site(to.self, index, static_cast<std::size_t>(at), m);
  }
};

}  // namespace detail

/// The functions of an engine for Arch. Static and without standard containers: an object file of
/// AVX code must not define symbols that other objects could link to.
template <class Arch>
struct engine_code {
  /// An arch of byte products alone has only the encoders whose linear layers read 8-bit codes;
  /// the others are left to the engine below, because every encoder takes long to compile.
  static constexpr bool bytes_only = Arch::bytes_only;
  template <class Encoder>
  static constexpr bool has_encoder =
      !bytes_only || is_int8_input<typename Encoder::linear::input> ||
      (has_batch_range<typename Encoder::linear::input> && Encoder::linear::input_bits == 8);

  /// Calls function(std::type_identity<Encoder>); the engine must have the encoder.
  template <class Result, class Function>
  static Result with(std::size_t index, Function function) {
    return with_encoder<program_policies>(
        index, [&]<class Encoder>(std::type_identity<Encoder> encoder) -> Result {
          if constexpr (has_encoder<Encoder>) {
            return function(encoder);
          } else {
            LOWBIT_EXPECTS(false);
            return Result{};
          }
        });
  }

  /// Calls function(std::type_identity<model>) for the encoder and head. The encoder's code is
  /// compiled once for all heads.
  template <class Result, class Function>
  static Result with_model(std::size_t index, head_kind head, Function function) {
    return with<Result>(index, [&]<class Encoder>(std::type_identity<Encoder>) -> Result {
      switch (head) {
        case head_kind::token:
          return function(std::type_identity<token_classifier<Encoder, Arch>>{});
        case head_kind::span:
          return function(std::type_identity<span_extractor<Encoder, Arch>>{});
        case head_kind::masked_lm:
          return function(std::type_identity<masked_lm<Encoder, Arch>>{});
        case head_kind::mean_embedding:
        case head_kind::cls_embedding:
        case head_kind::pooled_embedding:
          return function(std::type_identity<embedder<Encoder, Arch>>{});
        case head_kind::sequence:
          break;
      }
      return function(std::type_identity<classifier<Encoder, Arch>>{});
    });
  }

  static constexpr std::size_t header_bytes(std::size_t object) {
    return round_up(object, buffer_alignment);
  }

  static bool has(std::size_t index) {
    return with_encoder<program_policies>(
        index, []<class Encoder>(std::type_identity<Encoder>) { return has_encoder<Encoder>; });
  }

  static std::size_t model_bytes(std::size_t index, const weight_set& weights,
                                 const model_shape& shape) {
    return with_model<std::size_t>(index, shape.head, [&]<class Model>(std::type_identity<Model>) {
      return header_bytes(sizeof(Model)) + Model::model_bytes(weights, shape);
    });
  }

  static status load(std::size_t index, const weight_set& weights, const model_shape& shape,
                     std::byte* memory, std::size_t bytes) {
    return with_model<status>(index, shape.head, [&]<class Model>(std::type_identity<Model>) {
      const std::size_t header = header_bytes(sizeof(Model));
      arena space(memory + header, bytes - header);
      auto* model = new (memory) Model;
      return model->load(space, weights, shape);
    });
  }

  static output_extents output(std::size_t index, const model_shape& shape, const token_input& in) {
    return with_model<output_extents>(
        index, shape.head, [&]<class Model>(std::type_identity<Model>) {
          return output_extents{Model::head::output_rows(in), Model::head::output_cols(shape)};
        });
  }

  static std::size_t workspace_bytes(std::size_t index, const model_shape& shape,
                                     const token_batch& batch, std::size_t workers, bool observed) {
    return with_model<std::size_t>(index, shape.head, [&]<class Model>(std::type_identity<Model>) {
      const batch_limits limits = Model::limits_of(batch, workers);
      return observed ? Model::template workspace_bytes<true>(shape, limits)
                      : Model::template workspace_bytes<false>(shape, limits);
    });
  }

  static status run(std::size_t index, const model_shape& shape, const std::byte* memory,
                    const token_input& in, std::byte* workspace, std::size_t bytes,
                    const engine_threads& pool, const run_observer* observer, float* values) {
    return with_model<status>(index, shape.head, [&]<class Model>(std::type_identity<Model>) {
      const auto& model = *reinterpret_cast<const Model*>(memory);
      const std::size_t cols = Model::head::output_cols(model.shape());
      const matrix_view<float> out{values, Model::head::output_rows(in), cols, cols};
      if (observer != nullptr) {
        serial here;
        return model.run(in, workspace, bytes, out, here, detail::forwarding_observer{*observer});
      }
      detail::borrowed_threads threads{pool};
      return model.run(in, workspace, bytes, out, threads);
    });
  }

  static status run_layer(std::size_t index, const model_shape& shape, const std::byte* memory,
                          std::size_t layer, const token_batch& batch, std::byte* workspace,
                          std::size_t bytes, const engine_threads& pool, float* hidden) {
    return with_model<status>(index, shape.head, [&]<class Model>(std::type_identity<Model>) {
      const auto& model = *reinterpret_cast<const Model*>(memory);
      detail::borrowed_threads threads{pool};
      return model.run_layer(layer, batch, workspace, bytes,
                             {hidden, batch.tokens(), shape.hidden, shape.hidden}, threads);
    });
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
