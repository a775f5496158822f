// SPDX-License-Identifier: Apache-2.0
// Random model folders, and the runtime's logits for a folder under a policy by type.
#pragma once

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

#include "lowbit/io/model_folder.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/train/model/folder.hpp"
#include "support/scratch.hpp"

namespace train_test {

/// Two layers; the vocabulary holds the tokens of sentence().
inline lowbit::model_shape small_shape() { return {2, 48, 3, 80, 30, 16, 2, 4}; }

/// A model of random weights whose biases and norms are not trivial, as after training.
inline lowbit::train::bert random_model(const lowbit::model_shape& shape,
                                        const lowbit::train::scheme_ptr& how, std::uint64_t seed) {
  torch::manual_seed(seed);
  lowbit::train::bert model(shape, how);
  torch::NoGradGuard no_gradients;
  for (auto& [name, tensor] : model.parameters()) tensor.add_(at::randn(tensor.sizes()) * 0.1);
  return model;
}

inline lowbit::train::model_description describe(const lowbit::model_shape& shape) {
  lowbit::train::model_description d{shape, {}, {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}};
  for (std::size_t l = 0; l < shape.labels; ++l) d.labels.push_back("label " + std::to_string(l));
  for (std::size_t v = 5; v < shape.vocabulary; ++v)
    d.vocabulary.push_back("t" + std::to_string(v));
  return d;
}

inline void write_folder(const fs::path& at, lowbit::train::bert& model) {
  const auto written = write_model_folder(at, describe(model.shape()), model.how(),
                                          model.exported(), {}, lowbit::existing::replace);
  INFO(written.message());
  REQUIRE(written.ok());
}

/// Sentence number s: [CLS], s % 13 tokens, [SEP].
inline std::vector<std::int32_t> sentence(std::int32_t s) {
  std::vector<std::int32_t> ids{2};
  for (std::int32_t t = 0; t < s % 13; ++t) ids.push_back(5 + (7 * s + 11 * t) % 25);
  ids.push_back(3);
  return ids;
}

inline lowbit::train::batch batch_of(const std::vector<std::int32_t>& ids) {
  lowbit::train::batch in;
  in.ids = torch::tensor(std::vector<std::int64_t>(ids.begin(), ids.end())).unsqueeze(0);
  in.mask = at::ones_like(in.ids).to(at::kFloat);
  in.labels = at::zeros({1}, at::kLong);
  in.padded = false;
  return in;
}

template <class Policy>
std::vector<float> runtime_logits(const lowbit::canonical_model& source,
                                  const std::vector<std::int32_t>& ids) {
  using model_type = lowbit::classifier<Policy>;
  const auto& shape = source.config.shape;
  const lowbit::aligned_buffer memory(model_type::model_bytes(source.weights(), shape));
  lowbit::arena space(memory.data(), memory.size());
  model_type model;
  const auto loaded = model.load(space, source.weights(), shape);
  INFO(loaded.message());
  REQUIRE(loaded.ok());
  const std::uint32_t offsets[] = {0, static_cast<std::uint32_t>(ids.size())};
  const lowbit::token_input in{ids.data(), nullptr, nullptr, {offsets, 1}};
  const lowbit::aligned_buffer workspace(
      model_type::workspace_bytes(shape, model_type::limits_of(in.batch, 1)));
  std::vector<float> logits(shape.labels);
  lowbit::serial here;
  const lowbit::matrix_view<float> out{logits.data(), 1, shape.labels, shape.labels};
  REQUIRE(model.run(in, workspace.data(), workspace.size(), out, here).ok());
  return logits;
}

/// How many of 40 sentences have logits that differ by more than 1e-4, and the largest difference.
struct disagreement {
  std::size_t sentences = 0;
  double largest = 0;
};
template <class Policy>
disagreement compare_with_runtime(lowbit::train::bert& model,
                                  const lowbit::canonical_model& source) {
  disagreement out;
  torch::NoGradGuard no_gradients;
  for (std::int32_t s = 0; s < 40; ++s) {
    const auto ids = sentence(s);
    const at::Tensor expected = model.forward(batch_of(ids), {}).logits.contiguous();
    const auto found = runtime_logits<Policy>(source, ids);
    double worst = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double d = std::abs(static_cast<double>(found[i] - expected.data_ptr<float>()[i]));
      worst = std::max(worst, std::isfinite(d) ? d : 1e30);
    }
    out.largest = std::max(out.largest, worst);
    if (worst > 1e-4) ++out.sentences;
  }
  return out;
}

}  // namespace train_test
