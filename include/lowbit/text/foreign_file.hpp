// SPDX-License-Identifier: Apache-2.0
// Recognizes files that are not what was expected: a clone without Git LFS contains pointers
// instead of weights, a failed download a web page. Used only in messages, never to accept or
// reject a file.
#pragma once

#include <cstddef>
#include <string_view>

#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// True if `text` starts with `tag` (lower case), ignoring case.
[[nodiscard]] constexpr bool begins_with_tag(std::string_view text, std::string_view tag) {
  if (text.size() < tag.size()) return false;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != tag[i]) return false;
  }
  return true;
}

/// For example "a web page (HTML)"; empty if the bytes are not recognized.
[[nodiscard]] constexpr std::string_view foreign_kind(std::string_view bytes) {
  using namespace std::string_view_literals;
  struct entry {
    std::string_view start, kind;
  };
  constexpr entry entries[] = {
      {"version https://git-lfs"sv,
       "a Git LFS pointer, not the file itself; git lfs pull fetches it"},
      {"GGUF\1\0\0\0"sv, "a GGUF file"},
      {"GGUF\2\0\0\0"sv, "a GGUF file"},
      {"GGUF\3\0\0\0"sv, "a GGUF file"},
      {"lmgg"sv, "a GGML file"},
      {"tjgg"sv, "a GGML file"},
      {"PK\3\4"sv, "a zip archive, such as PyTorch's pickles are"},
      {"\x80\2"sv, "a Python pickle"},
      {"\x80\3"sv, "a Python pickle"},
      {"\x80\4"sv, "a Python pickle"},
      {"\x80\5"sv, "a Python pickle"},
      {"\x89HDF\r\n"sv, "an HDF5 file, such as TensorFlow's weights are"},
      {"\x93NUMPY"sv, "a NumPy array"},
      {"\x1F\x8B"sv, "compressed by gzip"},
      {"BZh"sv, "compressed by bzip2"},
      {"\xFD\x37zXZ"sv, "compressed by xz"},
      {"\x28\xB5\x2F\xFD"sv, "compressed by zstd"},
      {"\xFF\xFE"sv, "text in UTF-16, not in UTF-8"},
      {"\xFE\xFF"sv, "text in UTF-16, not in UTF-8"},
      {"Entry not found"sv, "the Hugging Face Hub's answer to a wrong address"},
      {"Repository not found"sv, "the Hugging Face Hub's answer to a wrong address"},
      {"Invalid username or password"sv, "the Hugging Face Hub's answer to a missing token"},
      {"Access to model"sv, "the Hugging Face Hub's answer to a missing token"},
  };
  for (const entry& e : entries) {
    if (bytes.starts_with(e.start)) return e.kind;
  }
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  while (!bytes.empty() && (bytes[0] == ' ' || (bytes[0] >= '\t' && bytes[0] <= '\r')))
    bytes.remove_prefix(1);
  for (const std::string_view tag : {"<!doctype html"sv, "<html"sv, "<head"sv})
    if (begins_with_tag(bytes, tag)) return "a web page (HTML)";
  for (const std::string_view tag : {"<?xml"sv, "<error"sv})
    if (begins_with_tag(bytes, tag)) return "an XML document";
  return {};
}

/// `error`, or an error that says what the bytes are if they are recognized.
[[nodiscard]] inline status unless_foreign(std::string_view bytes, const status& error) {
  const std::string_view kind = foreign_kind(bytes);
  if (error.ok() || kind.empty()) return error;
  return status::error(errc::malformed, "this is ", kind);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
