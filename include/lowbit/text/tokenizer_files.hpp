// SPDX-License-Identifier: Apache-2.0
// Finds and reads the files of a Hugging Face tokenizer: tokenizer.json, vocab.json and merges.txt,
// or vocab.txt, and the files beside it. A tokenizer.json alone determines how text is split,
// because the reference itself reads it; the other files only add tokens.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/foreign_file.hpp"
#include "lowbit/text/model_files.hpp"
#include "lowbit/text/sentencepiece_parts.hpp"
#include "lowbit/text/tokenizer_companions.hpp"
#include "lowbit/text/tokenizer_file_names.hpp"
#include "lowbit/text/tokenizer_json.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

inline constexpr std::uintmax_t max_tokenizer_file_bytes = std::uintmax_t{1} << 26;
/// Bounds memory: a two-byte line becomes a 32-byte string.
inline constexpr std::size_t max_vocabulary_tokens = std::size_t{1} << 22;

[[nodiscard]] inline status check_file_size(std::uintmax_t bytes) {
  if (bytes <= max_tokenizer_file_bytes) return {};
  return status::error(errc::malformed, "file of ", bytes, " bytes, expected at most ",
                       max_tokenizer_file_bytes);
}

[[nodiscard]] inline result<std::string> read_text_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return status::error(errc::io_error, "cannot read: ", error.message());
  LOWBIT_TRY(check_file_size(size));
  std::ifstream in(path, std::ios::binary);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size)))
    return status::error(errc::io_error, "cannot read ", size, " bytes");
  return bytes;
}

/// Errors name the file.
[[nodiscard]] inline result<std::string> read_text_file(const model_files& folder,
                                                        std::string_view file) {
  const auto read = [&]() -> result<std::string> {
    if (!folder.are_in_memory()) return read_text_file(folder / file);
    const auto bytes = folder.bytes(file);
    if (!bytes) return status::error(errc::not_found, "no such file");
    LOWBIT_TRY(check_file_size(bytes->size()));
    return std::string(*bytes);
  };
  auto text = read();
  if (!text) return text.status().in((folder / file).string());
  return text;
}

/// Parses one token per line. A final line break and "\r\n" are accepted, empty lines are not.
[[nodiscard]] inline result<std::vector<std::string>> parse_vocabulary_text(std::string_view text) {
  std::vector<std::string> tokens;
  if (const auto kind = foreign_kind(text, expected_file::lines); !kind.empty())
    return status::error(errc::malformed, "this is ", kind);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty())
      return status::error(errc::malformed, "line ", tokens.size() + 1,
                           " is empty, expected a token");
    if (tokens.size() == max_vocabulary_tokens)
      return status::error(errc::malformed, "more than ", max_vocabulary_tokens,
                           " lines, the limit");
    tokens.emplace_back(line);
    begin = end + 1;
  }
  if (tokens.empty()) return status::error(errc::malformed, "no token, expected one per line");
  return tokens;
}

/// Makes the special tokens in the vocabulary added tokens, unless they already are.
inline void add_special_tokens(tokenizer_parts& parts) {
  for (const std::string* name :
       {&parts.padding, &parts.unknown, &parts.classifier, &parts.separator, &parts.mask}) {
    const auto known = [&](const added_token& t) { return t.content == *name; };
    if (std::any_of(parts.added.begin(), parts.added.end(), known)) continue;
    if (std::find(parts.tokens.begin(), parts.tokens.end(), *name) != parts.tokens.end())
      parts.added.push_back({.content = *name});
  }
}

/// RoBERTa's <s> and </s> are special even if other tokens take the roles of cls_token and
/// sep_token.
inline void add_sentence_tokens(const tokenizer_companions& files, tokenizer_parts& parts) {
  token_adder adder(parts);
  for (const auto& [key, content] :
       {std::pair{"bos_token", "<s>"}, std::pair{"eos_token", "</s>"}}) {
    const auto names = [&, &k = key](const nlohmann::json& json) {
      return json.is_object() && !member(json, k).is_null();
    };
    if (!names(files.config) && !names(files.special_map) && adder.has(content))
      adder.add({.content = content});
  }
}

/// Reads the object in a file, or null if there is no file; keeps only the named members, or all if
/// none are named.
[[nodiscard]] inline result<nlohmann::json> read_optional_object(
    const model_files& folder, std::string_view file,
    std::span<const std::string_view> members = {}) {
  if (!folder.has(file)) return nlohmann::json();
  LOWBIT_TRY_ASSIGN(const auto text, read_text_file(folder, file));
  auto json = parse_object(text, members);
  if (!json) return json.status().in((folder / file).string());
  return json;
}

[[nodiscard]] inline result<tokenizer_companions> read_companions(const model_files& folder) {
  constexpr std::string_view model_members[] = {"tokenizer_class", "model_type"};
  tokenizer_companions files;
  struct entry {
    const char* name;
    nlohmann::json* json;
    std::span<const std::string_view> members;
  };
  for (const entry& e : {entry{"tokenizer_config.json", &files.config, tokenizer_config_members},
                         entry{"special_tokens_map.json", &files.special_map, {}},
                         entry{"added_tokens.json", &files.added, {}},
                         entry{"config.json", &files.model_config, model_members}}) {
    LOWBIT_TRY_ASSIGN(auto json, read_optional_object(folder, e.name, e.members));
    *e.json = std::move(json);
  }
  return files;
}

