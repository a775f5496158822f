// SPDX-License-Identifier: Apache-2.0
// The dimensions of a BERT-like encoder, which optional parts it has, its activation functions and
// its head. These are data rather than types, so one build runs any shape; an embedded build passes
// a constexpr shape and gets a constexpr workspace size.
#pragma once

#include <cstddef>

#include "lowbit/core/config.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit {

/// The head on top of the encoder, listed with its Hugging Face class.
enum class head_kind : std::uint8_t {
  sequence,          ///< BertForSequenceClassification: pooler and classifier; input of one or two
                     ///< sentences
  token,             ///< BertForTokenClassification: a classifier for every token
  span,              ///< BertForQuestionAnswering: start and end logits for every token
  masked_lm,         ///< BertForMaskedLM: vocabulary logits of selected tokens
  mean_embedding,    ///< BertModel: mean of the hidden rows of a sentence
  cls_embedding,     ///< BertModel: first hidden row
  pooled_embedding,  ///< BertModel: the hidden rows as the shape's pooling says
};

[[nodiscard]] LOWBIT_INLINE constexpr bool is_embedding(head_kind head) {
  return head == head_kind::mean_embedding || head == head_kind::cls_embedding ||
         head == head_kind::pooled_embedding;
}

[[nodiscard]] LOWBIT_INLINE constexpr const char* name_of(head_kind head) {
  constexpr const char* names[] = {
      "sequence classification", "token classification", "question answering", "masked language",
      "mean embedding",          "cls embedding",        "pooled embedding"};
  return names[static_cast<std::size_t>(head)];
}

/// How the hidden rows of a sentence become one vector, in the order in which several of them are
/// concatenated (the one of sentence-transformers).
enum class pooling_mode : std::uint8_t {
  cls,               ///< first row
  max,               ///< largest value of each column
  mean,              ///< sum / tokens
  mean_sqrt_length,  ///< sum / sqrt(tokens)
  weighted_mean,     ///< row t weighs t + 1
  last,              ///< last row
};
inline constexpr std::size_t pooling_modes = 6;

/// Rows of the table of relative_bias.
inline constexpr std::size_t relative_buckets = 32;

[[nodiscard]] LOWBIT_INLINE constexpr std::size_t bit_of(pooling_mode mode) {
  return std::size_t{1} << static_cast<std::size_t>(mode);
}

/// The activation between the feed-forward layers and of the masked-LM head: hidden_act in
/// config.json.
enum class activation_function : std::uint8_t { gelu, relu, gelu_tanh, silu, quick_gelu };
inline constexpr std::size_t activation_functions = 5;

[[nodiscard]] LOWBIT_INLINE constexpr const char* name_of(activation_function f) {
  constexpr const char* names[] = {"gelu", "relu", "gelu_new", "silu", "quick_gelu"};
  static_assert(sizeof names / sizeof *names == activation_functions);
  const auto i = static_cast<std::size_t>(f);
  return i < activation_functions ? names[i] : "unknown";
}

/// The function between the pooler and the classifier of a sequence head.
enum class pooler_activation : std::uint8_t {
  tanh,       ///< BERT, RoBERTa, ALBERT
  tanh_relu,  ///< TinyBERT: relu(tanh(x))
  relu,       ///< DistilBERT
  gelu,       ///< ELECTRA
};

[[nodiscard]] LOWBIT_INLINE constexpr const char* name_of(pooler_activation f) {
  constexpr const char* names[] = {"tanh", "tanh and relu", "relu", "gelu"};
  return names[static_cast<std::size_t>(f)];
}

/// How the parts of a layer follow each other.
enum class block_kind : std::uint8_t {
  post_norm,  ///< BERT: a layer norm after each residual sum
  /// ModernBERT: a layer norm before attention and one before the feed-forward layers, residual
  /// sums without one; rotary positions, a gate, and a dense layer with a norm in every head.
  pre_norm,
};

/// Letters: L layers, D hidden size, H heads, I intermediate size, V vocabulary, P positions, C
/// labels.
struct model_shape {
  std::size_t layers = 0;
  std::size_t hidden = 0;
  std::size_t heads = 0;
  std::size_t intermediate = 0;
  std::size_t vocabulary = 0;
  std::size_t positions = 0;
  std::size_t token_types = 2;  ///< 0: no such table (DistilBERT)
  std::size_t labels = 0;       ///< for sequence and token heads; 2 for span
  float layer_norm_eps = 1e-12F;
  pooler_activation pooler_act = pooler_activation::tanh;
  head_kind head = head_kind::sequence;
  std::size_t attention = 0;  ///< width of q, k, v, context if not hidden (DynaBERT), else 0
  /// Used by the masked-LM head and by policies whose hidden_act is any_activation; others fix
  /// their own.
  activation_function hidden_act = activation_function::gelu;
  /// In the transform of a masked language model.
  activation_function masked_lm_act = activation_function::gelu;
  /// Width of the embedding tables if a linear layer maps their rows to hidden (ALBERT, ELECTRA).
  std::size_t embedding = 0;   ///< 0: hidden, no map
  bool shared_layers = false;  ///< all layers have the weights of layer 0 (ALBERT)
  std::size_t pooling = 0;     ///< pooled_embedding: the bits of its modes
  bool normalised = true;      ///< embeddings have length 1
  /// Scores get a learned bias by the distance of key and query, one table for all layers (MPNet).
  bool relative_bias = false;
  block_kind block = block_kind::post_norm;
  /// pre_norm only. Layers 0, n, 2n, .. attend to the whole text, the others to `window` tokens
  /// before and after; each kind has its own base of the frequencies of rotary positions.
  std::size_t global_every = 1;
  std::size_t window = 0;
  float global_theta = 0;
  float local_theta = 0;
  bool mean_classifier = false;  ///< its classifier reads the mean of all tokens, not the first

