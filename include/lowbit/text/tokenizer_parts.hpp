// SPDX-License-Identifier: Apache-2.0
// The unvalidated description of a tokenizer, common to all file formats, so that the tokenizer
// itself does not depend on JSON.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/added_tokens.hpp"
#include "lowbit/text/models.hpp"
#include "lowbit/text/normalizers.hpp"
#include "lowbit/text/post_processor.hpp"
#include "lowbit/text/pre_tokenizers.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

struct tokenizer_parts {
  std::vector<std::string> tokens;  ///< by id; those of the model first, then added ones
  std::size_t model_size = 0;       ///< number of tokens that can match inside a word
  std::vector<added_token> added;   ///< their ids are their positions in `tokens`
  std::vector<normalizer_step> normalizers{};
  std::vector<pre_tokenizer_step> pre_tokenizers{};
  model_options model{};
  token_template specials{};
  std::vector<offset_trimmer> trimmers{};
  /// Tokens by role; a role without one is empty.
  std::string unknown = "[UNK]", classifier = "[CLS]", separator = "[SEP]", padding = "[PAD]",
              mask = "[MASK]";
  bool has_type_ids = true;  ///< type ids distinguish the texts of a pair; otherwise all 0
};

/// BERT's pipeline around a WordPiece vocabulary, with its defaults.
[[nodiscard]] inline tokenizer_parts bert_parts(std::vector<std::string> tokens,
                                                const normalizer_options& options = {}) {
  tokenizer_parts parts;
  parts.model_size = tokens.size();
  parts.tokens = std::move(tokens);
  parts.normalizers.emplace_back(bert_normalizer{options});
  parts.pre_tokenizers.emplace_back(bert_pre_tokenizer{});
  parts.specials = bert_template(parts.classifier, parts.separator);
  return parts;
}

/// The special tokens and the template of RoBERTa.
inline void set_roberta_tokens(tokenizer_parts& parts) {
  parts.unknown = "<unk>";
  parts.classifier = "<s>";
  parts.separator = "</s>";
  parts.padding = "<pad>";
  parts.mask = "<mask>";
  parts.specials = roberta_template(parts.classifier, parts.separator);
}

/// RoBERTa's pipeline around a byte-level vocabulary.
[[nodiscard]] inline tokenizer_parts roberta_parts(std::vector<std::string> tokens,
                                                   bpe_model::options model, bool add_prefix_space,
                                                   bool trim_offsets) {
  tokenizer_parts parts;
  parts.model_size = tokens.size();
  parts.tokens = std::move(tokens);
  parts.pre_tokenizers.emplace_back(byte_level_pre_tokenizer{add_prefix_space, true});
  parts.model = std::move(model);
  set_roberta_tokens(parts);
  if (trim_offsets) parts.trimmers.push_back({add_prefix_space});
  return parts;
}

/// Bounds what a file can make of a text: its steps must not run long or blow the text up.
/// Errors: unsupported
[[nodiscard]] inline status check_steps(const tokenizer_parts& parts) {
  constexpr std::size_t max_steps = 64, max_growth = 64, max_prefix = 1024;
  if (std::max(parts.normalizers.size(), parts.pre_tokenizers.size()) > max_steps)
    return status::error(errc::unsupported, "more than ", max_steps,
                         " normalizers or pre-tokenizers, the limit");
  std::size_t growth = 1;
  for (const normalizer_step& step : parts.normalizers) {
    if (const auto* replace = std::get_if<replace_normalizer>(&step)) {
      const std::size_t before = replace->pattern.size() * (replace->repeated ? 2 : 1);
      growth *= std::max<std::size_t>(1, (replace->content.size() + before - 1) / before);
    }
    if (const auto* map = std::get_if<precompiled_charsmap>(&step))
      growth *= std::max<std::size_t>(1, map->longest_replacement());
    const auto* prepend = std::get_if<prepend_normalizer>(&step);
    if (growth > max_growth || (prepend != nullptr && prepend->content.size() > max_prefix))
      return status::error(
          errc::unsupported,
          "normalizer: Replace, Prepend or Precompiled could make a text too long");
  }
  const auto rewrites = [](const auto& step) {
    return std::holds_alternative<byte_level_pre_tokenizer>(step);
  };
  if (std::count_if(parts.pre_tokenizers.begin(), parts.pre_tokenizers.end(), rewrites) > 1)
    return status::error(errc::unsupported, "pre_tokenizer: ByteLevel twice, expected it once");
  return {};
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
