// SPDX-License-Identifier: Apache-2.0
// The pipelines that Hugging Face builds around a SentencePiece model for XLM-RoBERTa, CamemBERT
// and ALBERT, where there is no tokenizer.json.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/json_fields.hpp"
#include "lowbit/text/sentencepiece_model.hpp"
#include "lowbit/text/tokenizer_companions.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Special tokens by role: the defaults of a class, then what the files beside the model say.
struct sentencepiece_tokens {
  added_token bos, eos, unknown, separator, padding, classifier, mask;

  [[nodiscard]] status read(const tokenizer_companions& files) {
    const std::pair<const char*, added_token*> roles[] = {
        {"bos_token", &bos},       {"eos_token", &eos},     {"unk_token", &unknown},
        {"sep_token", &separator}, {"pad_token", &padding}, {"cls_token", &classifier},
        {"mask_token", &mask}};
    for (const auto& [key, token] : roles) {
      // A name alone keeps the flags of the default.
      const auto& value = named_token(files, key);
      if (value.is_null()) continue;
      auto read = parse_added_token(value, true);
      if (!read) return read.status().in(key);
      if (value.is_string()) {
        token->content = std::move(read->content);
      } else {
        *token = *std::move(read);
      }
    }
    return {};
  }

  /// Gives the roles to `parts`, and makes their tokens added tokens.
  void add_to(tokenizer_parts& parts) const {
    parts.unknown = unknown.content;
    parts.classifier = classifier.content;
    parts.separator = separator.content;
    parts.padding = padding.content;
    parts.mask = mask.content;
    token_adder adder(parts);
    for (const added_token* t : {&bos, &eos, &unknown, &separator, &padding, &classifier, &mask})
      if (adder.has(t->content)) adder.add(*t);
  }
};

/// <s> <pad> </s> <unk>, the pieces behind <unk> <s> </s>, <mask>: fairseq's vocabulary.
inline void add_xlm_roberta_pieces(const sentencepiece_tokens& t, sentencepiece_model model,
                                   tokenizer_parts& parts, std::vector<double>& scores) {
  parts.tokens = {t.bos.content, t.padding.content, t.eos.content, t.unknown.content};
  scores.resize(parts.tokens.size());
  for (std::size_t i = 3; i < model.pieces.size(); ++i) {
    parts.tokens.push_back(std::move(model.pieces[i]));
    scores.push_back(model.scores[i]);
  }
  parts.tokens.push_back(t.mask.content);
  scores.push_back(0);
}

/// The same with CamemBERT's unused tokens; its <s> and </s> are those of the pieces.
inline void add_camembert_pieces(const sentencepiece_tokens& t, sentencepiece_model model,
                                 tokenizer_parts& parts, std::vector<double>& scores) {
  parts.tokens = {"<s>NOTUSED", t.padding.content, "</s>NOTUSED", t.unknown.content,
                  "<unk>NOTUSED"};
  scores = {0, 0, 0, 0, -100};
  for (std::size_t i = 1; i < model.pieces.size(); ++i) {
    parts.tokens.push_back(std::move(model.pieces[i]));
    scores.push_back(model.scores[i]);
  }
  parts.tokens.push_back(t.mask.content);
  scores.push_back(0);
}

[[nodiscard]] inline status add_albert_normalizers(const nlohmann::json& config,
                                                   tokenizer_parts& parts) {
  bool lower_case = true, keep_accents = false;
  LOWBIT_TRY(read_bool(config, "do_lower_case", lower_case));
  LOWBIT_TRY(read_bool(config, "keep_accents", keep_accents));
  for (const char* quotes : {"``", "''"})
    parts.normalizers.emplace_back(replace_normalizer{quotes, "\""});
  if (!keep_accents) {
    parts.normalizers.emplace_back(normal_form{.compatible = true, .composed = false});
    parts.normalizers.emplace_back(accent_stripper{});
  }
  if (lower_case) parts.normalizers.emplace_back(lowercase_normalizer{});
  return {};
}

/// The tokenizer of `kind` (ALBERT, XLM-RoBERTa, CamemBERT) from the bytes of its .model file.
///
/// Source: transformers 5.24, AlbertTokenizer, XLMRobertaTokenizer and CamembertTokenizer
/// Errors: malformed, unsupported
[[nodiscard]] inline result<tokenizer_parts> read_sentencepiece_parts(
    std::string_view bytes, vocabulary_kind kind, const tokenizer_companions& files) {
  LOWBIT_TRY_ASSIGN(auto model, read_sentencepiece_model(bytes));
  const nlohmann::json none = nlohmann::json::object();
  const nlohmann::json& config = files.config.is_object() ? files.config : none;
  tokenizer_parts parts;
  unigram_model::options options;
  std::vector<added_token> symbols;  // the tokens that the model itself declares
  for (std::size_t i = 0; i < model.pieces.size(); ++i) {
    if (model.kinds[i] == piece_kind::control || model.kinds[i] == piece_kind::user_defined)
      symbols.push_back({.content = model.pieces[i]});
  }
  if (!model.charsmap.empty()) {
    LOWBIT_TRY_ASSIGN(auto map, precompiled_charsmap::make(model.charsmap));
    parts.normalizers.emplace_back(std::move(map));
  }
  const auto named = [](const char* content) { return added_token{.content = content}; };
  sentencepiece_tokens tokens{named("<s>"),   named("</s>"), named("<unk>"), named("</s>"),
                              named("<pad>"), named("<s>"),  named("<mask>")};
  if (kind == vocabulary_kind::albert) {
    tokens.bos = tokens.classifier = named("[CLS]");
    tokens.eos = tokens.separator = named("[SEP]");
    tokens.mask = named("[MASK]");
  }
  tokens.mask.lstrip = kind == vocabulary_kind::camembert;
  LOWBIT_TRY(tokens.read(files));
  if (kind == vocabulary_kind::albert) {
    parts.tokens = std::move(model.pieces);
    options.scores = std::move(model.scores);
    std::vector<normalizer_step> last;
    last.swap(parts.normalizers);
    LOWBIT_TRY(add_albert_normalizers(config, parts).in("tokenizer_config.json"));
    for (normalizer_step& step : last) parts.normalizers.push_back(std::move(step));
  } else if (kind == vocabulary_kind::camembert) {
    add_camembert_pieces(tokens, std::move(model), parts, options.scores);
  } else {
    add_xlm_roberta_pieces(tokens, std::move(model), parts, options.scores);
  }
  parts.model_size = parts.tokens.size();
  parts.model = std::move(options);
  bool add_prefix_space = true;
  LOWBIT_TRY(read_bool(config, "add_prefix_space", add_prefix_space).in("tokenizer_config.json"));
  parts.pre_tokenizers.emplace_back(whitespace_splitter{});
  parts.pre_tokenizers.emplace_back(
      metaspace{.prepends = add_prefix_space ? prepend_scheme::always : prepend_scheme::never});
  parts.specials = kind == vocabulary_kind::albert
                       ? bert_template(tokens.classifier.content, tokens.separator.content)
                       : roberta_template(tokens.bos.content, tokens.eos.content);
  tokens.add_to(parts);
  token_adder adder(parts);
  for (added_token& t : symbols) adder.add(std::move(t));
  return parts;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
