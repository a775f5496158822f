// SPDX-License-Identifier: Apache-2.0
// The normalizers and pre-tokenizers of tokenizer.json. A new one is an entry in a list here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/byte_level.hpp"
#include "lowbit/text/json_fields.hpp"
#include "lowbit/text/metaspace.hpp"
#include "lowbit/text/normalizers.hpp"
#include "lowbit/text/pre_tokenizers.hpp"
#include "lowbit/text/precompiled_charsmap.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// {"String": ".."} or {"Regex": ".."}. Errors: malformed; unsupported for a regular expression
/// other than `known`
struct text_pattern {
  std::string text;
  bool is_regex = false;
};
[[nodiscard]] inline result<text_pattern> read_pattern(const nlohmann::json& part,
                                                       std::string_view known) {
  const auto& pattern = member(part, "pattern");
  if (!pattern.is_object() || pattern.size() != 1)
    return wrong_type("pattern", pattern, "an object with String or Regex");
  text_pattern out;
  out.is_regex = pattern.contains("Regex");
  LOWBIT_TRY(read_string(pattern, out.is_regex ? "Regex" : "String", out.text));
  if (out.text.empty())
    return status::error(errc::unsupported, "pattern: empty or neither String nor Regex");
  if (out.is_regex && out.text != known)
    return status::error(errc::unsupported, "pattern: regular expression '", out.text,
                         "', expected '", known, "'");
  return out;
}

/// Errors: malformed for an absent or misspelt behavior
[[nodiscard]] inline result<split_behavior> read_behavior(const nlohmann::json& part,
                                                          std::string name) {
  using enum split_behavior;
  LOWBIT_TRY(read_string(part, "behavior", name));
  constexpr std::pair<std::string_view, split_behavior> known[] = {
      {"Removed", removed},
      {"Isolated", isolated},
      {"MergedWithPrevious", merged_with_previous},
      {"MergedWithNext", merged_with_next},
      {"Contiguous", contiguous}};
  for (const auto& [text, value] : known)
    if (text == name) return value;
  return status::error(errc::malformed, "behavior: '", name,
                       "', expected Removed, Isolated, MergedWithPrevious, MergedWithNext or "
                       "Contiguous");
}

[[nodiscard]] inline result<precompiled_charsmap> read_charsmap(const nlohmann::json& part) {
  const auto& text = member(part, "precompiled_charsmap");
  if (!text.is_string()) return wrong_type("precompiled_charsmap", text, "a string");
  const auto bytes = decode_base64(text.get_ref<const std::string&>());
  if (!bytes) return bytes.status().in("precompiled_charsmap");
  return precompiled_charsmap::make(*bytes);
}

/// Errors: malformed for a replacement that is not one character, an unknown prepend_scheme, or the
/// older add_prefix_space: false beside another scheme than never
[[nodiscard]] inline result<metaspace> read_metaspace(const nlohmann::json& part) {
  metaspace p;
  std::string scheme = "always";
  bool add_prefix_space = true;
  LOWBIT_TRY(read_string(part, "replacement", p.replacement));
  if (p.replacement.empty() || utf8_length(p.replacement[0]) != p.replacement.size())
    return status::error(errc::malformed, "replacement: '", p.replacement,
                         "', expected one character");
  LOWBIT_TRY(read_string(part, "prepend_scheme", scheme));
  LOWBIT_TRY(read_bool(part, "add_prefix_space", add_prefix_space));
  LOWBIT_TRY(read_bool(part, "split", p.splits));
  if (scheme == "first") {
    p.prepends = prepend_scheme::first;
  } else if (scheme == "never") {
    p.prepends = prepend_scheme::never;
  } else if (scheme != "always") {
    return status::error(errc::malformed, "prepend_scheme: '", scheme,
                         "', expected always, first or never");
  }
  if (!add_prefix_space && p.prepends != prepend_scheme::never)
    return status::error(errc::malformed, "add_prefix_space: false with prepend_scheme '", scheme,
                         "', expected never");
  return p;
}

