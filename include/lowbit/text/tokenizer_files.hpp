// SPDX-License-Identifier: Apache-2.0
// Finds and reads the files of a Hugging Face tokenizer: tokenizer.json, or vocab.txt, and the
// files beside it. A tokenizer.json alone determines how text is split, because the reference
// itself reads it; the other files only add tokens.
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
#include "lowbit/text/tokenizer_companions.hpp"
#include "lowbit/text/tokenizer_file_names.hpp"
#include "lowbit/text/tokenizer_json.hpp"
#include "lowbit/text/tokenizer_parts.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

inline constexpr std::uintmax_t max_tokenizer_file_bytes = std::uintmax_t{1} << 26;
/// Bounds memory: a two-byte line becomes a 32-byte string.
inline constexpr std::size_t max_vocabulary_tokens = std::size_t{1} << 22;

[[nodiscard]] inline result<std::string> read_text_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return status::error(errc::io_error, "cannot read: ", error.message());
  if (size > max_tokenizer_file_bytes)
    return status::error(errc::malformed, "file of ", size, " bytes, expected at most ",
                         max_tokenizer_file_bytes);
  std::ifstream in(path, std::ios::binary);
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (!in.read(bytes.data(), static_cast<std::streamsize>(size)))
    return status::error(errc::io_error, "cannot read ", size, " bytes");
  return bytes;
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

/// Reads the object in a file, or null if there is no file; keeps only the named members, or all if
/// none are named.
[[nodiscard]] inline result<nlohmann::json> read_optional_object(
    const std::filesystem::path& file, std::span<const std::string_view> members = {}) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return nlohmann::json();
  const auto text = read_text_file(file);
  if (!text) return text.status().in(file.string());
  auto json = parse_object(*text, members);
  if (!json) return json.status().in(file.string());
  return json;
}

[[nodiscard]] inline result<tokenizer_companions> read_companions(
    const std::filesystem::path& folder) {
  constexpr std::string_view model_members[] = {"tokenizer_class"};
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
    LOWBIT_TRY_ASSIGN(auto json, read_optional_object(folder / e.name, e.members));
    *e.json = std::move(json);
  }
  return files;
}

[[nodiscard]] inline result<tokenizer_parts> read_vocabulary_file(
    const std::filesystem::path& file) {
  const auto text = read_text_file(file);
  if (!text) return text.status().in(file.string());
  auto tokens = parse_vocabulary_text(*text);
  if (!tokens) return tokens.status().in(file.string());
  tokenizer_parts parts;
  parts.tokens = *std::move(tokens);
  parts.model_size = parts.tokens.size();
  return parts;
}

[[nodiscard]] inline result<tokenizer_parts> read_tokenizer_json_file(
    const std::filesystem::path& file) {
  const auto text = read_text_file(file);
  if (!text) return text.status().in(file.string());
  auto parts = parse_tokenizer_json(*text);
  if (!parts) return parts.status().in(file.string());
  return parts;
}

[[nodiscard]] inline result<tokenizer_parts> read_tokenizer(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored))
    return status::error(errc::not_found, path.string(), ": no such file or folder");
  if (!std::filesystem::is_directory(path, ignored)) {
    if (path.extension() == ".json") return read_tokenizer_json_file(path);
    auto parts = read_vocabulary_file(path);
    if (parts) add_special_tokens(*parts);
    return parts;
  }
  const bool is_json = std::filesystem::exists(path / "tokenizer.json", ignored);
  if (!is_json && !std::filesystem::exists(path / "vocab.txt", ignored))
    return status::error(errc::not_found, path.string(),
                         ": neither tokenizer.json nor vocab.txt, expected one of them");
  LOWBIT_TRY_ASSIGN(auto files, read_companions(path));
  files.is_tokenizer_json = is_json;
  auto parts = is_json ? read_tokenizer_json_file(path / "tokenizer.json")
                       : read_vocabulary_file(path / "vocab.txt");
  if (!parts) return parts;
  LOWBIT_TRY(apply_companions(files, *parts).in(path.string()));
  if (!is_json) add_special_tokens(*parts);
  return parts;
}

}  // namespace detail

/// Reads the files of the tokenizer at `path`, a folder or one file as for
/// wordpiece_tokenizer::load. Maps their names in a folder to their bytes.
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
