// SPDX-License-Identifier: Apache-2.0
// What reference_forward is made of: one step of an encoder each, in double over unpacked values.
#pragma once

#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/boundary/weights.hpp"

namespace lowbit_test {

using reals = std::vector<double>;

class reference_steps {
 public:
  reference_steps(const lowbit::weight_set& weights, const lowbit::model_shape& shape)
      : weights_(weights), shape_(shape) {}

  /// The nearest that an argument of a sign or a rounding came to where it could fall either way.
  double margin = 1e9;
  std::size_t halves = 0;  // values that lay exactly on the threshold of a {0,1} code

  /// From now on matrix `name` (n, k) is what Codec's reader decodes, and dense() rounds its inputs
  /// to int8 codes with a scale per row where `codes` is set.
  template <class Codec>
  void decode(const std::string& name, std::size_t n, std::size_t k, bool codes) {
    typename Codec::reader reader;
    if (!reader.open(weights_, lowbit::tensor_name(name, ".weight"), n, k).ok()) std::abort();
    decoded& d = decoded_[name];
    d.codes = codes;
    d.k = k;
    std::vector<float> row(k);
    for (std::size_t r = 0; r < n; ++r) {
      reader.floats(r, row.data());
      d.values.insert(d.values.end(), row.begin(), row.end());
    }
  }

  /// W x + b.
  [[nodiscard]] reals dense(const std::string& name, const reals& x) {
    const auto encoded = decoded_.find(name);
    const bool plain = encoded == decoded_.end();
    const reals in = !plain && encoded->second.codes ? rounded(x) : x;
    reals y(weights_.find(name + ".bias")->elements());
    for (std::size_t o = 0; o < y.size(); ++o) {
      y[o] = value(name + ".bias", o);
      for (std::size_t j = 0; j < x.size(); ++j) {
        const std::size_t at = o * x.size() + j;
        y[o] += in[j] * (plain ? value(name + ".weight", at) : encoded->second.values[at]);
      }
    }
    return y;
  }
  static double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
  /// The embedding of a word, f32 or one-bit.
  [[nodiscard]] double word(std::size_t id, std::size_t i) const {
    const auto encoded = decoded_.find("bert.embeddings.word_embeddings");
    if (encoded != decoded_.end()) return encoded->second.values[id * shape_.hidden + i];
    const std::string name = "bert.embeddings.word_embeddings.weight";
    if (weights_.find(name) != nullptr) return value(name, id * shape_.hidden + i);
    return value(name + ".scale", id) * code(name + ".codes", id, i);
  }
  [[nodiscard]] reals norm(const std::string& name, const reals& x) const {
    const auto n = static_cast<double>(x.size());
    double mean = 0;
    double variance = 0;
    for (const double v : x) mean += v / n;
    for (const double v : x) variance += (v - mean) * (v - mean) / n;
    reals y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double unit =
          (x[i] - mean) / std::sqrt(variance + static_cast<double>(shape_.layer_norm_eps));
      y.push_back(unit * value(name + ".weight", i) + value(name + ".bias", i));
    }
    return y;
  }
  [[nodiscard]] double value(const std::string& name, std::size_t i) const {
    return static_cast<double>(weights_.find(name)->at(i));
  }

 protected:
  /// round(x / s) s, half to even, s = max |x| / 127; the margin is in codes.
  reals rounded(const reals& x) {
    double largest = 0;
    for (const double v : x) largest = std::fmax(largest, std::fabs(v));
    reals out;
    for (const double v : x) {
      const double steps = largest == 0 ? 0 : v / largest * 127;
      const double code = std::nearbyint(steps);
      margin = std::fmin(margin, 0.5 - std::fabs(steps - code));
      out.push_back(code * largest / 127);
    }
    return out;
  }
  [[nodiscard]] std::size_t width() const { return shape_.hidden / shape_.heads; }
  [[nodiscard]] double scalar(const std::string& name) const { return value(name, 0); }
  [[nodiscard]] int code(const std::string& name, std::size_t row, std::size_t j) const {
    const lowbit::stored_tensor* t = weights_.find(name);
    const auto byte = std::to_integer<unsigned>(t->data[row * t->shape[1] + j / 8]);
    return (byte >> (j % 8) & 1U) != 0 ? -1 : 1;
  }

