// SPDX-License-Identifier: Apache-2.0
// Calibration: the largest magnitudes of a float encoder's activations over sample sentences, from
// which static int8 scales are derived. Collected by an observer, independent of policies.
#pragma once

#include <array>
#include <vector>

#include "lowbit/nn/activation_site.hpp"
#include "lowbit/nn/attention.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct activation_ranges {
  using site_ranges = std::array<float, activation_sites>;
  std::vector<site_ranges> layers;  // (L), by activation_site
  std::vector<float> hidden;        // (L + 1): index 0 is the embeddings

  explicit activation_ranges(std::size_t count = 0) : layers(count), hidden(count + 1) {}

  [[nodiscard]] float at(std::size_t layer, activation_site site) const {
    return layers[layer][static_cast<std::size_t>(site)];
  }
};

/// Widens `ranges` by the values of every run; pass it to bert::run with the serial executor. NaN
/// in the activations makes the range NaN, which every conversion rejects.
class range_observer {
 public:
  static constexpr bool enabled = true;
  std::size_t layer = 0;

  explicit range_observer(activation_ranges& ranges) : ranges_(&ranges) {}

  void hidden(std::size_t index, matrix_view<const float> rows) {
    widen(ranges_->hidden[index], rows);
  }
  void site(std::size_t index, activation_site at, matrix_view<const float> rows) {
    widen(ranges_->layers[index][static_cast<std::size_t>(at)], rows);
  }
  void scores(const query_span&, std::size_t, matrix_view<const float>) const {}
  void context(const query_span&, std::size_t, matrix_view<const float>) const {}
  void pooled(matrix_view<const float>) const {}

 private:
  static void widen(float& range, matrix_view<const float> rows) {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      for (std::size_t c = 0; c < rows.cols; ++c) {
        const float magnitude = rows(r, c) < 0.0F ? -rows(r, c) : rows(r, c);
        if (!(magnitude <= range)) range = magnitude;
      }
    }
  }

  activation_ranges* ranges_;
};

}  // namespace lowbit::inline LOWBIT_ISA
