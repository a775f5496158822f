// SPDX-License-Identifier: Apache-2.0
// SentencePiece's normalizer: a double array that maps byte strings to replacements, applied like
// the Precompiled normalizer of Hugging Face tokenizers. That differs from SentencePiece itself: of
// the keys that begin a grapheme cluster the shortest counts, and it replaces all of the cluster.
// Vocabularies are used with that normalizer, so its result is the right one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/graphemes.hpp"
#include "lowbit/text/normal_forms.hpp"
#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Decodes standard base64 with padding. Errors: malformed with the position
[[nodiscard]] inline result<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  if (text.size() % 4 != 0)
    return status::error(errc::malformed, "base64 of ", text.size(),
                         " characters, expected a multiple of 4");
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = i < text.size() - padding ? digits.find(text[i]) : 0;
    if (digit == std::string_view::npos)
      return status::error(errc::malformed, "base64: no digit at character ", i);
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 == 3) {
      for (const int shift : {16, 8, 0}) bytes += static_cast<char>(bits >> shift & 0xFFu);
      bits = 0;
    }
  }
  bytes.resize(bytes.size() - padding);
  return bytes;
}

class precompiled_charsmap {
 public:
  /// Reads the field precompiled_charsmap: bytes of the double array (u32), its units (u32 each),
  /// the replacements (each ends with a zero byte). All little endian.
  ///
  /// Errors: malformed if a size does not fit, a unit leads outside of the array or the
  ///         replacements, or these are not UTF-8
  static result<precompiled_charsmap> make(std::string_view bytes) {
    if (bytes.size() < 4)
      return status::error(errc::malformed, "charsmap of ", bytes.size(),
                           " bytes, expected at least 4");
    const std::size_t size = read_u32(bytes, 0);
    if (size == 0 || size % 4 != 0 || size > bytes.size() - 4)
      return status::error(errc::malformed, "charsmap: a trie of ", size, " bytes, expected 4 to ",
                           bytes.size() - 4, " in units of 4");
    precompiled_charsmap map;
    map.replacements_ = bytes.substr(4 + size);
    if (const auto at = find_invalid_utf8(map.replacements_))
      return status::error(errc::malformed, "charsmap: replacements not valid UTF-8 at byte ", *at);
    map.units_.resize(size / 4);
    for (std::size_t i = 0; i < map.units_.size(); ++i) map.units_[i] = read_u32(bytes, 4 + 4 * i);
    LOWBIT_TRY(map.check());
    return map;
  }

  /// The replacement for the shortest key that `text` begins with. A zero byte ends the text.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view text) const {
    std::size_t at = base(0);
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte == 0) break;
      at ^= byte;
      if (at >= units_.size() || (units_[at] & (is_value | 0xFFu)) != byte) break;
      const std::uint32_t unit = units_[at];
      at = base(at);
      if ((unit & has_value) == 0) continue;
      const std::string_view rest = std::string_view(replacements_).substr(value(at));
      return rest.substr(0, rest.find('\0'));
    }
    return std::nullopt;
  }

  /// Bytes of the longest replacement.
  [[nodiscard]] std::size_t longest_replacement() const { return longest_; }

  /// Normalizes in place. An output character takes the origin of the input character that it
  /// replaces; one that is inserted takes that of the last one replaced. As in the reference, input
  /// that is removed before any output shifts the origins of what follows.
  void apply(normalized_text& t) const {
    std::vector<changed_character> output;
    bool modified = false;
    const std::string_view text = t.text;
    const auto replace = [&](std::string_view part, std::string_view by) {
      modified = true;
      const auto removed = static_cast<std::int32_t>(count(part));
      auto added = static_cast<std::int32_t>(count(by));
      const std::int32_t more = added - removed;
      for (std::size_t at = 0; at < by.size(); at += utf8_length(by[at]))
        output.push_back({decode_utf8(by, at), --added < more ? 1 : 0, 0});
      if (more < 0 && !output.empty()) output.back().change += more;
    };
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = grapheme_end(text, at);
      if (end - at < 6) {
        if (const auto by = find(text.substr(at, end - at))) {
          replace(text.substr(at, end - at), *by);
          at = end;
          continue;
        }
      }
      for (std::size_t next = at; at < end; at = next) {
        next = at + utf8_length(text[at]);
        if (const auto by = find(text.substr(at, next - at))) {
          replace(text.substr(at, next - at), *by);
        } else {
          output.push_back({decode_utf8(text, at), 0, 0});
        }
      }
    }
    if (!modified) return;
    normalized_text to;
    realigner place(t, to);
    for (const changed_character& x : output) place(x);
    t = std::move(to);
  }

 private:
  /// Bounds what a file can make of a text; SentencePiece's own normalizers need 33.
  static constexpr std::size_t max_replacement = 64;
  static constexpr std::uint32_t is_value = 0x80000000u, has_value = 0x100u;

  [[nodiscard]] static std::uint32_t read_u32(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;)
      value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  }

  /// Where the children of a unit are: child c at base ^ c, the value of its own key at base.
  [[nodiscard]] std::size_t base(std::size_t at) const {
    const std::uint32_t unit = units_[at];
    return at ^ (std::size_t{unit >> 10} << ((unit & 0x200u) >> 6));
  }
  [[nodiscard]] std::size_t value(std::size_t at) const { return units_[at] & ~is_value; }

  // Every unit is checked, reached or not, so `find` needs no other bound than the one of a child.
  // A cycle does no harm: a walk is no longer than its key.
  [[nodiscard]] status check() {
    for (std::size_t i = 0; i < units_.size(); ++i) {
      if ((units_[i] & is_value) != 0) continue;
      if (base(i) >= units_.size())
        return status::error(errc::malformed, "charsmap: unit ", i, " leads to unit ", base(i),
                             ", expected less than ", units_.size());
      if ((units_[i] & has_value) == 0) continue;
      const std::size_t place = value(base(i));
      if (place >= replacements_.size() || is_continuation_byte(replacements_[place]))
        return status::error(errc::malformed, "charsmap: unit ", i,
                             " names the replacement at byte ", place,
                             ", expected the start of a character below ", replacements_.size());
      const std::string_view start =
          std::string_view(replacements_).substr(place, max_replacement + 1);
      const std::size_t size = std::min(start.find('\0'), start.size());
      if (size > max_replacement)
        return status::error(errc::unsupported, "charsmap: unit ", i,
                             " names a replacement of more than ", max_replacement,
                             " bytes, the limit");
      longest_ = std::max(longest_, size);
    }
    return {};
  }

  [[nodiscard]] static std::size_t count(std::string_view text) {
    std::size_t n = 0;
    for (const char c : text) n += is_continuation_byte(c) ? 0 : 1;
    return n;
  }

  std::vector<std::uint32_t> units_;
  std::string replacements_;
  std::size_t longest_ = 0;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
