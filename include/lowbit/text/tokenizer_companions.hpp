// SPDX-License-Identifier: Apache-2.0
// The files beside a vocabulary or tokenizer.json: tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, and the field tokenizer_class of config.json. Read like Hugging Face's
// AutoTokenizer; settings that this tokenizer does not support are rejected by name.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/json_fields.hpp"
#include "lowbit/text/tokenizer_json.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The files that define the vocabulary.
enum class vocabulary_kind {
  wordpiece,    ///< vocab.txt
  mpnet,        ///< vocab.txt
  byte_bpe,     ///< vocab.json and merges.txt
  xlm_roberta,  ///< sentencepiece.bpe.model
  camembert,    ///< sentencepiece.bpe.model
  albert,       ///< spiece.model
  json,         ///< tokenizer.json, which also defines the pipeline
};

/// The files beside the vocabulary; null if absent.
struct tokenizer_companions {
  nlohmann::json config;           // tokenizer_config.json
  nlohmann::json special_map;      // special_tokens_map.json
  nlohmann::json added;            // added_tokens.json
  nlohmann::json model_config;     // config.json
  bool is_tokenizer_json = false;  // beside a tokenizer.json rather than a vocabulary
};

/// The fields of tokenizer_config.json that are read.
inline constexpr std::string_view tokenizer_config_members[] = {"tokenizer_class",
                                                                "do_lower_case",
                                                                "keep_accents",
                                                                "strip_accents",
                                                                "tokenize_chinese_chars",
                                                                "clean_text",
                                                                "add_prefix_space",
                                                                "trim_offsets",
                                                                "do_basic_tokenize",
                                                                "truncation_side",
                                                                "split_special_tokens",
                                                                "auto_map",
                                                                "model_input_names",
                                                                "added_tokens_decoder",
                                                                "bos_token",
                                                                "eos_token",
                                                                "unk_token",
                                                                "sep_token",
                                                                "pad_token",
                                                                "cls_token",
                                                                "mask_token",
                                                                "additional_special_tokens",
                                                                "extra_special_tokens"};

/// A tokenizer class and the pipeline that it stands for where there is no tokenizer.json. `json`:
/// none of its own.
struct tokenizer_class {
  std::string_view name;  // without "Fast"
  vocabulary_kind kind;
};

/// Classes that change nothing about BERT's or RoBERTa's tokenizer, and generic ones.
inline constexpr tokenizer_class tokenizer_classes[] = {
    {"BertTokenizer", vocabulary_kind::wordpiece},
    {"ElectraTokenizer", vocabulary_kind::wordpiece},
    {"MobileBertTokenizer", vocabulary_kind::wordpiece},
    {"ConvBertTokenizer", vocabulary_kind::wordpiece},
    {"SqueezeBertTokenizer", vocabulary_kind::wordpiece},
    {"LxmertTokenizer", vocabulary_kind::wordpiece},
    {"DistilBertTokenizer", vocabulary_kind::wordpiece},
    {"RetriBertTokenizer", vocabulary_kind::wordpiece},
    {"DPRContextEncoderTokenizer", vocabulary_kind::wordpiece},
    {"LayoutLMTokenizer", vocabulary_kind::wordpiece},
    {"RealmTokenizer", vocabulary_kind::wordpiece},
    {"DPRQuestionEncoderTokenizer", vocabulary_kind::wordpiece},
    {"MPNetTokenizer", vocabulary_kind::mpnet},
    {"RobertaTokenizer", vocabulary_kind::byte_bpe},
    {"LongformerTokenizer", vocabulary_kind::byte_bpe},
    {"XLMRobertaTokenizer", vocabulary_kind::xlm_roberta},
    {"CamembertTokenizer", vocabulary_kind::camembert},
    {"AlbertTokenizer", vocabulary_kind::albert},
    {"PreTrainedTokenizer", vocabulary_kind::json},
    {"TokenizersBackend", vocabulary_kind::json},
};

