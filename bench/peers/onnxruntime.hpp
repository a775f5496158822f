// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime, opened when the program runs: the build needs its C header only, of any version,
// and the library may be newer. Without the header this is a class that cannot be opened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lowbit/core/status.hpp"

namespace lowbit_bench {

class onnxruntime {
 public:
  /// Errors: not_found (no header at build time, no library, or one that is older than the header)
  static lowbit::result<std::shared_ptr<onnxruntime>> open(const std::string& library);
  virtual ~onnxruntime() = default;
  [[nodiscard]] virtual std::string version() const = 0;

  /// Ids (and mask) in, hidden states out, in buffers that live here.
  class session {
   public:
    virtual ~session() = default;
    /// Takes a batch: ids (B, S), and the mask (B, S) when the model has one.
    virtual lowbit::status bind(std::size_t batch, std::size_t length,
                                std::vector<std::int32_t> ids, std::vector<std::int32_t> mask) = 0;
    virtual lowbit::status run() = 0;
    [[nodiscard]] virtual const std::vector<float>& hidden() const = 0;  // (B, S, D)
  };
  /// All graph optimizations, `threads` within an operator, everything else as it comes.
  virtual lowbit::result<std::unique_ptr<session>> start(const std::string& model,
                                                         std::size_t hidden_size,
                                                         std::size_t threads) = 0;
};

}  // namespace lowbit_bench
