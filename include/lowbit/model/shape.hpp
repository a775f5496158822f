// SPDX-License-Identifier: Apache-2.0
// The extents of a BERT encoder and its head. Data, not types: one build runs any shape. An
// embedded build passes a constexpr shape and gets a constexpr workspace size.
#pragma once

#include <cstddef>

#include "lowbit/core/config.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Letters: L layers, D hidden size, H heads, I intermediate size, V vocabulary, P positions, C
/// labels.
struct model_shape {
  std::size_t layers = 0;
  std::size_t hidden = 0;
  std::size_t heads = 0;
  std::size_t intermediate = 0;
  std::size_t vocabulary = 0;
  std::size_t positions = 0;
  std::size_t token_types = 2;
  std::size_t labels = 0;
  float layer_norm_eps = 1e-12F;
  bool relu_before_classifier = false;  ///< TinyBERT: logits = classifier(relu(pooled))

  [[nodiscard]] constexpr std::size_t head_width() const { return hidden / heads; }

  /// Every extent within what the integer kernels and the size arithmetic can hold; names the
  /// field.
  [[nodiscard]] constexpr status check() const {
    struct field {
      const char* name;
      std::size_t value;
      std::size_t limit;
    };
    const field fields[] = {
        {"num_hidden_layers", layers, 1024},       {"hidden_size", hidden, 1 << 16},
        {"num_attention_heads", heads, 1 << 12},   {"intermediate_size", intermediate, 1 << 18},
        {"vocab_size", vocabulary, 1 << 24},       {"max_position_embeddings", positions, 1 << 20},
        {"type_vocab_size", token_types, 1 << 10}, {"num_labels", labels, 1 << 20},
    };
    for (const field& f : fields) {
      if (f.value == 0 || f.value > f.limit) {
        return status::error(errc::malformed, f.name, " is ", f.value, ", expected 1 to ", f.limit);
      }
    }
    if (hidden % heads != 0) {
      return status::error(errc::malformed, "hidden_size ", hidden,
                           " is not a multiple of num_attention_heads ", heads);
    }
    if (!(layer_norm_eps > 0.0F && layer_norm_eps < 1.0F)) {
      return status::error(errc::malformed, "layer_norm_eps is not between 0 and 1");
    }
    return {};
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
