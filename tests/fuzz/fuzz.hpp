// SPDX-License-Identifier: Apache-2.0
// What every fuzz target stands on. A target is one source file with LLVMFuzzerTestOneInput and
// LLVMFuzzerCustomMutator; clang links it with libFuzzer, any other compiler with replay.cpp.
//
// An input holds several files of a folder: parts, separated by byte 0xFF, which no valid UTF-8
// has. The last part takes all that is left, so that weights may hold any byte.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/status.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed);
/// libFuzzer's own changes, or those of replay.cpp.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace lowbit_fuzz {

/// Inputs that were no error. A mutator without any never gets past the first checks.
inline std::size_t accepted = 0;

/// std::source_location is missing where clang 14 reads gcc's library.
inline void require(bool condition, const char* file = __builtin_FILE(),
                    unsigned line = __builtin_LINE()) {
  if (condition) return;
  std::fprintf(stderr, "%s:%u: the requirement does not hold\n", file, line);
  std::abort();
}

/// The last error, for replay.cpp.
inline std::string refusal;

/// An error is one line of text that cannot move a terminal's cursor.
inline void require_message(const lowbit::status& error, const char* file = __builtin_FILE(),
                            unsigned line = __builtin_LINE()) {
  refusal = error.message();
  bool one_line = !error.ok() && !error.message().empty();
  for (const char c : error.message())
    one_line = one_line && static_cast<unsigned char>(c) >= ' ' && c != 0x7F;
  if (!one_line) std::fprintf(stderr, "%s\n", refusal.c_str());
  require(one_line, file, line);
}

inline constexpr char separator = '\xFF';
using parts = std::vector<std::string>;

/// Always `count` parts; missing ones are empty.
inline parts split(std::string_view input, std::size_t count) {
  parts all;
  while (all.size() + 1 < count) {
    const std::size_t end = std::min(input.find(separator), input.size());
    all.emplace_back(input.substr(0, end));
    input.remove_prefix(std::min(end + 1, input.size()));
  }
  all.emplace_back(input);
  return all;
}

inline std::string join(const parts& all) {
  std::string input;
  for (const std::string& part : all) {
    if (&part != all.data()) input += separator;
    input += part;
  }
  return input;
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace lowbit_fuzz
