// SPDX-License-Identifier: Apache-2.0
// The heads as bare loops in double on the hidden rows of one sentence (reference_forward.hpp).
#pragma once

#include "reference_forward.hpp"

namespace lowbit_test {

/// out (rows, cols) of one sentence under shape.head; `asked` counts tokens of the sentence.
inline reals reference_head(reference_forward& loops, const lowbit::model_shape& shape,
                            const std::vector<reals>& hidden,
                            const std::vector<std::uint32_t>& asked) {
  using lowbit::head_kind;
  reals out;
  const auto append = [&](const reals& row) { out.insert(out.end(), row.begin(), row.end()); };
  if (shape.head == head_kind::token || shape.head == head_kind::span) {
    const char* name = shape.head == head_kind::token ? "classifier" : "qa_outputs";
    for (const reals& row : hidden) append(loops.dense(name, row));
  } else if (shape.head == head_kind::masked_lm) {
    for (const std::uint32_t t : asked) {
      reals x = loops.dense("cls.predictions.transform.dense", hidden[t]);
      for (double& v : x) v = reference_forward::gelu(v);
      x = loops.norm("cls.predictions.transform.LayerNorm", x);
      for (std::size_t v = 0; v < shape.vocabulary; ++v) {
        double y = loops.value("cls.predictions.bias", v);
        for (std::size_t i = 0; i < x.size(); ++i) y += x[i] * loops.word(v, i);
        out.push_back(y);
      }
    }
  } else {
    reals mean(shape.hidden);
    const std::size_t rows = shape.head == head_kind::mean_embedding ? hidden.size() : 1;
    for (std::size_t t = 0; t < rows; ++t) {
      for (std::size_t i = 0; i < mean.size(); ++i)
        mean[i] += hidden[t][i] / static_cast<double>(rows);
    }
    double square = 0;
    for (const double v : mean) square += v * v;
    for (double& v : mean) v /= std::sqrt(square);
    append(mean);
  }
  return out;
}

}  // namespace lowbit_test