[[nodiscard]] inline result<std::vector<std::string>> read_vocabulary_file(
    const model_files& folder, const std::string& file) {
  LOWBIT_TRY_ASSIGN(const auto text, read_text_file(folder, file));
  auto tokens = parse_vocabulary_text(text);
  if (!tokens) return tokens.status().in((folder / file).string());
  return tokens;
}

/// BERT's tokenizer from vocab.txt; `config`: tokenizer_config.json or null.
[[nodiscard]] inline result<tokenizer_parts> read_bert_files(const model_files& folder,
                                                             const nlohmann::json& config) {
  LOWBIT_TRY_ASSIGN(auto tokens, read_vocabulary_file(folder, "vocab.txt"));
  normalizer_options options;
  if (config.is_object()) LOWBIT_TRY(apply_normalizer(config, options).in("tokenizer_config.json"));
  return bert_parts(std::move(tokens), options);
}

/// MPNet's: BERT's pipeline with the special tokens and the template of RoBERTa. Its mask token
/// also takes the white space to its left there, which neither ids nor trimmed offsets show.
[[nodiscard]] inline result<tokenizer_parts> read_mpnet_files(const model_files& folder,
                                                              const nlohmann::json& config) {
  auto parts = read_bert_files(folder, config);
  if (!parts) return parts;
  set_roberta_tokens(*parts);
  parts->unknown = "[UNK]";
  parts->trimmers.push_back({false});
  return parts;
}

/// One merge per line after an optional "#version" line; empty lines are skipped.
[[nodiscard]] inline status parse_merges_text(std::string_view text, bpe_model::options& o) {
  if (const auto kind = foreign_kind(text, expected_file::lines); !kind.empty())
    return status::error(errc::malformed, "this is ", kind);
  for (std::size_t begin = 0, number = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) LOWBIT_TRY(read_merge(line, number, o));
    begin = end + 1;
  }
  return {};
}

/// RoBERTa's tokenizer from vocab.json and merges.txt.
[[nodiscard]] inline result<tokenizer_parts> read_roberta_files(const model_files& folder,
                                                                const nlohmann::json& config) {
  bool add_prefix_space = false, trim_offsets = true;
  if (config.is_object()) {
    for (const auto& [key, value] : {std::pair{"add_prefix_space", &add_prefix_space},
                                     std::pair{"trim_offsets", &trim_offsets}})
      LOWBIT_TRY(read_bool(config, key, *value).in("tokenizer_config.json"));
  }
  const auto words_file = folder / "vocab.json", merges_file = folder / "merges.txt";
  LOWBIT_TRY_ASSIGN(const auto words, read_text_file(folder, "vocab.json"));
  const auto json = parse_object(words);
  if (!json) return json.status().in(words_file.string());
  tokenizer_parts read;
  LOWBIT_TRY(read_vocabulary(*json, read).in(words_file.string()));
  LOWBIT_TRY_ASSIGN(const auto merges, read_text_file(folder, "merges.txt"));
  bpe_model::options model;
  LOWBIT_TRY(parse_merges_text(merges, model).in(merges_file.string()));
  return roberta_parts(std::move(read.tokens), std::move(model), add_prefix_space, trim_offsets);
}

/// The name of a SentencePiece model of this kind, or nullptr.
[[nodiscard]] inline const char* sentencepiece_file(vocabulary_kind kind) {
  if (kind == vocabulary_kind::albert) return "spiece.model";
  return kind == vocabulary_kind::xlm_roberta || kind == vocabulary_kind::camembert
             ? "sentencepiece.bpe.model"
             : nullptr;
}

[[nodiscard]] inline result<tokenizer_parts> read_sentencepiece_files(
    const model_files& folder, vocabulary_kind kind, const tokenizer_companions& files) {
  const std::string file = sentencepiece_file(kind);
  LOWBIT_TRY_ASSIGN(const auto bytes, read_text_file(folder, file));
  auto parts = read_sentencepiece_parts(bytes, kind, files);
  if (!parts) return parts.status().in((folder / file).string());
  return parts;
}

[[nodiscard]] inline result<tokenizer_parts> read_tokenizer_json_file(const model_files& folder,
                                                                      const std::string& file) {
  LOWBIT_TRY_ASSIGN(const auto text, read_text_file(folder, file));
  auto parts = parse_tokenizer_json(text);
  if (!parts) return parts.status().in((folder / file).string());
  return parts;
}

