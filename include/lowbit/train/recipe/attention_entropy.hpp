// SPDX-License-Identifier: Apache-2.0
// How much information attention bits carry: the quantity that BiBERT maximizes and naive
// binarization loses (BiBERT, section 3.2). A metric only, never a loss.
#pragma once

#include <torch/torch.h>

#include <vector>

#include "lowbit/train/loop/fit_job.hpp"
#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// Information entropy of one-bit attention weights, in bits, from 0 to 1.
///
/// For each head and layer: q = the fraction of weights that are on (greater than 0) among all
/// pairs (query token, key token) of the batch without padding; H = -q log2 q - (1-q) log2(1-q),
/// with 0 log2 0 = 0. The result is the mean of H over heads and layers. 1: as many on as off. 0:
/// all on or all off, as when a softmax is binarized by its sign. If a layer computed [CLS] only,
/// that is its only query.
inline double attention_entropy(const trace& out, const batch& in) {
  torch::NoGradGuard no_gradients;
  double sum = 0.0;
  std::int64_t heads = 0;
  for (const attention_trace& a : out.attention) {
    if (!a.probabilities.defined()) continue;
    const Tensor keys = in.mask.unsqueeze(1);  // (B, 1, T)
    const Tensor queries =
        a.probabilities.size(2) == in.tokens() ? in.mask : in.mask.narrow(1, 0, 1);
    const Tensor pairs = (queries.unsqueeze(2) * keys).unsqueeze(1);  // (B, 1, Q, T)
    const Tensor on = (a.probabilities.gt(0) * pairs).sum({0, 2, 3}, false, at::kDouble);
    const Tensor share = on / pairs.sum(at::kDouble);  // (A)
    const Tensor bits =
        -(at::xlogy(share, share) + at::xlogy(1 - share, 1 - share)) / std::log(2.0);
    sum += bits.sum().item<double>();
    heads += bits.numel();
  }
  return heads == 0 ? 0.0 : sum / static_cast<double>(heads);
}

/// Adds it to a run's history as "attention_entropy".
inline void measure_attention(const trace& out, const batch& in, const step_info& info) {
  if (info.measures != nullptr) info.measure("attention_entropy", attention_entropy(out, in));
}

}  // namespace lowbit::train
