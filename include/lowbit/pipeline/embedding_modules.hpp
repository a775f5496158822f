// SPDX-License-Identifier: Apache-2.0
// The modules of an embedder behind the pooling (Dense, Normalize), and the cut to its first
// dimensions. The same bits on every instruction set: products and functions are the encoder's.
#pragma once

#include <string>
#include <vector>

#include "lowbit/epilogue/activation.hpp"
#include "lowbit/io/canonical_model.hpp"
#include "lowbit/model/head/embedding.hpp"
#include "lowbit/nn/linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Arch = native>
class embedding_modules {
  using dense = linear<linear_format<f32, activation::f32>, Arch>;

 public:
  /// The modules of a model whose head has pooled and, if Normalize comes first, normalised.
  /// Errors: shape_mismatch for widths that do not fit; those of linear::load
  static result<embedding_modules> load(const canonical_model& model) {
    embedding_modules out;
    out.width_ = model.config.shape.output_width();
    out.unit_length_ = model.config.shape.normalised;
    if (!model.config.embedding) return out;
    const auto& modules = model.config.embedding->modules;
    for (std::size_t i = out.unit_length_ ? 1 : 0; i < modules.size(); ++i) {
      step s;
      const embedding_module& m = modules[i];
      if (m.is_dense()) {
        if (m.in != out.width_) {
          return status::error(errc::shape_mismatch, "module Dense has in_features ", m.in,
                               ", the vector before it ", out.width_, " values");
        }
        const tensor_name name(dense_name(i));
        stored_tensor weight;  // before memory of its size is asked for
        LOWBIT_TRY(
            model.weights().get(name(".weight").view(), element_type::f32, m.out, m.in, weight));
        arena measure;
        static_cast<void>(s.product.load(measure, model.weights(), name, m.out, m.in));
        s.memory = aligned_buffer(measure.used());
        if (s.memory.data() == nullptr)
          return status::error(errc::io_error, "out of memory for the packed weights");
        arena space(s.memory.data(), s.memory.size());
        LOWBIT_TRY(s.product.load(space, model.weights(), name, m.out, m.in));
        s.in = m.in;
        s.out = m.out;
        s.activation = m.activation;
        out.width_ = m.out;
      }
      out.unit_length_ = !m.is_dense();
      out.steps_.push_back(std::move(s));
    }
    out.dimensions_ = model.config.embedding->dimensions;
    if (out.dimensions_ <= out.width_) return out;
    return status::error(errc::malformed, "the folder keeps ", out.dimensions_,
                         " dimensions, expected at most ", out.width_);
  }

  /// Values of a vector.
  [[nodiscard]] std::size_t width() const { return width_; }
  /// How many of them the folder keeps.
  [[nodiscard]] std::size_t dimensions() const { return dimensions_ == 0 ? width_ : dimensions_; }
  /// Whether vectors have length 1.
  [[nodiscard]] bool unit_length() const { return unit_length_; }

  /// Pooled rows (sentences, D of the head) -> vectors (sentences, dimensions). Vectors cut to
  /// fewer dimensions get length 1 again if the whole ones have it.
  /// Requires: 1 <= dimensions <= width()
  template <executor Executor>
  [[nodiscard]] std::vector<float> run(std::vector<float> rows, std::size_t sentences,
                                       std::size_t dimensions, Executor& threads) const {
    std::size_t cols = sentences == 0 ? 0 : rows.size() / sentences;
    for (const step& s : steps_) {
      if (s.out != 0) rows = run_dense(s, rows, sentences, threads);
      if (s.out != 0) cols = s.out;
      for (std::size_t r = 0; s.out == 0 && r < sentences; ++r)
        normalise_row<Arch>(rows.data() + r * cols, cols);
    }
    if (dimensions == cols) return rows;
    std::vector<float> kept;
    for (std::size_t r = 0; r < sentences; ++r) {
      const float* row = rows.data() + r * cols;
      kept.insert(kept.end(), row, row + dimensions);
      if (unit_length_) normalise_row<Arch>(kept.data() + r * dimensions, dimensions);
    }
    return kept;
  }

 private:
  struct step {
    std::size_t in = 0, out = 0;  // 0: Normalize
    std::string activation{};
    aligned_buffer memory{};
    dense product{};
  };

  template <executor Executor>
  static std::vector<float> run_dense(const step& s, const std::vector<float>& rows,
                                      std::size_t sentences, Executor& threads) {
    std::vector<float> out(sentences * s.out);
    const activation_rows<mul_add> in{{rows.data(), sentences, s.in, s.in}, s.in};
    const store sink{matrix_view<float>{out.data(), sentences, s.out, s.out}};
    const auto y = s.product.to_output(nullptr);
    if (s.activation == "Tanh") {
      s.product.run(in, y | activate<tanh_activation>{} | sink, threads);
    } else if (s.activation == "ReLU") {
      s.product.run(in, y | activate<relu>{} | sink, threads);
    } else if (s.activation == "GELU") {
      s.product.run(in, y | activate<gelu_erf>{} | sink, threads);
    } else {
      s.product.run(in, y | sink, threads);
    }
    return out;
  }

  std::vector<step> steps_;
  std::size_t width_ = 0;
  std::size_t dimensions_ = 0;  // 0: all
  bool unit_length_ = true;
};

}  // namespace lowbit::inline LOWBIT_ISA
