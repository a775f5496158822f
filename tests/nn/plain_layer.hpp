// SPDX-License-Identifier: Apache-2.0
// One padded encoder layer, evaluated plainly: bare loops in double over decoded weights and
// rounded activations. It shares no code with nn/.
#pragma once

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "../support/random.hpp"
#include "../support/weights.hpp"
#include "lowbit/nn/encoder_layer.hpp"
#include "lowbit/policy/quantized_bert.hpp"

namespace lowbit_test {

using matrix = std::vector<std::vector<double>>;

/// One layer and the sentences of a padded batch.
struct padded_case {
  lowbit::model_shape shape;
  std::vector<std::uint32_t> valid;  // of each sentence
  std::size_t length = 0;            // of all, padded
  [[nodiscard]] std::size_t tokens() const { return valid.size() * length; }
};

inline padded_case ragged(std::size_t hidden, std::size_t heads, std::size_t inner,
                          std::size_t intermediate, std::vector<std::uint32_t> valid,
                          std::size_t length) {
  padded_case c{{}, std::move(valid), length};
  c.shape.layers = 1;
  c.shape.hidden = hidden;
  c.shape.heads = heads;
  c.shape.attention = inner;
  c.shape.intermediate = intermediate;
  return c;
}

/// Canonical tensors of layer 0, and the plain evaluation on what they decode to.
template <class Policy>
class plain_layer {
 public:
  plain_layer(const padded_case& c, std::uint64_t seed) : c_(c), random_(seed) {
    const std::size_t d = c.shape.hidden;
    const std::size_t inner = c.shape.inner();
    for (const char* part : {"query", "key", "value"}) dense(self + part, inner, d);
    dense(layer + ".attention.output.dense", d, inner);
    dense(layer + ".intermediate.dense", c.shape.intermediate, d);
    dense<false>(layer + ".output.dense", d, c.shape.intermediate);
    using attention = typename Policy::attention;
    for (const char* part : {"query", "key", "value"})
      encoding<typename attention::projected>(self + part + ".output");
    encoding<typename attention::probability>(self + "probability", 0.02F);
    norm(layer + ".attention.output.LayerNorm");
    norm(layer + ".output.LayerNorm");
  }
  [[nodiscard]] const tensor_store& tensors() const { return tensors_; }
  [[nodiscard]] tensor_store& tensors() { return tensors_; }

  [[nodiscard]] matrix run(const matrix& h) const {
    using formats = lowbit::site_formats<Policy>;
    using input = typename formats::projection::input;
    const auto q = linear<input>(h, self + "query", c_.shape.inner());
    const auto k = linear<input>(h, self + "key", c_.shape.inner());
    const auto v = linear<input>(h, self + "value", c_.shape.inner());
    const auto context = attend(q, k, v);
    const auto a = normalise(
        add(linear<input>(context, layer + ".attention.output.dense", c_.shape.hidden), h),
        layer + ".attention.output.LayerNorm");
    auto middle = linear<input>(a, layer + ".intermediate.dense", c_.shape.intermediate);
    for (auto& row : middle) {
      for (double& x : row) x = activate(x);
    }
    using last = typename formats::feed_forward_output::input;
    return normalise(add(linear<last>(middle, layer + ".output.dense", c_.shape.hidden), a),
                     layer + ".output.LayerNorm");
  }

 private:
  static constexpr bool split = lowbit::is_split<Policy>;
  const std::string layer = "bert.encoder.layer.0";
  const std::string self = layer + ".attention.self.";

  // Tensors.
  template <bool Signed = true>
  void dense(const std::string& name, std::size_t n, std::size_t k) {
    using formats = lowbit::site_formats<Policy>;
    using format = std::conditional_t<Signed, typename formats::projection,
                                      typename formats::feed_forward_output>;
    for (const char* half : split ? std::vector<const char*>{"_1", "_2"} : std::vector{""}) {
      const std::string weight = name + half + ".weight";
      if constexpr (lowbit::is_sign<typename format::weights>) {
        tensors_.add_random_codes(weight + ".codes", n, k, random_);
      } else {
        std::vector<std::byte> codes(n * ((k + 3) / 4));
        for (std::size_t r = 0; r < n; ++r) {
          for (std::size_t j = 0; j < k; ++j)
            codes[r * ((k + 3) / 4) + j / 4] |=
                static_cast<std::byte>(random_.below(3) << (2 * (j % 4)));
        }
        tensors_.add_codes(weight + ".codes", n, (k + 3) / 4, std::move(codes));
      }
      tensors_.add(weight + ".scale", {1}, {random_.around(0.1F, 0.03F)});
      tensors_.add(name + half + ".bias", {n}, random_.floats(n, 0.0F, 0.2F));
      encoding<typename format::input>(name + half + ".input", 0.25F);
    }
  }
  template <class Activation>
  void encoding(const std::string& name, float step = 0.2F) {
    if (Activation::dynamic_step) {
      tensors_.add(name + ".clip", {2}, {random_.around(-1.5F, 0.5F), random_.around(1.5F, 0.5F)});
    } else {
      tensors_.add(name + ".scale", {1}, {random_.around(step, step / 4)});
    }
  }
  void norm(const std::string& name) {
    const std::size_t d = c_.shape.hidden;
    tensors_.add(name + ".weight", {d}, random_.floats(d, 1.0F, 0.3F));
    tensors_.add(name + ".bias", {d}, random_.floats(d, 0.0F, 0.3F));
  }

