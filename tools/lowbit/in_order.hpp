// SPDX-License-Identifier: Apache-2.0
// Hands the results of tasks that run on several threads to one function, in the order of the
// tasks and as soon as all earlier ones are done: answers are printed while others are computed.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"

namespace lowbit_tool {

/// Visit: status(std::size_t task, T&&), never called by two threads at a time.
template <class T, class Visit>
class in_order {
 public:
  in_order(std::size_t tasks, Visit visit) : waiting_(tasks), visit_(std::move(visit)) {}

  /// Must be called once for each task, unless failed().
  void done(std::size_t task, T value) {
    const std::scoped_lock lock(mutex_);
    waiting_[task] = std::move(value);
    for (; !failed_ && next_ < waiting_.size() && waiting_[next_]; ++next_) {
      status_ = visit_(next_, *std::exchange(waiting_[next_], std::nullopt));
      failed_ = !status_.ok();
    }
  }
  /// Whether a visit failed: the remaining tasks are not needed.
  [[nodiscard]] bool failed() const { return failed_; }
  /// The error of the visit that failed. Call it when all tasks are done.
  [[nodiscard]] lowbit::status status() const { return status_; }

 private:
  std::mutex mutex_;
  std::vector<std::optional<T>> waiting_;
  std::size_t next_ = 0;
  Visit visit_;
  lowbit::status status_;
  std::atomic<bool> failed_ = false;
};

}  // namespace lowbit_tool
