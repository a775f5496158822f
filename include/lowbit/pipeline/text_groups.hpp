// SPDX-License-Identifier: Apache-2.0
// Many texts on several threads. Steps of a small model take microseconds, so threads that share
// one batch mostly wait for each other: if there are enough texts, each thread runs groups of its
// own. Results are the same bits, because no text depends on the others of its batch; where ranges
// span a batch, the caller's batches are the groups.
#pragma once

#include <algorithm>

#include "lowbit/core/bits.hpp"
#include "lowbit/pipeline/runner.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The division of `texts` texts into groups of at most `most`.
class text_groups {
 public:
  text_groups(std::size_t texts, std::size_t most, std::size_t workers)
      : texts_(texts), concurrent_(workers > 1 && texts >= 2 * workers) {
    const std::size_t needed = (texts + most - 1) / most;
    count_ = concurrent_ ? std::min(texts, round_up(needed, workers)) : needed;
  }

  [[nodiscard]] std::size_t size() const { return count_; }
  /// Whether threads run groups of their own, instead of sharing the products of each.
  [[nodiscard]] bool concurrent() const { return concurrent_; }
  /// The first text of group i, or of what follows the last one. Sizes differ by at most 1.
  [[nodiscard]] std::size_t begin(std::size_t i) const {
    const std::size_t longer = count_ == 0 ? 0 : texts_ % count_;
    return count_ == 0 ? 0 : texts_ / count_ * i + (i < longer ? i : longer);
  }

 private:
  std::size_t texts_;
  bool concurrent_;
  std::size_t count_;
};

/// Calls work(i, executor, memory) for every group, in any order.
template <executor Executor, class Work>
void for_each_group(const text_groups& groups, Executor& threads, run_memory& memory,
                    const Work& work) {
  if constexpr (!std::is_same_v<Executor, serial>) {
    if (groups.concurrent()) {
      memory.divide(threads.workers());
      threads.run(groups.size(), [&](std::size_t i, std::size_t worker) {
        serial alone;
        work(i, alone, memory.of(worker));
      });
      return;
    }
  }
  for (std::size_t i = 0; i < groups.size(); ++i) work(i, threads, memory);
}

}  // namespace lowbit::inline LOWBIT_ISA
