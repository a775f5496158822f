// SPDX-License-Identifier: Apache-2.0
// The quantities that a ledger counts: operations and stored bytes, each under two rules. "Papers"
// follows the low-bit literature; "complete" is everything that this library executes and stores.
// Both are listed side by side to avoid confusion. Plain numbers; does not depend on policies or
// shapes.
#pragma once

#include <cstdint>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The entries of a ledger, in execution order.
enum class cost_item : std::uint8_t {
  embedding,
  query,
  key,
  value,
  scores,
  context,
  attention_output,
  feed_forward_input,
  feed_forward_gate,  ///< pre_norm models only
  feed_forward_output,
  elementwise,  ///< residuals, layer norms and the activation of one layer
  pooler,
  classifier,
};
inline constexpr std::size_t cost_items = 13;

[[nodiscard]] constexpr const char* name_of(cost_item item) {
  constexpr const char* names[cost_items] = {"embedding",
                                             "query",
                                             "key",
                                             "value",
                                             "scores",
                                             "context",
                                             "attention output",
                                             "feed-forward in",
                                             "feed-forward gate",
                                             "feed-forward out",
                                             "norm, residual, activation",
                                             "pooler",
                                             "classifier"};
  return names[static_cast<std::size_t>(item)];
}

/// Operations. One multiply-add of two numbers is one MAC at any bit width.
struct operation_counts {
  std::uint64_t f32_macs = 0;
  std::uint64_t int8_macs = 0;
  std::uint64_t bit_macs = 0;    ///< xor or and, then popcount; one per pair of codes
  std::uint64_t dense_macs = 0;  ///< of the same products if zeros were not skipped
  std::uint64_t f32_operations =
      0;  ///< outside products: add, multiply, compare or function value, one each

  [[nodiscard]] constexpr std::uint64_t macs() const { return f32_macs + int8_macs + bit_macs; }
  /// 2 per f32 MAC, plus the f32 operations outside products.
  [[nodiscard]] constexpr double flops() const {
    return 2.0 * static_cast<double>(f32_macs) + static_cast<double>(f32_operations);
  }
  constexpr operation_counts& operator+=(const operation_counts& o) {
    f32_macs += o.f32_macs;
    int8_macs += o.int8_macs;
    bit_macs += o.bit_macs;
    dense_macs += o.dense_macs;
    f32_operations += o.f32_operations;
    return *this;
  }
  friend constexpr bool operator==(const operation_counts&, const operation_counts&) = default;
};

/// Stored bytes by content. File headers and the tokenizer are not counted.
struct byte_counts {
  std::uint64_t weights = 0;  ///< matrices in their codec: codes, or floats
  std::uint64_t scales = 0;   ///< f32 scales of the codec
  std::uint64_t biases = 0;   ///< f32
  std::uint64_t norms = 0;    ///< f32 gammas and betas
  std::uint64_t tables = 0;   ///< f32 position and token-type embeddings
  std::uint64_t inputs = 0;   ///< f32 scales and shifts learned for input or attention encodings

  [[nodiscard]] constexpr std::uint64_t total() const {
    return weights + scales + biases + norms + tables + inputs;
  }
  constexpr byte_counts& operator+=(const byte_counts& o) {
    weights += o.weights;
    scales += o.scales;
    biases += o.biases;
    norms += o.norms;
    tables += o.tables;
    inputs += o.inputs;
    return *this;
  }
  friend constexpr bool operator==(const byte_counts&, const byte_counts&) = default;
};

/// One entry, or the sum of several.
struct cost {
  operation_counts defined;   ///< every equation of the scheme for every token
  operation_counts executed;  ///< what a run for logits computes: signs replace floats where fused,
                              ///< the last layer computes queries of first tokens only
  byte_counts stored;         ///< the complete size
  double papers_flops = 0;    ///< see papers_flops_of() in ledger.hpp
  double papers_bytes = 0;    ///< see papers_bytes_of() in ledger.hpp

  constexpr cost& operator+=(const cost& o) {
    defined += o.defined;
    executed += o.executed;
    stored += o.stored;
    papers_flops += o.papers_flops;
    papers_bytes += o.papers_bytes;
    return *this;
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
