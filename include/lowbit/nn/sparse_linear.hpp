// SPDX-License-Identifier: Apache-2.0
// linear<> for sparse codecs, and for lists of codecs that include sparse ones: the layer then runs
// the product that its matrix needs. A sparse matrix is never expanded to a dense one. The number
// of stored weights is known only from the file, so load() needs the weights even while measuring.
#pragma once

#include "lowbit/codec/any.hpp"
#include "lowbit/gemm/sparse_gemm.hpp"
#include "lowbit/nn/linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// The kernel layout for a block shape.
template <class Block, class Op, class Arch>
constexpr auto sparse_layout() {
  if constexpr (std::is_same_v<Block, block<1, 1>>) {
    return std::type_identity<row_slices<Op, Arch>>{};
  } else if constexpr (std::is_same_v<Block, block<virtual_lanes, sparse_lanes<Op, Arch>::depth>>) {
    return std::type_identity<panel_blocks<Op, Arch>>{};
  } else {
    return std::type_identity<void>{};
  }
}

}  // namespace detail

/// y = x w^T + b with sparse w.
template <class Weights, class Input, class Arch>
requires sparse_codec<Weights>
class linear<linear_format<Weights, Input>, Arch> {
 public:
  using format = linear_format<Weights, Input>;
  using op = typename format::op;
  using codec = Weights;
  using reader = typename codec::reader;
  static constexpr bool counts = false;
  static constexpr bool integer = Weights::integer;
  static_assert(std::is_same_v<Input, activation::f32> || is_int8_input<Input>,
                "lowbit: sparse weights multiply activation::f32, int8_per_token, int8_static");

  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t n,
              std::size_t k) {
    LOWBIT_TRY(input_.template load<Input>(memory, weights, name, k));
    LOWBIT_TRY(load_vector(memory, weights, name(".bias").view(), n, bias_));
    if constexpr (integer) scale_ = memory.template take_vector<float>(n);
    reader stored;
    LOWBIT_TRY(stored.open(weights, name(".weight"), n, k));
    weights_.load(memory, stored.blocks);
    if (memory.measuring()) return {};
    if constexpr (integer) {
      for (std::size_t o = 0; o < n; ++o) scale_[o] = stored.scale(o) * input_.scale;
    }
    return {};
  }

  [[nodiscard]] std::size_t outputs() const { return weights_.n; }
  [[nodiscard]] const input_encoding& input() const { return input_; }

  /// See linear::to_output.
  [[nodiscard]] auto to_output(const float* row_scales = nullptr) const {
    if constexpr (!integer) {
      return add_bias{bias_};
    } else if constexpr (has_row_scale<Input>) {
      return to_float{} | scale_rows{row_scales} | affine{scale_, bias_};
    } else {
      return to_float{} | affine{scale_, bias_};
    }
  }

  template <class Epilogue, executor Executor>
  void run(const activation_rows<op>& x, const Epilogue& epilogue, Executor& executor) const {
    sparse_gemm(x, weights_, epilogue, executor);
  }

 private:
  using layout = typename decltype(detail::sparse_layout<typename codec::shape, op, Arch>())::type;
  static_assert(!std::is_void_v<layout>,
                "lowbit: no kernel for blocks of this shape. These exist: block<1, 1>; "
                "block<16, 1> of f32; block<16, 4> of int8");

  input_encoding input_;
  vector_view<float> scale_;  // (N): weight scale x stored input scale; int8 only
  vector_view<float> bias_;   // (N)
  layout weights_;
};

namespace detail {

/// any_of<Codecs...> without its sparse codecs.
template <class Kept, class... Codecs>
struct dense_codecs {
  using type = Kept;
};
template <class... Kept, class Codec, class... Rest>
struct dense_codecs<any_of<Kept...>, Codec, Rest...> {
  using type =
      typename std::conditional_t<sparse_codec<Codec>, dense_codecs<any_of<Kept...>, Rest...>,
                                  dense_codecs<any_of<Kept..., Codec>, Rest...>>::type;
};

}  // namespace detail

/// The codec, sparse or dense, is named in the file.
template <class... Codecs, class Input, class Arch>
requires(sparse_codec<Codecs> || ...) class linear<linear_format<any_of<Codecs...>, Input>, Arch> {
  using dense_codec = typename detail::dense_codecs<any_of<>, Codecs...>::type;
  using dense_layer = linear<linear_format<dense_codec, Input>, Arch>;

 public:
  using format = linear_format<any_of<Codecs...>, Input>;
  using op = typename format::op;
  using codec = any_of<Codecs...>;
  static constexpr bool counts = false;
  static constexpr bool integer = dense_layer::integer;

  /// Errors: unsupported listing the names
  status load(arena& memory, const weight_set& weights, const tensor_name& name, std::size_t n,
              std::size_t k) {
    LOWBIT_TRY_ASSIGN(const auto stored, detail::stored_format(weights, name(".weight")));
    active_ = 0;
    const bool known = detail::any_index(typename codec::indices{}, [&](auto i) {
      active_ = i;
      return same_text(format_name<std::tuple_element_t<i, typename codec::codecs>>, stored);
    });
    if (!known) {  // with() builds the message that lists the names
      return codec::with(stored, [](auto) { return status{}; }).in(name(".weight").view());
    }
    status loaded;
    visit(*this, [&](auto& layer) { loaded = layer.load(memory, weights, name, n, k); });
    return loaded;
  }

  [[nodiscard]] std::size_t outputs() const {
    std::size_t n = 0;
    visit(*this, [&](const auto& layer) { n = layer.outputs(); });
    return n;
  }
  [[nodiscard]] const input_encoding& input() const {
    const input_encoding* encoding = nullptr;
    visit(*this, [&](const auto& layer) { encoding = &layer.input(); });
    return *encoding;
  }
  /// See linear::to_output; all codecs use the same type of stages.
  [[nodiscard]] auto to_output(const float* row_scales = nullptr) const {
    auto stages = dense_.to_output(row_scales);
    visit(*this, [&](const auto& layer) { stages = layer.to_output(row_scales); });
    return stages;
  }
  template <class Epilogue, executor Executor>
  void run(const activation_rows<op>& x, const Epilogue& epilogue, Executor& executor) const {
    visit(*this, [&](const auto& layer) { layer.run(x, epilogue, executor); });
  }

 private:
  template <class Codec, bool = sparse_codec<Codec>>
  struct slot {};
  template <class Codec>
  struct slot<Codec, true> {
    linear<linear_format<Codec, Input>, Arch> layer;
  };
  /// Calls function(layer of the codec at active_).
  template <class Self, class Function>
  static void visit(Self& self, Function function) {
    detail::any_index(typename codec::indices{}, [&](auto i) {
      if (i != self.active_) return false;
      if constexpr (sparse_codec<std::tuple_element_t<i, typename codec::codecs>>) {
        function(std::get<i>(self.sparse_).layer);
      } else {
        function(self.dense_);
      }
      return true;
    });
  }

  dense_layer dense_;
  std::tuple<slot<Codecs>...> sparse_;
  std::size_t active_ = 0;
};

}  // namespace lowbit::inline LOWBIT_ISA