template <class Step>
struct step_reader {
  std::string_view type;
  result<Step> (*read)(const nlohmann::json&);
};

inline constexpr std::array normalizer_readers{
    step_reader<normalizer_step>{
        "BertNormalizer",
        [](const nlohmann::json& part) -> result<normalizer_step> {
          bert_normalizer n;
          LOWBIT_TRY(read_bool(part, "clean_text", n.options.clean_text));
          LOWBIT_TRY(read_bool(part, "handle_chinese_chars", n.options.handle_chinese_chars));
          LOWBIT_TRY(read_bool(part, "strip_accents", n.options.strip_accents));
          LOWBIT_TRY(read_bool(part, "lowercase", n.options.lower_case));
          return normalizer_step(n);
        }},
    step_reader<normalizer_step>{"NFC",
                                 [](const nlohmann::json&) -> result<normalizer_step> {
                                   return normalizer_step(
                                       normal_form{.compatible = false, .composed = true});
                                 }},
    step_reader<normalizer_step>{"NFD",
                                 [](const nlohmann::json&) -> result<normalizer_step> {
                                   return normalizer_step(
                                       normal_form{.compatible = false, .composed = false});
                                 }},
    step_reader<normalizer_step>{"NFKC",
                                 [](const nlohmann::json&) -> result<normalizer_step> {
                                   return normalizer_step(
                                       normal_form{.compatible = true, .composed = true});
                                 }},
    step_reader<normalizer_step>{"NFKD",
                                 [](const nlohmann::json&) -> result<normalizer_step> {
                                   return normalizer_step(
                                       normal_form{.compatible = true, .composed = false});
                                 }},
    step_reader<normalizer_step>{"Lowercase",
                                 [](const nlohmann::json&) -> result<normalizer_step> {
                                   return normalizer_step(lowercase_normalizer{});
                                 }},
    step_reader<normalizer_step>{"StripAccents",
                                 [](const nlohmann::json&) -> result<normalizer_step> {
                                   return normalizer_step(accent_stripper{});
                                 }},
    step_reader<normalizer_step>{"Strip",
                                 [](const nlohmann::json& part) -> result<normalizer_step> {
                                   strip_normalizer n;
                                   LOWBIT_TRY(read_bool(part, "strip_left", n.left));
                                   LOWBIT_TRY(read_bool(part, "strip_right", n.right));
                                   return normalizer_step(n);
                                 }},
    step_reader<normalizer_step>{"Replace",
                                 [](const nlohmann::json& part) -> result<normalizer_step> {
                                   LOWBIT_TRY_ASSIGN(auto pattern, read_pattern(part, " {2,}"));
                                   replace_normalizer n;
                                   n.repeated = pattern.is_regex;
                                   n.pattern = n.repeated ? " " : std::move(pattern.text);
                                   if (!member(part, "content").is_string())
                                     return wrong_type("content", member(part, "content"),
                                                       "a string");
                                   LOWBIT_TRY(read_string(part, "content", n.content));
                                   return normalizer_step(std::move(n));
                                 }},
    step_reader<normalizer_step>{"Prepend",
                                 [](const nlohmann::json& part) -> result<normalizer_step> {
                                   prepend_normalizer n;
                                   LOWBIT_TRY(read_string(part, "prepend", n.content));
                                   return normalizer_step(std::move(n));
                                 }},
    step_reader<normalizer_step>{"Nmt",
                                 [](const nlohmann::json&) -> result<normalizer_step> {
                                   return normalizer_step(nmt_normalizer{});
                                 }},
    step_reader<normalizer_step>{"Precompiled",
                                 [](const nlohmann::json& part) -> result<normalizer_step> {
                                   LOWBIT_TRY_ASSIGN(auto map, read_charsmap(part));
                                   return normalizer_step(std::move(map));
                                 }},
};

