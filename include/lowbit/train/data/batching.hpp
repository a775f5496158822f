// SPDX-License-Identifier: Apache-2.0
// Batches of token ids. Sentences of similar length share a batch, so little computation is spent
// on padding; the composition and order of batches change every epoch. All randomness depends on
// (seed, epoch or step, example) only: a resumed run sees what an uninterrupted one would, and a
// batch split among processes is corrupted as if it were whole.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// A tokenized sentence or pair and its labels.
struct example {
  std::vector<std::int64_t> ids;     // with [CLS] and [SEP]
  std::vector<std::int64_t> labels;  // one class, or one per token
  std::vector<std::int64_t> types;   // for a pair; empty: all 0
  bool cut = false;                  // truncated
};

/// A generator for one element of a stream, independent of those of all other elements.
inline std::mt19937_64 seeded_generator(std::uint64_t seed, std::uint64_t a, std::uint64_t b = 0) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  std::seed_seq mix{low(seed), high(seed), low(a), high(a), low(b), high(b)};
  return std::mt19937_64(mix);
}

/// Uniform in [0, bound) from the raw generator output: the same with every standard library.
inline std::size_t draw(std::mt19937_64& generator, std::size_t bound) {
  return static_cast<std::size_t>(generator() % bound);
}
/// True with this probability.
inline bool chance(std::mt19937_64& generator, double probability) {
  constexpr double range = 18446744073709551616.0;  // 2^64
  return static_cast<double>(generator()) / range < probability;
}

inline void shuffle(std::vector<std::size_t>& items, std::mt19937_64& generator) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[draw(generator, i)]);
}

/// Indices of `data` in batches of at most `size`, grouped by length. With a generator, members and
/// order of the batches are random.
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

/// `members` split into `pieces` runs of nearly equal length, some possibly empty.
inline std::vector<std::vector<std::size_t>> cut_batch(const std::vector<std::size_t>& members,
                                                       std::size_t pieces) {
  std::vector<std::vector<std::size_t>> out(pieces);
  for (std::size_t p = 0; p < pieces; ++p) {
    const std::size_t begin = members.size() * p / pieces, end = members.size() * (p + 1) / pieces;
    out[p].assign(members.begin() + static_cast<std::ptrdiff_t>(begin),
                  members.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return out;
}

/// Modifies an example before it is trained on: token dropout, masking.
using corruption = std::function<void(example&, std::mt19937_64&)>;

/// Word dropout: replaces each token between [CLS] and [SEP] by `unknown` with this probability.
/// Trains the [UNK] row, which the training text alone never uses, and regularizes.
inline corruption token_dropout(double probability, std::int64_t unknown) {
  if (probability <= 0.0) return {};
  return [=](example& e, std::mt19937_64& generator) {
    for (std::size_t t = 1; t + 1 < e.ids.size(); ++t) {
      if (chance(generator, probability)) e.ids[t] = unknown;
    }
  };
}

/// Tensors of one or more examples. Labels are per token if the examples' are. `width`: minimum
/// tokens per row.
inline batch make_batch(const std::vector<example>& members, const torch::Device& device,
                        std::size_t width = 0) {
  const auto rows = static_cast<std::int64_t>(members.size());
  std::size_t longest = width, shortest = SIZE_MAX;
  bool pairs = false;
  for (const example& e : members) {
    longest = std::max(longest, e.ids.size());
    shortest = std::min(shortest, e.ids.size());
    pairs = pairs || !e.types.empty();
  }
  const auto columns = static_cast<std::int64_t>(longest);
  const bool by_token = members.front().labels.size() != 1;
  batch out;
  out.padded = shortest != longest;
  out.ids = at::zeros({rows, columns}, at::kLong);
  out.mask = at::zeros({rows, columns}, at::kFloat);
  out.labels = at::full({rows, by_token ? columns : 1}, ignored_label, at::kLong);
  if (pairs) out.types = at::zeros({rows, columns}, at::kLong);
  for (std::int64_t r = 0; r < rows; ++r) {
    const example& e = members[static_cast<std::size_t>(r)];
    const auto copy = [r](const std::vector<std::int64_t>& from, Tensor& to) {
      std::copy(from.begin(), from.end(), to.data_ptr<std::int64_t>() + r * to.size(1));
    };
    copy(e.ids, out.ids);
    copy(e.labels, out.labels);
    if (!e.types.empty()) copy(e.types, out.types);
    out.mask[r].narrow(0, 0, static_cast<std::int64_t>(e.ids.size())).fill_(1.0);
  }
  if (!by_token) out.labels = out.labels.squeeze(1);
  for (Tensor* t : {&out.ids, &out.mask, &out.labels, &out.types}) {
    if (t->defined()) *t = t->to(device);
  }
  return out;
}

inline batch make_batch(const std::vector<example>& data, const std::vector<std::size_t>& members,
                        const torch::Device& device) {
  std::vector<example> chosen;
  for (const std::size_t m : members) chosen.push_back(data[m]);
  return make_batch(chosen, device);
}

/// The same after `corrupt` (which may be empty), with random numbers from (seed, step, member).
inline batch make_batch(const std::vector<example>& data, const std::vector<std::size_t>& members,
                        const corruption& corrupt, std::uint64_t seed, std::int64_t step,
                        const torch::Device& device, std::size_t width = 0) {
  std::vector<example> chosen;
  for (const std::size_t m : members) {
    chosen.push_back(data[m]);
    if (!corrupt) continue;
    std::mt19937_64 generator = seeded_generator(seed, static_cast<std::uint64_t>(step), m + 1);
    corrupt(chosen.back(), generator);
  }
  return make_batch(chosen, device, width);
}

}  // namespace lowbit::train
