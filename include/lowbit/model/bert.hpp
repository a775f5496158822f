// SPDX-License-Identifier: Apache-2.0
// An encoder and one head. Immutable after load and safe to share between threads; a run uses the
// caller's workspace and allocates nothing. A head is a type with
//   kind, reads()                           its head_kind, and the hidden rows that it needs
//   serves(head_kind)                       optional: if it serves more than one kind
//   load(memory, weights, shape)            like a layer
//   workspace                               a struct with plan(memory, shape, limits)
//   output_rows(in), output_cols(shape)     the extents of the output of run()
//   check(in)                               validates the input that only this head uses
//   run(encoded, in, workspace, out, executor, observer)
#pragma once

#include "lowbit/boundary/packed_image.hpp"
#include "lowbit/model/encoder.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Policy, class Head, class Arch = native>
class bert {
 public:
  using policy = Policy;
  using head = Head;

  /// Bytes of memory that load() needs for these weights. Errors are not reported here, but by
  /// load().
  [[nodiscard]] static std::size_t model_bytes(const weight_set& weights,
                                               const model_shape& shape) {
    arena measure;
    bert model;
    static_cast<void>(model.load(measure, weights, shape));
    return measure.used();
  }

  /// Packs the weights into `memory` (model_bytes(weights, shape), aligned to buffer_alignment).
  /// Embedding tables are not copied: the memory behind `weights` must outlive the model.
  /// Errors: malformed shape; invalid_argument for a shape with another head; not_found / malformed
  /// / shape_mismatch naming the tensor
  LOWBIT_COLD constexpr status load(arena& memory, const weight_set& weights,
                                    const model_shape& shape) {
    LOWBIT_TRY(shape.check());
    if (!serves(shape.head)) {
      return status::error(errc::invalid_argument, "this is a ", name_of(shape.head),
                           " model, expected a ", name_of(Head::kind), " model");
    }
    LOWBIT_TRY(encoder_.load(memory, weights, shape));
    return head_.load(memory, weights, shape);
  }

  /// Bytes of the packed weights of an image (boundary/packed_image.hpp), header included, and of
  /// the objects that use them. For codecs whose size does not depend on the file.
  [[nodiscard]] static constexpr std::size_t image_bytes(const model_shape& shape) {
    return sizeof(image_header) + measured(shape).used();
  }
  [[nodiscard]] static constexpr std::size_t object_bytes(const model_shape& shape) {
    return measured(shape).objects_used();
  }
  [[nodiscard]] static constexpr image_header header(const model_shape& shape) {
    return image_header::of(Policy::name, Arch::name, shape, image_bytes(shape));
  }

  /// Writes an image of packed weights, image_bytes(shape) bytes aligned to buffer_alignment; the
  /// model then uses it.
  /// Errors: workspace_too_small, with the bytes needed; those of load()
  LOWBIT_COLD status pack_image(std::byte* image, std::size_t bytes, std::byte* objects,
                                std::size_t bytes_of_objects, const weight_set& weights,
                                const model_shape& shape) {
    LOWBIT_TRY(shape.check());
    LOWBIT_TRY(check_memory("image", bytes, image_bytes(shape)));
    LOWBIT_TRY(check_memory("memory for objects", bytes_of_objects, object_bytes(shape)));
    const image_header h = header(shape);
    std::memset(image, 0, image_bytes(shape));
    std::memcpy(image, &h, sizeof h);
    arena memory(image + sizeof h, bytes - sizeof h, objects, bytes_of_objects,
                 arena_contents::nothing);
    return load(memory, weights, shape);
  }

  /// Uses the packed weights of an image where they are, for example in flash. Only objects with
  /// pointers into it, object_bytes(shape), are written to `objects`, aligned to buffer_alignment.
  /// `tables` holds what load() does not copy: embedding tables and single scales.
  /// Errors: malformed, if the image is none, or of another policy, layout or shape, with both;
  ///         workspace_too_small, with the bytes needed; those of load() for the tables
  LOWBIT_COLD status use_image(const packed_image& image, std::byte* objects,
                               std::size_t bytes_of_objects, const weight_set& tables,
                               const model_shape& shape) {
    LOWBIT_TRY(shape.check());
    LOWBIT_TRY(image.check(header(shape)));
    LOWBIT_TRY(check_memory("memory for objects", bytes_of_objects, object_bytes(shape)));
    // Nothing is written to an arena of packed contents.
    arena memory(const_cast<std::byte*>(image.data) + sizeof(image_header),
                 image.bytes - sizeof(image_header), objects, bytes_of_objects,
                 arena_contents::packed);
    return load(memory, tables, shape);
  }

  [[nodiscard]] const model_shape& shape() const { return encoder_.shape(); }

  /// Bytes of workspace that run() needs for any batch within the limits.
  template <bool Observed = false>
  [[nodiscard]] static constexpr std::size_t workspace_bytes(const model_shape& shape,
                                                             const batch_limits& limits) {
    arena measure;
    workspace<Observed> w;
    w.plan(measure, shape, limits);
    return measure.used();
  }