/// The kind of vocabulary in a folder: tokenizer.json first, otherwise that of the class.
/// Errors: not_found if its files are absent
[[nodiscard]] inline result<vocabulary_kind> find_vocabulary(const model_files& folder,
                                                             const tokenizer_class* named) {
  const auto has = [&](const char* name) { return folder.has(name); };
  if (has("tokenizer.json")) return vocabulary_kind::json;
  if (const char* file = named == nullptr ? nullptr : sentencepiece_file(named->kind)) {
    if (has(file)) return named->kind;
    return status::error(errc::not_found, folder.native(), ": neither tokenizer.json nor ", file,
                         ", expected one of them");
  }
  for (const char* file : {"sentencepiece.bpe.model", "spiece.model"}) {
    if (named == nullptr && has(file) && !has("vocab.txt") && !has("vocab.json"))
      return status::error(errc::unsupported, folder.native(), ": ", file,
                           " with neither a tokenizer_class in tokenizer_config.json nor a "
                           "model_type in config.json that says how to read it");
  }
  const bool may_be_bert = named == nullptr || named->kind == vocabulary_kind::wordpiece ||
                           named->kind == vocabulary_kind::mpnet;
  const bool may_be_bpe = named == nullptr || named->kind == vocabulary_kind::byte_bpe;
  if (may_be_bert && has("vocab.txt"))
    return named == nullptr ? vocabulary_kind::wordpiece : named->kind;
  if (may_be_bpe && has("vocab.json") && has("merges.txt")) return vocabulary_kind::byte_bpe;
  return status::error(errc::not_found, folder.native(), ": neither tokenizer.json nor ",
                       named == nullptr ? "vocab.txt nor vocab.json with merges.txt"
                       : may_be_bert    ? "vocab.txt"
                                        : "vocab.json with merges.txt",
                       ", expected one of them");
}

/// A single file, see tokenizer::load.
[[nodiscard]] inline result<tokenizer_parts> read_tokenizer_file(
    const std::filesystem::path& path) {
  const model_files folder(path.parent_path());
  const std::string file = path.filename().string();
  if (path.extension() == ".json") return read_tokenizer_json_file(folder, file);
  if (path.extension() == ".model")
    return status::error(errc::unsupported, path.string(),
                         ": a .model file is read with its folder, which names the class");
  LOWBIT_TRY_ASSIGN(auto tokens, read_vocabulary_file(folder, file));
  auto parts = bert_parts(std::move(tokens));
  add_special_tokens(parts);
  return parts;
}

[[nodiscard]] inline result<tokenizer_parts> read_tokenizer(const model_files& path) {
  if (!path.are_in_memory()) {
    std::error_code ignored;
    if (!std::filesystem::exists(path.path(), ignored))
      return status::error(errc::not_found, path.native(), ": no such file or folder");
    if (!std::filesystem::is_directory(path.path(), ignored))
      return read_tokenizer_file(path.path());
  }
  LOWBIT_TRY_ASSIGN(auto files, read_companions(path));
  files.is_tokenizer_json = path.has("tokenizer.json");
  const auto named = find_tokenizer_class(files);
  if (!named) return named.status().in(path.native());
  LOWBIT_TRY_ASSIGN(const auto kind, find_vocabulary(path, *named));
  auto parts = kind == vocabulary_kind::json ? read_tokenizer_json_file(path, "tokenizer.json")
               : sentencepiece_file(kind) != nullptr ? read_sentencepiece_files(path, kind, files)
               : kind == vocabulary_kind::wordpiece  ? read_bert_files(path, files.config)
               : kind == vocabulary_kind::mpnet      ? read_mpnet_files(path, files.config)
                                                     : read_roberta_files(path, files.config);
  if (!parts) return parts;
  LOWBIT_TRY(apply_companions(files, *named, *parts).in(path.native()));
  if (kind == vocabulary_kind::json || sentencepiece_file(kind) != nullptr) return parts;
  parts->specials = kind == vocabulary_kind::wordpiece
                        ? bert_template(parts->classifier, parts->separator)
                        : roberta_template(parts->classifier, parts->separator);
  add_special_tokens(*parts);
  if (kind != vocabulary_kind::wordpiece) add_sentence_tokens(files, *parts);
  return parts;
}

}  // namespace detail

/// Reads the files of the tokenizer at `path`, a folder or one file as for
/// tokenizer::load. Maps their names in a folder to their bytes.
///
/// Errors: io_error, malformed for a file of more than 64 MiB
inline result<std::map<std::string, std::string>> read_tokenizer_files(
    const std::filesystem::path& path) {
  std::error_code ignored;
  std::map<std::string, std::filesystem::path> places;
  if (std::filesystem::is_directory(path, ignored)) {
    for (const char* name : tokenizer_file_names) {
      if (std::filesystem::exists(path / name, ignored)) places.emplace(name, path / name);
    }
  } else {
    places.emplace(path.extension() == ".json" ? "tokenizer.json" : "vocab.txt", path);
  }
  std::map<std::string, std::string> files;
  for (const auto& [name, place] : places) {
    auto text = detail::read_text_file(place);
    if (!text) return text.status().in(place.string());
    files.emplace(name, *std::move(text));
  }
  return files;
}

}  // namespace lowbit::inline LOWBIT_ISA