  /// Width of the embedding tables, E.
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t embedding_width() const {
    return embedding == 0 ? hidden : embedding;
  }
  /// Number of layers with weights of their own.
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t stored_layers() const {
    return shared_layers && layers > 0 ? 1 : layers;
  }
  /// Total width of q, k, v and context over all heads.
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t inner() const {
    return attention == 0 ? hidden : attention;
  }
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t head_width() const { return inner() / heads; }
  [[nodiscard]] LOWBIT_INLINE constexpr bool has_labels() const {
    return head == head_kind::sequence || head == head_kind::token || head == head_kind::span;
  }

  /// The bits of the pooling modes of an embedding head.
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t pooling_bits() const {
    return head == head_kind::pooled_embedding ? pooling
           : head == head_kind::cls_embedding  ? bit_of(pooling_mode::cls)
                                               : bit_of(pooling_mode::mean);
  }
  [[nodiscard]] LOWBIT_INLINE constexpr bool pre_norm() const {
    return block == block_kind::pre_norm;
  }
  /// True if a layer attends to the tokens of its window only.
  [[nodiscard]] LOWBIT_INLINE constexpr bool is_local(std::size_t layer) const {
    return layer % global_every != 0;
  }
  /// What only attention with a softmax computes, for messages; null: nothing.
  [[nodiscard]] LOWBIT_INLINE constexpr const char* needs_softmax() const {
    return relative_bias ? "bias of attention scores by distance"
           : pre_norm()  ? "layers with rotary positions and a gate"
                         : nullptr;
  }
  /// Values of an embedding: D for each mode.
  [[nodiscard]] LOWBIT_INLINE constexpr std::size_t output_width() const {
    std::size_t modes = 0;
    for (std::size_t left = pooling_bits(); left != 0; left >>= 1U) modes += left & 1U;
    return modes * hidden;
  }

  /// Checks that every dimension is within the limits of the integer kernels and size arithmetic.
  /// Errors: malformed, naming the field
  [[nodiscard]] LOWBIT_INLINE constexpr status check() const;
};

inline namespace LOWBIT_ISA {
namespace detail {

LOWBIT_COLD constexpr status check_model_shape(const model_shape& s) {
  struct field {
    const char* name;
    std::size_t value;
    std::size_t limit;
    std::size_t least = 1;
  };
  const field fields[] = {
      {"num_hidden_layers", s.layers, 1024},
      {"hidden_size", s.hidden, 1 << 16},
      {"num_attention_heads", s.heads, 1 << 12},
      {"intermediate_size", s.intermediate, 1 << 17},
      {"vocab_size", s.vocabulary, 1 << 24},
      {"max_position_embeddings", s.positions, 1 << 20},
      {"type_vocab_size", s.token_types, 1 << 10, 0},
      {"num_labels", s.has_labels() ? s.labels : 1, 1 << 20},
  };
  for (const field& f : fields) {
    if (f.value < f.least || f.value > f.limit) {
      return status::error(errc::malformed, f.name, " is ", f.value, ", expected ", f.least, " to ",
                           f.limit);
    }
  }
  if (s.attention > 1 << 16) {
    return status::error(errc::malformed, "dyna_hidden_size is ", s.attention, ", expected 1 to ",
                         1 << 16);
  }
  if (s.embedding > s.hidden) {
    return status::error(errc::malformed, "embedding_size is ", s.embedding,
                         ", expected 1 to hidden_size ", s.hidden);
  }
  if (s.inner() % s.heads != 0) {
    return status::error(errc::malformed, s.attention == 0 ? "hidden_size " : "dyna_hidden_size ",
                         s.inner(), " is not a multiple of num_attention_heads ", s.heads);
  }
  if (s.head == head_kind::span && s.labels != 2) {
    return status::error(errc::malformed, "num_labels is ", s.labels,
                         ", expected 2 for question answering");
  }
  if (s.head == head_kind::pooled_embedding &&
      (s.pooling == 0 || s.pooling >= std::size_t{1} << pooling_modes)) {
    return status::error(errc::malformed, "pooling is ", s.pooling, ", expected 1 to ",
                         (std::size_t{1} << pooling_modes) - 1);
  }
  if (s.global_every == 0 || (s.pre_norm() && s.head_width() % 2 != 0)) {
    return status::error(errc::malformed, "layers between global ones ", s.global_every,
                         " and heads of ", s.head_width(),
                         " columns, expected at least 1 and an even number for rotary positions");
  }
  for (const float theta : {s.global_theta, s.local_theta}) {
    if (s.pre_norm() && !(theta >= 1.0F && theta <= 1e12F))
      return status::error(errc::malformed, "rope_theta is not between 1 and 10^12");
  }
  if (!(s.layer_norm_eps > 0.0F && s.layer_norm_eps < 1.0F)) {
    return status::error(errc::malformed, "layer_norm_eps is not between 0 and 1");
  }
  return {};
}

}  // namespace detail
}  // namespace LOWBIT_ISA

LOWBIT_INLINE constexpr status model_shape::check() const {
  return detail::check_model_shape(*this);
}

}  // namespace lowbit