[[nodiscard]] inline const tokenizer_class* find_class(std::string_view name) {
  if (name.ends_with("Fast")) name.remove_suffix(4);
  const auto* found = std::find_if(std::begin(tokenizer_classes), std::end(tokenizer_classes),
                                   [&](const tokenizer_class& c) { return c.name == name; });
  return found == std::end(tokenizer_classes) ? nullptr : found;
}

/// The tokenizer class named in the files, or nullptr.
/// Errors: unsupported for an unknown class, or a generic one without tokenizer.json
[[nodiscard]] inline result<const tokenizer_class*> find_tokenizer_class(
    const tokenizer_companions& files) {
  for (const auto& [file, json] : {std::pair{"tokenizer_config.json", &files.config},
                                   std::pair{"config.json", &files.model_config}}) {
    if (!json->is_object()) continue;
    std::string name;
    if (auto s = read_string(*json, "tokenizer_class", name); !s.ok()) return s.in(file);
    if (name.empty()) continue;
    const tokenizer_class* found = find_class(name);
    if (found != nullptr && (files.is_tokenizer_json || found->kind != vocabulary_kind::json))
      return found;
    std::string known;
    for (const tokenizer_class& c : tokenizer_classes) {
      if (files.is_tokenizer_json || c.kind != vocabulary_kind::json)
        known.append(known.empty() ? "" : ", ").append(c.name);
    }
    return status::error(errc::unsupported, file, ": tokenizer_class is '", name,
                         "', expected one of ", known,
                         found != nullptr ? " where there is no tokenizer.json" : "");
  }
  if (files.is_tokenizer_json || !files.model_config.is_object()) return nullptr;
  // A .model file does not say for which class it is; the folders of the first models neither.
  std::string type;
  LOWBIT_TRY(read_string(files.model_config, "model_type", type).in("config.json"));
  if (type == "xlm-roberta") return find_class("XLMRobertaTokenizer");
  if (type == "camembert") return find_class("CamembertTokenizer");
  if (type == "albert") return find_class("AlbertTokenizer");
  return nullptr;
}

/// Rejects options that this tokenizer does not support.
[[nodiscard]] inline status check_tokenizer_options(const nlohmann::json& config) {
  bool basic = true, split = false;
  std::string side = "right";
  LOWBIT_TRY(read_bool(config, "do_basic_tokenize", basic));
  if (!basic) return status::error(errc::unsupported, "do_basic_tokenize: false, expected true");
  LOWBIT_TRY(read_bool(config, "split_special_tokens", split));
  if (split) return status::error(errc::unsupported, "split_special_tokens: true, expected false");
  LOWBIT_TRY(read_string(config, "truncation_side", side));
  if (side != "right")
    return status::error(errc::unsupported, "truncation_side: '", side, "', expected 'right'");
  const auto& code = member(config, "auto_map");
  if (code.is_object() && code.contains("AutoTokenizer"))
    return status::error(errc::unsupported,
                         "auto_map: the tokenizer is Python code of the folder, which is not run");
  return {};
}

/// Adds tokens that are matched in the text itself. The first entry of a token counts; a token that
/// is not in the vocabulary gets the next id.
class token_adder {
 public:
  explicit token_adder(tokenizer_parts& parts) : parts_(parts) {
    known_.reserve(parts.tokens.size());
    for (std::size_t i = 0; i < parts.tokens.size(); ++i) known_.emplace(parts.tokens[i], i);
    for (const added_token& t : parts.added) added_.insert(t.content);
  }

  [[nodiscard]] bool has(const std::string& content) const { return known_.contains(content); }

  void add(added_token token) {
    const bool is_new = known_.emplace(token.content, parts_.tokens.size()).second;
    if (is_new) parts_.tokens.push_back(token.content);
    if (added_.insert(token.content).second) parts_.added.push_back(std::move(token));
  }
  /// Errors: malformed if the token already has a different id
  status add_with_id(added_token token, std::uint64_t id) {
    const auto place = known_.find(token.content);
    const std::size_t expected = place == known_.end() ? parts_.tokens.size() : place->second;
    if (id != expected)
      return status::error(errc::malformed, "'", token.content, "' has id ", id, ", expected ",
                           expected);
    add(std::move(token));
    return {};
  }

