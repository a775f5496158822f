// SPDX-License-Identifier: Apache-2.0
// BERT, BiBERT and BiT for one sentence as bare loops in double over unpacked values, written from
// the published formulas (SPEC 0, 1.1, 2.2) and nothing of the engine but its tensor names. A sign
// whose argument is near 0 could fall either way in float: `margin` is the nearest one of a run.
#pragma once

#include <cmath>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "lowbit/model/shape.hpp"
#include "lowbit/tensor/weight_set.hpp"

namespace lowbit_test {

using reals = std::vector<double>;

class reference_forward {
 public:
  reference_forward(const lowbit::weight_set& weights, const lowbit::model_shape& shape)
      : weights_(weights), shape_(shape) {}

  double margin = 1e9;
  std::size_t halves = 0;  // values that lay exactly on the threshold of a {0,1} code

  reals bibert(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& types,
               bool keep_zeros) {
    const std::vector<reals> h = bibert_hidden(ids, types, keep_zeros);
    return head(linear("bert.pooler.dense", signs(h[0])));
  }

  /// The last layer's rows, (T, D).
  std::vector<reals> bibert_hidden(const std::vector<std::int32_t>& ids,
                                   const std::vector<std::int32_t>& types, bool keep_zeros) {
    std::vector<reals> h = embed(ids, types);
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const std::string layer = "bert.encoder.layer." + std::to_string(l);
      std::vector<reals> q, k, v;
      for (const reals& row : h) {
        const reals x = signs(row);
        q.push_back(signs(linear(layer + ".attention.self.query", x)));
        k.push_back(signs(linear(layer + ".attention.self.key", x)));
        v.push_back(signs(linear(layer + ".attention.self.value", x)));
      }
      for (std::size_t t = 0; t < h.size(); ++t) {
        reals c(shape_.hidden);
        for (std::size_t head = 0; head < shape_.heads; ++head) {
          for (std::size_t j = 0; j < h.size(); ++j) {
            const double s = score(q[t], k[j], head);
            if (keep_zeros ? s > 0 : s >= 0) add_head(c, v[j], head, 1.0);
          }
        }
        for (double& x : c) x = x > 0 ? 1 : x < 0 ? -1 : keep_zeros ? 0 : 1;
        const reals a = norm(layer + ".attention.output.LayerNorm",
                             sum(linear(layer + ".attention.output.dense", c), h[t]));
        const reals f = signs(linear(layer + ".intermediate.dense", signs(a)));  // sign(gelu(x))
        next_.push_back(
            norm(layer + ".output.LayerNorm", sum(linear(layer + ".output.dense", f), a)));
      }
      h.swap(next_);
      next_.clear();
    }
    return h;
  }

  std::vector<reals> fp32_hidden(const std::vector<std::int32_t>& ids,
                                 const std::vector<std::int32_t>& types) {
    std::vector<reals> h = embed(ids, types);
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const std::string layer = "bert.encoder.layer." + std::to_string(l);
      std::vector<reals> q, k, v;
      for (const reals& row : h) {
        q.push_back(dense(layer + ".attention.self.query", row));
        k.push_back(dense(layer + ".attention.self.key", row));
        v.push_back(dense(layer + ".attention.self.value", row));
      }
      for (std::size_t t = 0; t < h.size(); ++t) {
        reals c(shape_.hidden);
        for (std::size_t head = 0; head < shape_.heads; ++head) {
          reals p;
          double total = 0;
          for (const reals& key : k) {
            p.push_back(std::exp(score(q[t], key, head) / std::sqrt(static_cast<double>(width()))));
            total += p.back();
          }
          for (std::size_t j = 0; j < h.size(); ++j) add_head(c, v[j], head, p[j] / total);
        }
        const reals a = norm(layer + ".attention.output.LayerNorm",
                             sum(dense(layer + ".attention.output.dense", c), h[t]));
        reals f = dense(layer + ".intermediate.dense", a);
        for (double& x : f) x = gelu(x);
        next_.push_back(
            norm(layer + ".output.LayerNorm", sum(dense(layer + ".output.dense", f), a)));
      }
      h.swap(next_);
      next_.clear();
    }
    return h;
  }

  reals bit(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& types) {
    std::vector<reals> h = embed(ids, types);
    for (std::size_t l = 0; l < shape_.layers; ++l) {
      const std::string layer = "bert.encoder.layer." + std::to_string(l);
      const std::string self = layer + ".attention.self.";
      std::vector<reals> q, k, v;
      for (const reals& row : h) {
        q.push_back(elastic_signs(linear(self + "query", shifted(self + "query", row)),
                                  scalar(self + "query.output.scale")));
        k.push_back(elastic_signs(linear(self + "key", shifted(self + "key", row)),
                                  scalar(self + "key.output.scale")));
        v.push_back(elastic_signs(linear(self + "value", shifted(self + "value", row)),
                                  scalar(self + "value.output.scale")));
      }
      const double a_p = scalar(self + "probability.scale");
      for (std::size_t t = 0; t < h.size(); ++t) {
        reals c(shape_.hidden);
        for (std::size_t head = 0; head < shape_.heads; ++head) {
          reals p(h.size());
          double total = 0;
          for (std::size_t j = 0; j < p.size(); ++j) {
            p[j] = std::exp(score(q[t], k[j], head) / std::sqrt(static_cast<double>(width())));
            total += p[j];
          }
          for (std::size_t j = 0; j < p.size(); ++j) {
            if (above_half(p[j] / total / a_p)) add_head(c, v[j], head, a_p);
          }
        }
        const std::string attention = layer + ".attention.output";
        const reals a =
            norm(attention + ".LayerNorm",
                 sum(linear(attention + ".dense", shifted(attention + ".dense", c)), h[t]));
        const reals y =
            linear(layer + ".intermediate.dense", shifted(layer + ".intermediate.dense", a));
        reals bits(y.size());
        const double scale = scalar(layer + ".output.dense.input.scale");
        for (std::size_t i = 0; i < y.size(); ++i) {
          const double beta = value(layer + ".output.dense.input.shift", i);
          bits[i] = above_half(((y[i] > 0 ? y[i] : 0) + beta) / scale) ? scale : 0;
        }
        next_.push_back(
            norm(layer + ".output.LayerNorm", sum(linear(layer + ".output.dense", bits), a)));
      }
      h.swap(next_);
      next_.clear();
    }
    return head(linear("bert.pooler.dense", shifted("bert.pooler.dense", h[0])));
  }

  /// The last layer's first row through an encoded or f32 pooler and the classifier.
  reals fp32(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& types) {
    return head(dense("bert.pooler.dense", fp32_hidden(ids, types)[0]));
  }

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

 private:
  struct decoded {
    reals values;
    std::size_t k = 0;
    bool codes = false;
  };
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
  std::vector<reals> next_;
  std::map<std::string, decoded> decoded_;
};

}  // namespace lowbit_test
