// SPDX-License-Identifier: Apache-2.0
// Recognizes files that are not what was expected: a clone without Git LFS contains pointers
// instead of weights, a failed download a web page. Used only in messages, never to accept or
// reject a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "lowbit/core/printable.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

enum class expected_file : std::uint8_t { weights, json, lines, sentencepiece };

/// True if `text` starts with `tag` (lower case), ignoring case.
[[nodiscard]] constexpr bool begins_with_tag(std::string_view text, std::string_view tag) {
  if (text.size() < tag.size()) return false;
  for (std::size_t i = 0; i < tag.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != tag[i]) return false;
  }
  return true;
}

[[nodiscard]] constexpr std::string_view without_leading_space(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty() && (text[0] == ' ' || (text[0] >= '\t' && text[0] <= '\r')))
    text.remove_prefix(1);
  return text;
}

/// ONNX has no magic number: field 1 is the version of the format, field 2 the producer's name.
[[nodiscard]] constexpr bool is_onnx(std::string_view bytes) {
  if (bytes.size() < 5 || bytes[0] != 8 || bytes[1] < 1 || bytes[1] > 32 || bytes[2] != 0x12)
    return false;
  const auto length = static_cast<unsigned char>(bytes[3]);
  return length < 64 && bytes.substr(4, length).size() == length &&
         bytes.substr(4, length).find('\0') == std::string_view::npos;
}

/// The first characters are those of a text.
[[nodiscard]] constexpr bool is_text(std::string_view bytes) {
  std::string_view start = bytes.substr(0, 512);
  for (std::size_t i = 0; i < start.size();) {
    const bool space = start[i] >= '\t' && start[i] <= '\r';
    const std::size_t length = space ? 1 : printable_bytes(start.substr(i));
    if (length == 0) return start.size() == 512 && i > 508;  // a character that is cut
    i += length;
  }
  return !bytes.empty();
}

/// What the bytes are and what to do, for example "a web page (HTML); ..."; empty if they are not
/// recognized, or are what was expected.
[[nodiscard]] constexpr std::string_view foreign_kind(std::string_view bytes,
                                                      expected_file expected) {
  using namespace std::string_view_literals;
  struct entry {
    std::string_view start, kind;
  };
  constexpr auto gguf = "a GGUF file of llama.cpp; expected the original Hugging Face folder"sv;
  constexpr auto ggml = "a GGML file of llama.cpp; expected the original Hugging Face folder"sv;
  constexpr auto torch =
      "a zip archive; if torch.save wrote it, its name must be pytorch_model.bin, otherwise "
      "unpack it"sv;
  constexpr auto pickle =
      "a Python pickle; if torch.save wrote it, its name must be pytorch_model.bin"sv;
  constexpr auto utf16 = "text in UTF-16; convert it to UTF-8"sv;
  constexpr auto address =
      "the Hugging Face Hub's answer to a wrong address; download the file again"sv;
  constexpr auto token =
      "the Hugging Face Hub's answer to a missing token; download the file again with one"sv;
  constexpr entry entries[] = {
      {"version https://git-lfs"sv,
       "a Git LFS pointer, not the file itself; git lfs pull fetches it"sv},
      {"GGUF"sv, gguf},
      {"lmgg"sv, ggml},
      {"tjgg"sv, ggml},
      {"fmgg"sv, ggml},
      {"PK\3\4"sv, torch},
      {"\x80\2"sv, pickle},
      {"\x80\3"sv, pickle},
      {"\x80\4"sv, pickle},
      {"\x80\5"sv, pickle},
      {"\x89HDF\r\n"sv,
       "an HDF5 file, such as TensorFlow's weights are; expected those of PyTorch"sv},
      {"\x93NUMPY"sv, "a NumPy array"sv},
      {"\x1F\x8B"sv, "compressed by gzip; decompress it first"sv},
      {"BZh"sv, "compressed by bzip2; decompress it first"sv},
      {"\xFD\x37zXZ"sv, "compressed by xz; decompress it first"sv},
      {"\x28\xB5\x2F\xFD"sv, "compressed by zstd; decompress it first"sv},
      {"\xFF\xFE"sv, utf16},
      {"\xFE\xFF"sv, utf16},
      {"\x7F"
       "ELF"sv,
       "a program or shared library"sv},
      {"%PDF-"sv, "a PDF document"sv},
      {"Entry not found"sv, address},
      {"Repository not found"sv, address},
      {"Invalid username or password"sv, token},
      {"Access to model"sv, token},
  };
  for (const entry& e : entries) {
    if (bytes.starts_with(e.start)) return e.kind;
  }
  const std::string_view text = without_leading_space(bytes);
  for (const std::string_view tag : {"<!doctype html"sv, "<html"sv, "<head"sv})
    if (begins_with_tag(text, tag)) return "a web page (HTML); download the file itself"sv;
  for (const std::string_view tag : {"<?xml"sv, "<error"sv})
    if (begins_with_tag(text, tag)) return "an XML document; download the file itself"sv;
  if (is_onnx(bytes)) return "an ONNX model; expected the original Hugging Face folder"sv;
  if (bytes.size() > 8 && bytes.substr(4, 4) == "TFL3"sv)
    return "a TensorFlow Lite model; expected the original Hugging Face folder"sv;
  if (expected == expected_file::sentencepiece) return {};  // its reader names the byte
  if (expected == expected_file::weights) {
    if (text.starts_with('{') && is_text(bytes)) return "a JSON text, expected weights"sv;
    return is_text(bytes) ? "a text, expected weights"sv : ""sv;
  }
  if (bytes.size() > 9 && bytes.substr(4, 4) == "\0\0\0\0"sv && bytes[8] == '{')
    return "a safetensors file, expected text"sv;
  const bool is_json = text.starts_with('{') || text.starts_with('[');
  if (!is_json && bytes.substr(0, 4096).find('\0') != bytes.npos)
    return "a binary file, expected text"sv;
  if (expected == expected_file::lines && text.starts_with('{') &&
      text.substr(0, 4096).find(':') != text.npos)
    return "a JSON text, expected one token per line"sv;
  return {};
}

/// `error`, or an error that says what the bytes are if they are recognized.
[[nodiscard]] inline status unless_foreign(std::string_view bytes, expected_file expected,
                                           const status& error) {
  const std::string_view kind = error.ok() ? std::string_view() : foreign_kind(bytes, expected);
  return kind.empty() ? error : status::error(errc::malformed, "this is ", kind);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
