// SPDX-License-Identifier: Apache-2.0
// A search with several processes: only the leader searches, because latencies must come from one
// machine. The others wait for its messages and then use the shape that it chose.
#pragma once

#include <torch/torch.h>

#include <cstdint>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/train/loop/workers.hpp"
#include "lowbit/train/recipe/search/shapes.hpp"

namespace lowbit::train::detail {

/// Messages of the leader; each restarts the timeout of the others.
enum class search_news { searching, chosen, failed };

/// Errors: those of workers::sum
inline result<std::pair<search_news, shape_point>> share_news(const workers& group,
                                                              search_news news = {},
                                                              shape_point at = {}) {
  const auto number = [](auto n) { return static_cast<std::int64_t>(n); };
  const at::Tensor words = at::tensor({number(news), number(at.layers), number(at.heads),
                                       number(at.hidden), number(at.intermediate)},
                                      at::kLong);
  LOWBIT_TRY(group.share({words}));
  const auto extent = [&words](int i) {
    return static_cast<std::size_t>(words[i].item<std::int64_t>());
  };
  return std::pair{static_cast<search_news>(extent(0)),
                   shape_point{extent(1), extent(2), extent(3), extent(4)}};
}

inline status tell_searching(const workers& group) {
  const auto told = share_news(group, search_news::searching);
  return told ? status{} : told.status();
}

/// Waits while the leader searches.
/// Errors: those of workers::sum; invalid_argument when the search failed
inline result<shape_point> wait_for_choice(const workers& group) {
  for (;;) {
    LOWBIT_TRY_ASSIGN(const auto heard, share_news(group));
    if (heard.first == search_news::chosen) return heard.second;
    if (heard.first == search_news::failed) {
      return status::error(errc::invalid_argument, "the search of the leading process failed");
    }
  }
}

}  // namespace lowbit::train::detail
