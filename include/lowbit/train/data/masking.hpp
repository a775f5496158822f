// SPDX-License-Identifier: Apache-2.0
// The corruption of masked language modelling (BERT, section 3.1): a share of the tokens is asked
// for; of these most are hidden, some replaced by another token, some left as they are.
#pragma once

#include <cstdint>
#include <vector>

#include "lowbit/train/data/batching.hpp"

namespace lowbit::train {

struct masking_options {
  std::int64_t mask = 0;        ///< id of [MASK]
  std::int64_t vocabulary = 0;  ///< replacements are drawn from [0, vocabulary) ..
  std::vector<bool> special;    ///< .. but not from these, which are never asked for either
  double probability = 0.15;    ///< of a token to be asked for
  double hidden = 0.8;          ///< of an asked token to become [MASK]
  double replaced = 0.1;        ///< .. another token; the rest stays
};

/// Labels become the original token where it is asked for, ignored_label elsewhere. At least one
/// token is asked for in each sentence that has an ordinary one.
inline corruption mask_tokens(const masking_options& o) {
  return [o](example& e, std::mt19937_64& generator) {
    const auto is_special = [&o](std::int64_t id) {
      return o.special[static_cast<std::size_t>(id)];
    };
    const auto ask = [&](std::size_t t) {
      e.labels[t] = e.ids[t];
      constexpr double range = 18446744073709551616.0;  // 2^64
      const double u = static_cast<double>(generator()) / range;
      if (u < o.hidden) {
        e.ids[t] = o.mask;
      } else if (u < o.hidden + o.replaced) {
        do {
          e.ids[t] =
              static_cast<std::int64_t>(draw(generator, static_cast<std::size_t>(o.vocabulary)));
        } while (is_special(e.ids[t]));
      }
    };
    e.labels.assign(e.ids.size(), ignored_label);
    std::vector<std::size_t> ordinary;
    for (std::size_t t = 0; t < e.ids.size(); ++t) {
      if (!is_special(e.ids[t])) ordinary.push_back(t);
    }
    bool asked = false;
    for (const std::size_t t : ordinary) {
      if (!chance(generator, o.probability)) continue;
      ask(t);
      asked = true;
    }
    if (!asked && !ordinary.empty()) ask(ordinary[draw(generator, ordinary.size())]);
  };
}

}  // namespace lowbit::train
