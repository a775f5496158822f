// SPDX-License-Identifier: Apache-2.0
// How long a shape takes under a policy on this machine, by lowbit's own kernels. Knows nothing of
// libtorch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "lowbit/core/status.hpp"
#include "lowbit/model/shape.hpp"

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
  double seconds = 0.0, maximum_seconds = 0.0;  ///< medians, of one thread
  std::uint64_t bytes = 0;                      ///< stored under the policy
};

/// Runs random models: the values do not change the time. The maximum point takes turns with every
/// candidate and stays in memory. A masked language model is timed as the classifier that will be
/// made of it.
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