  /// Writes the head's output for a batch to out (Head::output_rows(in), Head::output_cols(shape)).
  /// Errors: invalid_argument (a token id, type, position or length; wrong extents of `out`),
  ///         workspace_too_small (with the bytes needed), not_finite (with sentence and layer)
  /// Exact:  the same bits for a sentence alone or in any batch, on every arch, with every executor
  template <executor Executor, class Observer = no_observer>
  status run(const token_input& in, std::byte* memory, std::size_t bytes, matrix_view<float> out,
             Executor& executor, Observer&& observer = {}) const {
    constexpr bool observed = std::remove_reference_t<Observer>::enabled;
    const token_batch& batch = in.batch;
    if (batch.sentences == 0) return {};
    LOWBIT_TRY(encoder_.check(in));
    LOWBIT_TRY(head_.check(in));
    const std::size_t rows = Head::output_rows(in);
    const std::size_t cols = Head::output_cols(shape());
    if (out.rows < rows || out.cols != cols) {
      return status::error(errc::invalid_argument, "output of ", out.rows, " x ", out.cols,
                           ", expected ", rows, " x ", cols);
    }
    const batch_limits limits = limits_of(batch, executor.workers());
    const std::size_t needed = workspace_bytes<observed>(shape(), limits);
    if (memory == nullptr) bytes = 0;
    if (bytes < needed) {
      return status::error(errc::workspace_too_small, "workspace of ", bytes,
                           " bytes, this batch needs ", needed);
    }
    arena space(memory, bytes);
    workspace<observed> w;
    w.plan(space, shape(), limits);
    const auto encoded = encoder_.run(in, w.layers, head_.reads(), executor, observer);
    if (encoded.stopped) return overflow_error(encoded.stopped);
    if constexpr (std::is_same_v<decltype(encoded), const encoder_output>) {
      if (head_.reads() == hidden_rows::first_tokens) {
        if (const auto found = first_tokens_overflow<Arch>(encoded, shape().layers))
          return overflow_error(found);
      }
    }
    head_.run(encoded, in, w.head, out, executor, observer);
    const std::size_t row = first_overflow<Arch>(out.rows_from(0, rows));
    if (row < rows) return overflow_error(sentence_of_output(Head::kind, in, row), "head");
    return {};
  }

  /// Runs layer `index` alone on the caller's hidden rows (T, D), in place.
  /// Errors: invalid_argument (no such layer, or a policy whose layers cannot run alone),
  ///         workspace_too_small, not_finite
  template <executor Executor>
  status run_layer(std::size_t index, const token_batch& batch, std::byte* memory,
                   std::size_t bytes, matrix_view<float> hidden, Executor& executor) const {
    if (index >= shape().layers) {
      return status::error(errc::invalid_argument, "layer ", index, ", expected 0 to ",
                           shape().layers - 1);
    }
    if (shape().pre_norm()) {
      return status::error(errc::invalid_argument,
                           "layers of a pre_norm model do not run alone: their residuals are sums, "
                           "not the hidden rows");
    }
    const batch_limits limits = limits_of(batch, executor.workers());
    const std::size_t needed = workspace_bytes(shape(), limits);
    if (memory == nullptr) bytes = 0;
    if (bytes < needed) {
      return status::error(errc::workspace_too_small, "workspace of ", bytes,
                           " bytes, this batch needs ", needed);
    }
    arena space(memory, bytes);
    workspace<false> w;
    w.plan(space, shape(), limits);
    if constexpr (requires { encoder_.run_layer(index, batch, hidden, w.layers, executor); }) {
      const overflow found = encoder_.run_layer(index, batch, hidden, w.layers, executor);
      return found ? overflow_error(found) : status{};
    } else {
      return status::error(errc::invalid_argument, "policy ", Policy::name,
                           ": its layers do not run alone");
    }
  }

  [[nodiscard]] static batch_limits limits_of(const token_batch& batch, std::size_t workers) {
    batch_limits limits{batch.tokens(), batch.sentences, 0, workers};
    for (std::size_t s = 0; s < batch.sentences; ++s) {
      if (batch.length(s) > limits.longest) limits.longest = batch.length(s);
    }
    return limits;
  }

 private:
  template <bool Observed>
  struct workspace {
    typename encoder<Policy, Arch>::template workspace<Observed> layers;
    typename Head::workspace head;

    constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
      layers.plan(memory, shape, limits);
      head.plan(memory, shape, limits);
    }
  };

  [[nodiscard]] static constexpr arena measured(const model_shape& shape) {
    arena measure = arena::measure_apart();
    bert model;
    static_cast<void>(model.load(measure, {}, shape));
    return measure;
  }
  [[nodiscard]] static status check_memory(const char* what, std::size_t bytes,
                                           std::size_t needed) {
    if (bytes >= needed) return {};
    return status::error(errc::workspace_too_small, what, " of ", bytes,
                         " bytes, this model needs ", needed);
  }

  [[nodiscard]] static constexpr bool serves(head_kind head) {
    if constexpr (requires { Head::serves(head); }) {
      return Head::serves(head);
    } else {
      return head == Head::kind;
    }
  }

  encoder<Policy, Arch> encoder_;
  Head head_;
};

}  // namespace lowbit::inline LOWBIT_ISA
