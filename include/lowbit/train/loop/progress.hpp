// SPDX-License-Identifier: Apache-2.0
// Training progress: one line redrawn on a terminal; otherwise a line per epoch, and per minute of
// a long one. Writes to stderr, so stdout stays free for results.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

namespace lowbit::train {

/// Seconds as 1:02:03 or 2:03.
inline std::string clock_text(double seconds) {
  const auto s = static_cast<std::int64_t>(std::max(0.0, seconds) + 0.5);
  char text[32];
  if (s >= 3600) {
    std::snprintf(text, sizeof text, "%d:%02d:%02d", static_cast<int>(s / 3600),
                  static_cast<int>(s / 60 % 60), static_cast<int>(s % 60));
  } else {
    std::snprintf(text, sizeof text, "%d:%02d", static_cast<int>(s / 60), static_cast<int>(s % 60));
  }
  return text;
}

class progress {
 public:
  /// The first `first` of `total` steps were done by an earlier run; prints only if `shows`.
  progress(std::int64_t first, std::int64_t total, bool shows = true)
      : first_(first), total_(total), shows_(shows), terminal_(::isatty(STDERR_FILENO) != 0) {}

  /// Call after each step; redraws at most ten times a second, or prints a line per minute without
  /// a terminal. `best` is negative before the first validation.
  void step(std::int64_t done, double loss, double best) {
    if (!shows_) return;
    const auto now = clock::now();
    if (now - drawn_ < (terminal_ ? std::chrono::milliseconds(100) : std::chrono::minutes(1)))
      return;
    drawn_ = now;
    if (!terminal_) {
      std::fprintf(stderr, "step %lld/%lld loss %.4f left %s\n", static_cast<long long>(done),
                   static_cast<long long>(total_), loss, clock_text(left(done)).c_str());
      std::fflush(stderr);
      return;
    }
    constexpr int width = 30;
    const int filled = static_cast<int>(done * width / std::max<std::int64_t>(total_, 1));
    const std::string bar = std::string(static_cast<std::size_t>(filled), '#') +
                            std::string(static_cast<std::size_t>(width - filled), '.');
    char score[32] = "";
    if (best >= 0) std::snprintf(score, sizeof score, " best %.2f %%", 100.0 * best);
    std::fprintf(stderr, "\r[%s] %lld/%lld loss %.4f%s left %s \033[K", bar.c_str(),
                 static_cast<long long>(done), static_cast<long long>(total_), loss, score,
                 clock_text(left(done)).c_str());
    std::fflush(stderr);
  }

  /// Call after each epoch; a negative score means no validation split.
  void epoch(std::int64_t number, std::int64_t epochs, std::int64_t done, double loss,
             double validation, double best) const {
    if (!shows_) return;
    if (terminal_) std::fprintf(stderr, "\r\033[K");
    std::fprintf(stderr, "epoch %lld/%lld loss %.4f", static_cast<long long>(number),
                 static_cast<long long>(epochs), loss);
    if (validation >= 0) {
      std::fprintf(stderr, " validation %.2f %%", 100.0 * validation);
      if (best >= 0) std::fprintf(stderr, " best %.2f %%", 100.0 * best);
    }
    std::fprintf(stderr, " elapsed %s left %s\n", clock_text(elapsed()).c_str(),
                 clock_text(left(done)).c_str());
    std::fflush(stderr);
  }

  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(clock::now() - start_).count();
  }

 private:
  using clock = std::chrono::steady_clock;

  [[nodiscard]] double left(std::int64_t done) const {
    if (done <= first_) return 0.0;
    return elapsed() / static_cast<double>(done - first_) * static_cast<double>(total_ - done);
  }

  std::int64_t first_, total_;
  bool shows_, terminal_;
  clock::time_point start_ = clock::now(), drawn_ = start_;
};

/// The same for work without a loss: items done, redrawn on a terminal, otherwise ten lines in all.
class counter {
 public:
  counter(std::string what, std::size_t total)
      : what_(std::move(what)), total_(total), terminal_(::isatty(STDERR_FILENO) != 0) {}

  void at(std::size_t done) {
    const auto now = clock::now();
    const bool last = done == total_, tenth = done * 10 / total_ != (done - 1) * 10 / total_;
    if (terminal_ ? !last && now - drawn_ < std::chrono::milliseconds(100) : !tenth) return;
    drawn_ = now;
    const double passed = elapsed();
    const double left = passed / static_cast<double>(done) * static_cast<double>(total_ - done);
    std::fprintf(stderr, "%s%zu/%zu %s left %s%s", terminal_ ? "\r" : "", done, total_,
                 what_.c_str(), clock_text(left).c_str(), terminal_ && !last ? " \033[K" : "\n");
    std::fflush(stderr);
  }
  /// Seconds.
  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(clock::now() - start_).count();
  }

 private:
  using clock = std::chrono::steady_clock;

  std::string what_;
  std::size_t total_;
  bool terminal_;
  clock::time_point start_ = clock::now(), drawn_{};
};

}  // namespace lowbit::train
