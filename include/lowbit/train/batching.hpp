// SPDX-License-Identifier: Apache-2.0
// Token ids to batches. Sentences of equal length share a batch, so almost no padding is computed;
// which ones meet, and the order of the batches, changes every epoch and depends on (seed, epoch)
// alone: a resumed run sees what the uninterrupted one saw.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "lowbit/train/bert.hpp"

namespace lowbit::train {

/// A tokenized sentence and the index of its label.
struct example {
  std::vector<std::int64_t> ids;  // with [CLS] and [SEP]
  std::int64_t label = 0;
};

/// Random numbers of one epoch, independent of all other epochs.
inline std::mt19937_64 epoch_generator(std::uint64_t seed, std::int64_t epoch) {
  std::seed_seq mix{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32),
                    static_cast<std::uint32_t>(epoch)};
  return std::mt19937_64(mix);
}

/// Uniform in [0, bound), from the raw generator: the same on every standard library.
inline std::size_t draw(std::mt19937_64& generator, std::size_t bound) {
  return static_cast<std::size_t>(generator() % bound);
}

inline void shuffle(std::vector<std::size_t>& items, std::mt19937_64& generator) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draw(generator, i)]);
}

/// Indices of `data` in batches of at most `size`, sorted by length. With a generator the members
/// of a batch and the order of the batches are random.
inline std::vector<std::vector<std::size_t>> plan_batches(const std::vector<example>& data,
                                                          std::size_t size,
                                                          std::mt19937_64* generator) {
  std::vector<std::size_t> order(data.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (generator != nullptr) shuffle(order, *generator);
  std::stable_sort(order.begin(), order.end(), [&data](std::size_t a, std::size_t b) {
    return data[a].ids.size() < data[b].ids.size();
  });
  std::vector<std::vector<std::size_t>> cut;
  for (std::size_t i = 0; i < order.size(); i += size) {
    const std::size_t end = std::min(order.size(), i + size);
    cut.emplace_back(order.begin() + static_cast<std::ptrdiff_t>(i),
                     order.begin() + static_cast<std::ptrdiff_t>(end));
  }
  if (generator == nullptr) return cut;
  std::vector<std::size_t> batches(cut.size());
  std::iota(batches.begin(), batches.end(), std::size_t{0});
  shuffle(batches, *generator);
  std::vector<std::vector<std::size_t>> plan;
  for (const std::size_t b : batches) plan.push_back(std::move(cut[b]));
  return plan;
}

/// Word dropout: every token between [CLS] and [SEP] becomes `unknown` with this probability. It
/// trains the [UNK] row, which the training text alone never uses, and hinders memorizing.
struct token_dropout {
  double probability = 0.0;
  std::int64_t unknown = 0;
};

/// The sentences `members` of `data` as tensors.
inline batch make_batch(const std::vector<example>& data, const std::vector<std::size_t>& members,
                        const token_dropout& drop, std::mt19937_64* generator,
                        const torch::Device& device) {
  const auto rows = static_cast<std::int64_t>(members.size());
  std::size_t longest = 0, shortest = SIZE_MAX;
  for (const std::size_t m : members) {
    longest = std::max(longest, data[m].ids.size());
    shortest = std::min(shortest, data[m].ids.size());
  }
  batch out;
  out.padded = shortest != longest;
  out.ids = at::zeros({rows, static_cast<std::int64_t>(longest)}, at::kLong);
  out.mask = at::zeros({rows, static_cast<std::int64_t>(longest)}, at::kFloat);
  out.labels = at::zeros({rows}, at::kLong);
  auto ids = out.ids.accessor<std::int64_t, 2>();
  auto mask = out.mask.accessor<float, 2>();
  auto labels = out.labels.accessor<std::int64_t, 1>();
  const double range = 18446744073709551616.0;  // 2^64
  for (std::int64_t r = 0; r < rows; ++r) {
    const example& e = data[members[static_cast<std::size_t>(r)]];
    labels[r] = e.label;
    for (std::size_t t = 0; t < e.ids.size(); ++t) {
      const auto column = static_cast<std::int64_t>(t);
      const bool inner = t > 0 && t + 1 < e.ids.size();
      const bool dropped = generator != nullptr && inner && drop.probability > 0.0 &&
                           static_cast<double>((*generator)()) / range < drop.probability;
      ids[r][column] = dropped ? drop.unknown : e.ids[t];
      mask[r][column] = 1.0F;
    }
  }
  out.ids = out.ids.to(device);
  out.mask = out.mask.to(device);
  out.labels = out.labels.to(device);
  return out;
}

}  // namespace lowbit::train
