// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime, loaded at run time: the build needs only its C header, of any version, and the
// library may be newer. Without the header, this class cannot be opened.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lowbit/core/status.hpp"

namespace lowbit_bench {

class onnxruntime {
 public:
  /// Errors: not_found (no header at build time, no library, or one older than the header)
  static lowbit::result<std::shared_ptr<onnxruntime>> open(const std::string& library);
  virtual ~onnxruntime() = default;
  [[nodiscard]] virtual std::string version() const = 0;

  /// Ids (and mask) in, hidden states out, in buffers owned by this class.
  class session {
   public:
    virtual ~session() = default;
    /// Sets a batch: ids (B, S), and the mask (B, S) if the model has one.
    virtual lowbit::status bind(std::size_t batch, std::size_t length,
                                std::vector<std::int32_t> ids, std::vector<std::int32_t> mask) = 0;
    virtual lowbit::status run() = 0;
    [[nodiscard]] virtual const std::vector<float>& hidden() const = 0;  // (B, S, D)
  };
  /// All graph optimizations, `threads` intra-op threads, everything else at its default.
  virtual lowbit::result<std::unique_ptr<session>> start(const std::string& model,
                                                         std::size_t hidden_size,
                                                         std::size_t threads) = 0;
};

}  // namespace lowbit_bench
