// SPDX-License-Identifier: Apache-2.0
// Latency of a shape under a policy on this machine, measured with lowbit's own kernels. Does not
// depend on libtorch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit_tool {
class session;
}

namespace lowbit_train {

struct latency_options {
  std::string policy = "int8";
  std::size_t tokens = 16;
  std::size_t repetitions = 21;
};

struct latency {
  double seconds = 0.0, maximum_seconds = 0.0;  ///< medians, one thread
  std::uint64_t bytes = 0;                      ///< stored size under the policy
};

/// Runs models with random weights: values do not affect the time. Runs of the maximum point are
/// interleaved with those of each candidate, and it stays in memory. A masked language model is
/// timed as the classifier that it will become.
class latency_meter {
 public:
  explicit latency_meter(latency_options options) : options_(std::move(options)) {}

  /// Errors: those of random_model; invalid_argument for more tokens than positions
  lowbit::result<latency> operator()(const lowbit::model_shape& candidate,
                                     const lowbit::model_shape& maximum);

 private:
  latency_options options_;
  std::shared_ptr<lowbit_tool::session> maximum_;
};

}  // namespace lowbit_train
