// SPDX-License-Identifier: Apache-2.0
// A batch under construction, for callers that have a heap.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lowbit/model/token_input.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Sentences stored back to back.
struct token_rows {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  std::vector<std::int32_t> positions;  // empty: 0, 1, 2 ..
  std::vector<std::uint32_t> offsets{0};
  std::vector<std::uint32_t> masked;  // token rows that a masked language model predicts
  std::vector<std::uint32_t> valid;   // unpadded lengths of padded sentences; empty: no padding

  void add(const std::vector<std::int32_t>& sentence, const std::vector<std::int32_t>& types) {
    ids.insert(ids.end(), sentence.begin(), sentence.end());
    type_ids.insert(type_ids.end(), types.begin(), types.end());
    offsets.push_back(static_cast<std::uint32_t>(ids.size()));
  }

  /// Valid while this object lives and is not modified.
  [[nodiscard]] token_input view() const {
    return {ids.data(),
            type_ids.data(),
            positions.empty() ? nullptr : positions.data(),
            {offsets.data(), sentences(), valid.empty() ? nullptr : valid.data()},
            {masked.data(), masked.size()}};
  }

  [[nodiscard]] std::size_t sentences() const { return offsets.size() - 1; }

  /// A copy with every sentence padded to the longest with token 0.
  [[nodiscard]] token_rows padded() const {
    std::size_t longest = 0;
    for (std::size_t s = 0; s < sentences(); ++s)
      longest = std::max<std::size_t>(longest, offsets[s + 1] - offsets[s]);
    token_rows out;
    for (std::size_t s = 0; s < sentences(); ++s) {
      const std::size_t begin = offsets[s];
      const std::size_t length = offsets[s + 1] - begin;
      const auto pad = [&](const std::vector<std::int32_t>& from, std::vector<std::int32_t>& to) {
        if (from.empty()) return;
        const auto first = from.begin() + static_cast<std::ptrdiff_t>(begin);
        to.insert(to.end(), first, first + static_cast<std::ptrdiff_t>(length));
        to.resize((s + 1) * longest, 0);
      };
      pad(ids, out.ids);
      pad(type_ids, out.type_ids);
      pad(positions, out.positions);
      out.valid.push_back(static_cast<std::uint32_t>(length));
      out.offsets.push_back(static_cast<std::uint32_t>(out.ids.size()));
      for (const std::uint32_t row : masked) {
        if (row >= begin && row < begin + length)
          out.masked.push_back(static_cast<std::uint32_t>(s * longest + row - begin));
      }
    }
    return out;
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
