// SPDX-License-Identifier: Apache-2.0
// BERT, BiBERT and BiT for one sentence as bare loops in double over unpacked values, written from
// the published formulas and nothing of the engine but its tensor names. A sign
// whose argument is near 0 could fall either way in float: `margin` is the nearest one of a run.
#pragma once

#include "reference_steps.hpp"

namespace lowbit_test {

class reference_forward : public reference_steps {
 public:
  using reference_steps::reference_steps;

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

 private:
  std::vector<reals> next_;
};

}  // namespace lowbit_test