  /// sign(x), the margin of which is remembered.
  reals signs(const reals& x) { return elastic_signs(x, 1.0); }
  reals elastic_signs(const reals& x, double scale) {
    reals out;
    for (const double v : x) {
      margin = std::fmin(margin, std::fabs(v));
      out.push_back(v < 0 ? -scale : scale);
    }
    return out;
  }
  reals shifted(const std::string& layer, reals x) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += value(layer + ".input.shift", i);
    return elastic_signs(x, scalar(layer + ".input.scale"));
  }
  /// Exactly 0.5 rounds to the even 0: off. Only a crafted model hits it, and in float as well.
  bool above_half(double x) {
    if (x != 0.5) margin = std::fmin(margin, std::fabs(x - 0.5));
    halves += x == 0.5 ? 1U : 0U;
    return x > 0.5;
  }

  /// alpha sum_j x_j w_oj + b_o with w in {-1, 1}.
  [[nodiscard]] reals linear(const std::string& name, const reals& x) const {
    const std::size_t scales = weights_.find(name + ".weight.scale")->elements();
    reals y(weights_.find(name + ".bias")->elements());
    for (std::size_t o = 0; o < y.size(); ++o) {
      double dot = 0;
      for (std::size_t j = 0; j < x.size(); ++j) dot += x[j] * code(name + ".weight.codes", o, j);
      y[o] = value(name + ".weight.scale", scales == 1 ? 0 : o) * dot + value(name + ".bias", o);
    }
    return y;
  }
  static reals sum(reals a, const reals& b) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
    return a;
  }
  [[nodiscard]] std::vector<reals> embed(const std::vector<std::int32_t>& ids,
                                         const std::vector<std::int32_t>& types) const {
    const std::string base = "bert.embeddings.";
    std::vector<reals> h;
    for (std::size_t t = 0; t < ids.size(); ++t) {
      const auto id = static_cast<std::size_t>(ids[t]);
      const auto type = static_cast<std::size_t>(types[t]);
      reals row;
      for (std::size_t i = 0; i < shape_.hidden; ++i) {
        row.push_back(word(id, i) +
                      value(base + "position_embeddings.weight", t * shape_.hidden + i) +
                      value(base + "token_type_embeddings.weight", type * shape_.hidden + i));
      }
      h.push_back(norm(base + "LayerNorm", row));
    }
    return h;
  }
  [[nodiscard]] double score(const reals& q, const reals& k, std::size_t head) const {
    double s = 0;
    for (std::size_t i = head * width(); i < (head + 1) * width(); ++i) s += q[i] * k[i];
    return s;
  }
  void add_head(reals& c, const reals& v, std::size_t head, double factor) const {
    for (std::size_t i = head * width(); i < (head + 1) * width(); ++i) c[i] += factor * v[i];
  }
  [[nodiscard]] reals head(const reals& pooled) const {
    reals logits;
    for (std::size_t o = 0; o < shape_.labels; ++o) {
      double y = value("classifier.bias", o);
      for (std::size_t i = 0; i < pooled.size(); ++i) {
        y += std::tanh(pooled[i]) * value("classifier.weight", o * shape_.hidden + i);
      }
      logits.push_back(y);
    }
    return logits;
  }

  lowbit::weight_set weights_;
  lowbit::model_shape shape_;

 private:
  struct decoded {
    reals values;
    std::size_t k = 0;
    bool codes = false;
  };
  std::map<std::string, decoded> decoded_;
};

}  // namespace lowbit_test