 private:
  tokenizer_parts& parts_;
  std::unordered_map<std::string, std::size_t> known_;  // token -> id
  std::unordered_set<std::string> added_;
};

/// Tokens with explicit ids, added in id order.
class numbered_tokens {
 public:
  void push(std::uint64_t id, added_token token) { tokens_.push_back({id, std::move(token)}); }

  status add_to(token_adder& adder) {
    std::stable_sort(tokens_.begin(), tokens_.end(),
                     [](const entry& a, const entry& b) { return a.id < b.id; });
    for (auto& [id, token] : tokens_) LOWBIT_TRY(adder.add_with_id(std::move(token), id));
    return {};
  }

 private:
  struct entry {
    std::uint64_t id;
    added_token token;
  };
  std::vector<entry> tokens_;
};

/// added_tokens_decoder: {"169": {"content": "<e1>", ..}}
[[nodiscard]] inline status add_decoder(const nlohmann::json& decoder, token_adder& adder) {
  if (!decoder.is_object()) return wrong_type("added_tokens_decoder", decoder, "an object");
  numbered_tokens tokens;
  for (const auto& [key, value] : decoder.items()) {
    std::uint64_t id = 0;
    const char* const end = key.data() + key.size();
    const auto [stop, error] = std::from_chars(key.data(), end, id);
    if (error != std::errc() || stop != end)
      return status::error(errc::malformed, "added_tokens_decoder: '", key, "' is no token id");
    auto token = parse_added_token(value, false);
    if (!token) return token.status().in("added_tokens_decoder");
    tokens.push(id, *std::move(token));
  }
  return tokens.add_to(adder).in("added_tokens_decoder");
}

/// The token of a role such as "mask_token", or null. An added_tokens_decoder in
/// tokenizer_config.json replaces special_tokens_map.json, as does a tokenizer.json.
[[nodiscard]] inline const nlohmann::json& named_token(const tokenizer_companions& files,
                                                       const char* role) {
  static const nlohmann::json none = nlohmann::json::object();
  const nlohmann::json& config = files.config.is_object() ? files.config : none;
  const bool has_map = files.special_map.is_object() && !files.is_tokenizer_json &&
                       member(config, "added_tokens_decoder").is_null();
  const auto& newer = member(has_map ? files.special_map : none, role);
  return newer.is_null() ? member(config, role) : newer;
}

/// Special tokens from both files: role name and token.
using named_tokens = std::vector<std::pair<std::string, added_token>>;

/// Reads a list of tokens; extra_special_tokens may also be an object that maps names to tokens.
[[nodiscard]] inline status read_token_list(const nlohmann::json& json, const std::string& key,
                                            named_tokens& out) {
  const auto& list = member(json, key);
  if (list.is_null()) return {};
  if (!list.is_array() && !(list.is_object() && key == "extra_special_tokens"))
    return wrong_type(key, list, "an array");
  for (const auto& value : list) {
    auto token = parse_added_token(value, true);
    if (!token) return token.status().in(key);
    out.emplace_back(key, *std::move(token));
  }
  return {};
}

[[nodiscard]] inline result<named_tokens> read_named_tokens(const nlohmann::json& config,
                                                            const nlohmann::json& map) {
  named_tokens out;
  for (const char* key : {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token",
                          "cls_token", "mask_token"}) {
    const auto& newer = member(map, key);
    const auto& value = newer.is_null() ? member(config, key) : newer;
    if (value.is_null()) continue;
    auto token = parse_added_token(value, true);
    if (!token) return token.status().in(key);
    out.emplace_back(key, *std::move(token));
  }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    for (const nlohmann::json* json : {&config, &map}) LOWBIT_TRY(read_token_list(*json, key, out));
  }
  return out;
}