  // The evaluation.
  [[nodiscard]] double value(const std::string& name, std::size_t i) const {
    return static_cast<double>(tensors_.weights().find(name)->at(i));
  }
  template <class Activation>
  [[nodiscard]] matrix quantized(matrix x, const std::string& name) const {
    constexpr bool is_signed = Activation::signed_codes;
    const double bits = Activation::bits;
    double low = 1e30;
    double high = -1e30;
    for (auto& row : x) {
      for (double& v : row) {
        if (Activation::dynamic_step)
          v = std::min(std::max(v, value(name + ".clip", 0)), value(name + ".clip", 1));
        low = std::min(low, v);
        high = std::max(high, v);
      }
    }
    for (auto& row : x) {
      for (double& v : row) {
        if constexpr (Activation::dynamic_step) {
          const double levels = is_signed ? std::pow(2.0, bits - 1) - 1 : std::pow(2.0, bits) - 1;
          const double step = (is_signed ? std::max(-low, high) : high - low + 1e-8) / levels;
          const double origin = is_signed ? 0.0 : low;
          v = std::nearbyint((v - origin) / step) * step + origin;
        } else {
          const double step = value(name + ".scale", 0);
          const double origin = is_signed ? 0.0 : low;
          const double first = is_signed ? -std::pow(2.0, bits - 1) : 0.0;
          const double last = first + std::pow(2.0, bits) - 1;
          v = std::min(std::max(std::nearbyint((v - origin) / step), first), last) * step + origin;
        }
      }
    }
    return x;
  }
  [[nodiscard]] double weight(const std::string& name, std::size_t row, std::size_t j,
                              std::size_t k) const {
    const lowbit::stored_tensor* codes = tensors_.weights().find(name + ".codes");
    const double scale = value(name + ".scale", 0);
    if (codes->shape[1] == (k + 7) / 8 && lowbit::is_sign<typename Policy::linear::weights>) {
      const auto byte = static_cast<unsigned>(codes->data[row * codes->shape[1] + j / 8]);
      return (byte >> (j % 8) & 1U) != 0 ? -scale : scale;
    }
    const auto byte = static_cast<unsigned>(codes->data[row * codes->shape[1] + j / 4]);
    const unsigned code = byte >> (2 * (j % 4)) & 3U;
    return code == 0 ? 0.0 : code == 1 ? scale : -scale;
  }
  template <class Activation>
  [[nodiscard]] matrix linear(const matrix& x, const std::string& name, std::size_t n) const {
    matrix y(x.size(), std::vector<double>(n));
    const std::size_t k = x[0].size();
    for (const char* half : split ? std::vector<const char*>{"_1", "_2"} : std::vector{""}) {
      const std::string part = name + half;
      const matrix codes = quantized<Activation>(x, part + ".input");
      for (std::size_t o = 0; o < n; ++o) {
        std::vector<double> w(k);
        for (std::size_t j = 0; j < k; ++j) w[j] = weight(part + ".weight", o, j, k);
        for (std::size_t t = 0; t < x.size(); ++t) {
          double sum = value(part + ".bias", o);
          for (std::size_t j = 0; j < k; ++j) sum += codes[t][j] * w[j];
          y[t][o] += sum;
        }
      }
    }
    return y;
  }
  [[nodiscard]] matrix attend(const matrix& q_in, const matrix& k_in, const matrix& v_in) const {
    using attention = typename Policy::attention;
    const auto q = quantized<typename attention::projected>(q_in, self + "query.output");
    const auto k = quantized<typename attention::projected>(k_in, self + "key.output");
    const auto v = quantized<typename attention::projected>(v_in, self + "value.output");
    const std::size_t width = c_.shape.head_width();
    const std::size_t heads = c_.shape.heads;
    const std::size_t n = c_.length;
    matrix p;  // (sentence, head, query) rows of n keys: one tensor
    for (std::size_t s = 0; s < c_.valid.size(); ++s) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t i = 0; i < n; ++i) {
          std::vector<double> row(n);
          double top = -1e30;
          for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t c = 0; c < width; ++c)
              row[j] += q[s * n + i][h * width + c] * k[s * n + j][h * width + c];
            row[j] =
                row[j] / std::sqrt(static_cast<double>(width)) + (j < c_.valid[s] ? 0.0 : -10000.0);
            top = std::max(top, row[j]);
          }
          double sum = 0;
          for (double& e : row) sum += e = std::exp(e - top);
          for (double& e : row) e /= sum;
          p.push_back(row);
        }
      }
    }
    p = quantized<typename attention::probability>(p, self + "probability");
    matrix out(c_.tokens(), std::vector<double>(heads * width));
    for (std::size_t s = 0; s < c_.valid.size(); ++s) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t c = h * width; c < (h + 1) * width; ++c) {
            for (std::size_t j = 0; j < n; ++j)
              out[s * n + i][c] += p[(s * heads + h) * n + i][j] * v[s * n + j][c];
          }
        }
      }
    }
    return out;
  }
  [[nodiscard]] static double activate(double x) {
    if (std::is_same_v<typename Policy::hidden_act, lowbit::relu>) return std::max(x, 0.0);
    return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  }
  [[nodiscard]] static matrix add(matrix a, const matrix& b) {
    for (std::size_t r = 0; r < a.size(); ++r) {
      for (std::size_t c = 0; c < a[r].size(); ++c) a[r][c] += b[r][c];
    }
    return a;
  }
  [[nodiscard]] matrix normalise(matrix x, const std::string& name) const {
    for (auto& row : x) {
      const auto d = static_cast<double>(row.size());
      double mean = 0;
      for (const double v : row) mean += v / d;
      double variance = 0;
      for (const double v : row) variance += (v - mean) * (v - mean) / d;
      for (std::size_t c = 0; c < row.size(); ++c)
        row[c] = (row[c] - mean) / std::sqrt(variance + 1e-12) * value(name + ".weight", c) +
                 value(name + ".bias", c);
    }
    return x;
  }

  padded_case c_;
  random_source random_;
  tensor_store tensors_;
};

}  // namespace lowbit_test
