// SPDX-License-Identifier: Apache-2.0
// Progress of a search on standard error.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <string>

#include "lowbit/train/loop/progress.hpp"
#include "lowbit/train/recipe/search/ranking.hpp"

namespace lowbit::train::detail {

/// Redraws one line on a terminal; otherwise prints a line per finished shape.
class search_progress {
 public:
  search_progress(std::size_t shapes, std::size_t steps) : shapes_(shapes), steps_(steps) {}

  void measured(std::size_t done, std::size_t all, const shape_point& at) const {
    if (terminal_) {
      std::fprintf(stderr, "\rmeasuring %zu of %zu: %s\033[K%s", done, all, to_string(at).c_str(),
                   done == all ? "\n" : "");
    }
  }
  void begin(std::size_t index, const shape_point& at) {
    at_ = std::to_string(index + 1) + " of " + std::to_string(shapes_) + ": " + to_string(at);
    done_ = 0;
  }
  void step() {
    ++done_;
    if (!terminal_ || done_ % 5 != 0) return;
    std::fprintf(stderr, "\rtrial %s, step %zu of %zu\033[K", at_.c_str(), done_, steps_);
  }
  void finished(const search_ranking& r, const search_candidate& c, std::size_t left) {
    ++trained_;
    const double each = clock_.elapsed() / static_cast<double>(trained_);
    std::fprintf(stderr, "%strial %s: %.2f M parameters, %.3f ms, error %.4f, left %s\n",
                 terminal_ ? "\r\033[K" : "", at_.c_str(), static_cast<double>(c.parameters) / 1e6,
                 r.milliseconds(c), c.error(),
                 clock_text(each * static_cast<double>(left)).c_str());
  }

 private:
  std::size_t shapes_, steps_, done_ = 0, trained_ = 0;
  std::string at_;
  bool terminal_ = ::isatty(STDERR_FILENO) != 0;
  progress clock_{0, 1, false};
};

}  // namespace lowbit::train::detail