inline constexpr std::array pre_tokenizer_readers{
    step_reader<pre_tokenizer_step>{"BertPreTokenizer",
                                    [](const nlohmann::json&) -> result<pre_tokenizer_step> {
                                      return pre_tokenizer_step(bert_pre_tokenizer{});
                                    }},
    step_reader<pre_tokenizer_step>{"Whitespace",
                                    [](const nlohmann::json&) -> result<pre_tokenizer_step> {
                                      return pre_tokenizer_step(word_pre_tokenizer{});
                                    }},
    step_reader<pre_tokenizer_step>{"WhitespaceSplit",
                                    [](const nlohmann::json&) -> result<pre_tokenizer_step> {
                                      return pre_tokenizer_step(whitespace_splitter{});
                                    }},
    step_reader<pre_tokenizer_step>{"ByteLevel",
                                    [](const nlohmann::json& part) -> result<pre_tokenizer_step> {
                                      byte_level_pre_tokenizer p;
                                      LOWBIT_TRY(
                                          read_bool(part, "add_prefix_space", p.add_prefix_space));
                                      LOWBIT_TRY(read_bool(part, "use_regex", p.use_regex));
                                      return pre_tokenizer_step(p);
                                    }},
    step_reader<pre_tokenizer_step>{"Punctuation",
                                    [](const nlohmann::json& part) -> result<pre_tokenizer_step> {
                                      LOWBIT_TRY_ASSIGN(const auto behavior,
                                                        read_behavior(part, "Isolated"));
                                      return pre_tokenizer_step(punctuation_splitter{behavior});
                                    }},
    step_reader<pre_tokenizer_step>{"Digits",
                                    [](const nlohmann::json& part) -> result<pre_tokenizer_step> {
                                      digit_splitter p;
                                      LOWBIT_TRY(
                                          read_bool(part, "individual_digits", p.individual));
                                      return pre_tokenizer_step(p);
                                    }},
    step_reader<pre_tokenizer_step>{"Split",
                                    [](const nlohmann::json& part) -> result<pre_tokenizer_step> {
                                      LOWBIT_TRY_ASSIGN(auto pattern,
                                                        read_pattern(part, gpt2_pattern));
                                      pattern_splitter p;
                                      if (!pattern.is_regex) p.pattern = std::move(pattern.text);
                                      LOWBIT_TRY_ASSIGN(p.behavior, read_behavior(part, ""));
                                      LOWBIT_TRY(read_bool(part, "invert", p.invert));
                                      return pre_tokenizer_step(std::move(p));
                                    }},
    step_reader<pre_tokenizer_step>{"Metaspace",
                                    [](const nlohmann::json& part) -> result<pre_tokenizer_step> {
                                      LOWBIT_TRY_ASSIGN(auto p, read_metaspace(part));
                                      return pre_tokenizer_step(std::move(p));
                                    }},
};

/// Appends the steps of a component, which may be null or a Sequence; `list` is the field that
/// holds the parts of one.
///
/// Errors: malformed; unsupported for an unknown type, with the known ones
template <class Step>
[[nodiscard]] status read_steps(const nlohmann::json& part, const char* list,
                                std::span<const step_reader<Step>> known, std::vector<Step>& out) {
  if (part.is_null()) return {};
  LOWBIT_TRY_ASSIGN(const auto type, component_type(part));
  if (type == "Sequence") {
    const auto& parts = member(part, list);
    if (!parts.is_array()) return wrong_type(list, parts, "an array");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (auto s = read_steps(parts[i], list, known, out); !s.ok())
        return s.in(std::string(list) + "[" + std::to_string(i) + "]");
    }
    return {};
  }
  std::string names = "Sequence";
  for (const auto& entry : known) {
    if (entry.type == type) {
      auto step = entry.read(part);
      if (!step) return step.status().in(type);
      out.push_back(*std::move(step));
      return {};
    }
    names.append(", ").append(entry.type);
  }
  return status::error(errc::unsupported, "'", type, "', expected one of ", names);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