/// Adds the tokens of all companion files. If tokenizer_config.json has an added_tokens_decoder, it
/// replaces the two older files.
[[nodiscard]] inline status apply_tokens(const tokenizer_companions& files,
                                         tokenizer_parts& parts) {
  const nlohmann::json none = nlohmann::json::object();
  const nlohmann::json& config = files.config.is_object() ? files.config : none;
  const auto& decoder = member(config, "added_tokens_decoder");
  const bool is_old = decoder.is_null() && !files.is_tokenizer_json;
  const bool has_map = is_old && files.special_map.is_object();
  auto named = read_named_tokens(config, has_map ? files.special_map : none);
  if (!named) return named.status().in("tokenizer_config.json or special_tokens_map.json");
  token_adder adder(parts);
  if (!decoder.is_null()) LOWBIT_TRY(add_decoder(decoder, adder).in("tokenizer_config.json"));
  if (is_old && files.added.is_object()) {
    std::unordered_set<std::string> special;
    for (const auto& [key, token] : *named) special.insert(token.content);
    numbered_tokens tokens;
    for (const auto& [content, id] : files.added.items()) {
      if (!id.is_number_unsigned())
        return wrong_type(content, id, "a token id").in("added_tokens.json");
      auto token = parse_added_token(content, special.contains(content));
      if (!token) return token.status().in("added_tokens.json");
      tokens.push(id.get<std::uint64_t>(), *std::move(token));
    }
    LOWBIT_TRY(tokens.add_to(adder).in("added_tokens.json"));
  }
  const std::pair<std::string_view, std::string*> names[] = {{"unk_token", &parts.unknown},
                                                             {"sep_token", &parts.separator},
                                                             {"cls_token", &parts.classifier},
                                                             {"pad_token", &parts.padding},
                                                             {"mask_token", &parts.mask}};
  std::vector<added_token> absent;  // added only if others follow: no model has rows for them
  for (auto& [key, token] : *named) {
    const auto name = std::find_if(std::begin(names), std::end(names),
                                   [&, &k = key](const auto& n) { return n.first == k; });
    const bool is_required = name != std::end(names) && name - std::begin(names) < 3;
    // Where tokenizer.json has such a token, it defines it.
    if (files.is_tokenizer_json && is_required && !name->second->empty()) continue;
    if (name != std::end(names)) *name->second = token.content;
    if (adder.has(token.content)) {
      adder.add(std::move(token));
    } else if (key.ends_with("_token")) {
      if (!is_required) absent.push_back(std::move(token));  // make() reports required ones
    } else {
      for (added_token& t : absent) adder.add(std::move(t));
      absent.clear();
      adder.add(std::move(token));
    }
  }
  return {};
}

[[nodiscard]] inline status apply_normalizer(const nlohmann::json& config,
                                             normalizer_options& options) {
  LOWBIT_TRY(read_bool(config, "do_lower_case", options.lower_case));
  LOWBIT_TRY(read_bool(config, "strip_accents", options.strip_accents));
  LOWBIT_TRY(read_bool(config, "tokenize_chinese_chars", options.handle_chinese_chars));
  return read_bool(config, "clean_text", options.clean_text);
}

/// Applies all companion files; `found`: the class named in them, or nullptr.
/// Errors: malformed or unsupported naming file and field
[[nodiscard]] inline status apply_companions(const tokenizer_companions& files,
                                             const tokenizer_class* found, tokenizer_parts& parts) {
  // DistilBERT, RetriBERT and MPNet take no segment ids, nor does a model without that input.
  parts.has_type_ids =
      found == nullptr || (found->name != "DistilBertTokenizer" &&
                           found->name != "RetriBertTokenizer" && found->name != "MPNetTokenizer");
  if (files.config.is_object()) {
    LOWBIT_TRY(check_tokenizer_options(files.config).in("tokenizer_config.json"));
    const auto& inputs = member(files.config, "model_input_names");
    if (inputs.is_array())
      parts.has_type_ids =
          std::find(inputs.begin(), inputs.end(), "token_type_ids") != inputs.end();
  }
  return apply_tokens(files, parts);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
