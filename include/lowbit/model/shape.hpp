// SPDX-License-Identifier: Apache-2.0
// The extents of a BERT encoder and what its head is. Data, not types: one build runs any shape. An
// embedded build passes a constexpr shape and gets a constexpr workspace size.
#pragma once

#include <cstddef>

#include "lowbit/core/config.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// What stands on the encoder, by the Hugging Face class that trains it.
enum class head_kind : std::uint8_t {
  sequence,        ///< BertForSequenceClassification: pooler, classifier of one or two sentences
  token,           ///< BertForTokenClassification: classifier of every token
  span,            ///< BertForQuestionAnswering: start and end logit of every token
  masked_lm,       ///< BertForMaskedLM: vocabulary logits of chosen tokens
  mean_embedding,  ///< BertModel: normalised mean of the hidden rows
  cls_embedding,   ///< BertModel: normalised first hidden row
};

[[nodiscard]] constexpr const char* name_of(head_kind head) {
  constexpr const char* names[] = {"sequence classification", "token classification",
                                   "question answering",      "masked language",
                                   "mean embedding",          "cls embedding"};
  return names[static_cast<std::size_t>(head)];
}

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
  std::size_t labels = 0;  ///< of the heads that have some: sequence, token; span has 2
  float layer_norm_eps = 1e-12F;
  bool relu_before_classifier = false;  ///< TinyBERT: logits = classifier(relu(pooled))
  head_kind head = head_kind::sequence;
  std::size_t attention = 0;  ///< width of q, k, v and context, if not hidden (DynaBERT); else 0

  /// Width of q, k, v and context, all heads together.
  [[nodiscard]] constexpr std::size_t inner() const { return attention == 0 ? hidden : attention; }
  [[nodiscard]] constexpr std::size_t head_width() const { return inner() / heads; }
  [[nodiscard]] constexpr bool has_labels() const {
    return head == head_kind::sequence || head == head_kind::token || head == head_kind::span;
  }

  /// Every extent within what the integer kernels and the size arithmetic can hold; names the
  /// field.
  [[nodiscard]] LOWBIT_COLD constexpr status check() const {
    struct field {
      const char* name;
      std::size_t value;
      std::size_t limit;
    };
    const field fields[] = {
        {"num_hidden_layers", layers, 1024},
        {"hidden_size", hidden, 1 << 16},
        {"num_attention_heads", heads, 1 << 12},
        {"intermediate_size", intermediate, 1 << 17},
        {"vocab_size", vocabulary, 1 << 24},
        {"max_position_embeddings", positions, 1 << 20},
        {"type_vocab_size", token_types, 1 << 10},
        {"num_labels", has_labels() ? labels : 1, 1 << 20},
    };
    for (const field& f : fields) {
      if (f.value == 0 || f.value > f.limit) {
        return status::error(errc::malformed, f.name, " is ", f.value, ", expected 1 to ", f.limit);
      }
    }
    if (attention > 1 << 16) {
      return status::error(errc::malformed, "dyna_hidden_size is ", attention, ", expected 1 to ",
                           1 << 16);
    }
    if (inner() % heads != 0) {
      return status::error(errc::malformed, attention == 0 ? "hidden_size " : "dyna_hidden_size ",
                           inner(), " is not a multiple of num_attention_heads ", heads);
    }
    if (head == head_kind::span && labels != 2) {
      return status::error(errc::malformed, "num_labels is ", labels,
                           ", expected 2 for question answering");
    }
    if (!(layer_norm_eps > 0.0F && layer_norm_eps < 1.0F)) {
      return status::error(errc::malformed, "layer_norm_eps is not between 0 and 1");
    }
    return {};
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
