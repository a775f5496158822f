// SPDX-License-Identifier: Apache-2.0
// Evaluates a model on a split: accuracy of sentences, F1 of BIO spans, or for a masked language
// model the fraction of masked tokens predicted correctly. In float32 and without dropout, from 0
// to 1.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "lowbit/text/spans.hpp"
#include "lowbit/train/data/batching.hpp"

namespace lowbit::train {

/// The metric of a head as named in results.json: "accuracy", "masked_accuracy" or "f1".
[[nodiscard]] inline const char* score_name(head_kind head) {
  if (head == head_kind::masked_lm) return "masked_accuracy";
  return head == head_kind::token ? "f1" : "accuracy";
}

namespace detail {

/// The entities in a sentence, from the label indices of its words.
inline std::vector<entity> entities_of(const std::vector<std::int64_t>& words,
                                       const std::vector<std::string>& labels) {
  std::vector<labelled_word> named;
  for (const std::int64_t w : words) named.push_back({labels[static_cast<std::size_t>(w)], {}, 1});
  return decode_bio(named);
}

inline std::vector<std::int64_t> to_vector(const Tensor& t) {
  const Tensor plain = t.to(at::kCPU).contiguous();
  return {plain.data_ptr<std::int64_t>(), plain.data_ptr<std::int64_t>() + plain.numel()};
}

}  // namespace detail

/// The predicted class of every row of logits, for all examples in the order of plan_batches
/// without a generator. Calls visit(batch, predicted classes, targets).
template <class Visit>
void predict(bert& model, const std::vector<example>& data, const torch::Device& device,
             const Visit& visit) {
  torch::NoGradGuard no_gradients;
  for (const auto& members : plan_batches(data, 128, nullptr)) {
    const batch in = make_batch(data, members, device);
    const trace out = model.forward(in, {.logits_only = true});
    visit(in, out.logits.argmax(1), out.targets);
  }
}

/// The metric score_name() on `data`; negative without examples. `labels`: the class names, needed
/// to parse spans.
inline double score(bert& model, const std::vector<example>& data,
                    const std::vector<std::string>& labels, const torch::Device& device) {
  if (data.empty()) return -1.0;
  if (model.shape().head != head_kind::token) {
    std::int64_t right = 0, all = 0;
    predict(model, data, device, [&](const batch&, const Tensor& found, const Tensor& wanted) {
      right += found.eq(wanted).sum().item<std::int64_t>();
      all += wanted.size(0);
    });
    return static_cast<double>(right) / static_cast<double>(std::max<std::int64_t>(all, 1));
  }
  entity_counts counts;
  predict(model, data, device, [&](const batch& in, const Tensor& found, const Tensor& wanted) {
    const auto by_sentence = detail::to_vector(in.labels.ne(ignored_label).sum(1));
    const auto predicted = detail::to_vector(found), expected = detail::to_vector(wanted);
    auto begin = std::ptrdiff_t{0};
    for (const std::int64_t words : by_sentence) {
      const auto part = [&](const std::vector<std::int64_t>& all) {
        return detail::entities_of({all.begin() + begin, all.begin() + begin + words}, labels);
      };
      counts.add(part(predicted), part(expected));
      begin += words;
    }
  });
  return counts.f1();
}

}  // namespace lowbit::train
