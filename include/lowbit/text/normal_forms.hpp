// SPDX-License-Identifier: Apache-2.0
// Unicode normal forms with the alignment of the reference: a transformation is a sequence of code
// points with the change that each one means (replace, insert, replace and remove more), and the
// origins follow from it. Reordered marks thus keep the origins of their positions, as in
// text/normalizer.hpp.
#pragma once

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// A code point of the result. `change`: 0 replaces one character of the source, 1 is inserted
/// after what was replaced last, -n replaces one and removes the n after it.
struct changed_character {
  char32_t c;
  std::int32_t change;
  std::uint8_t combining_class;
};

/// Builds the normalized text from changed characters.
class realigner {
 public:
  realigner(const normalized_text& from, normalized_text& to) : from_(from), to_(to) {}

  void operator()(const changed_character& x) {
    if (x.change > 0) {
      to_(x.c, from_.origins[at_ == 0 ? 0 : at_ - 1]);
      return;
    }
    to_(x.c, from_.origins[std::min(at_, from_.origins.size() - 1)]);
    for (std::int32_t i = x.change; i <= 0 && at_ < from_.text.size(); ++i)
      at_ += utf8_length(from_.text[at_]);
  }

 private:
  const normalized_text& from_;
  normalized_text& to_;
  std::size_t at_ = 0;  // byte of the source after the characters replaced so far
};

/// Decomposes characters and sorts their marks. Sink: `void operator()(const changed_character&)`.
template <class Sink>
class decomposer {
 public:
  decomposer(bool compatible, Sink& sink) : compatible_(compatible), sink_(sink) {}

  void push(char32_t c) {
    if (c < 0xA0 || (!compatible_ && c < 0xC0)) return emit({c, 0, 0});
    const decomposition d =
        compatible_ ? compatibility_decomposition(c) : canonical_decomposition(c);
    for (std::size_t i = 0; i < d.size; ++i) {
      const auto part = static_cast<char32_t>(d.code_points[i]);
      emit({part, i == 0 ? 0 : 1, combining_class(part)});
    }
  }

  void finish() {
    std::stable_sort(marks_.begin(), marks_.end(), [](const auto& a, const auto& b) {
      return a.combining_class < b.combining_class;
    });
    for (const changed_character& x : marks_) sink_(x);
    marks_.clear();
  }

 private:
  void emit(const changed_character& x) {
    if (x.combining_class != 0) return marks_.push_back(x);
    if (!marks_.empty()) finish();
    sink_(x);
  }

  bool compatible_;
  Sink& sink_;
  std::vector<changed_character> marks_;
};

/// The primary composite of two characters.
[[nodiscard]] inline std::optional<char32_t> compose(char32_t first, char32_t second) {
  if (second < 0x300) return std::nullopt;  // no composite has such a second part
  utf8proc_int32_t both[] = {static_cast<utf8proc_int32_t>(first),
                             static_cast<utf8proc_int32_t>(second)};
  const auto n = utf8proc_normalize_utf32(
      both, 2, static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (n != 1) return std::nullopt;
  const auto composite = static_cast<char32_t>(both[0]);
  if (find_range<code_point_range>(normalization_unknown_to_reference, composite) != nullptr)
    return std::nullopt;
  return composite;
}

/// Composes sorted decompositions. A sink for decomposer.
template <class Sink>
class composer {
 public:
  explicit composer(Sink& sink) : sink_(sink) {}

  void operator()(const changed_character& x) {
    if (!starter_) {
      if (x.combining_class != 0) return sink_(x);
      starter_ = x;
      return;
    }
    const bool blocked = !marks_.empty() && marks_.back().combining_class >= x.combining_class;
    if (!blocked) {
      if (const auto composite = compose(starter_->c, x.c)) {
        starter_->c = *composite;
        starter_->change += x.change - 1;
        return;
      }
    }
    if (x.combining_class != 0) return marks_.push_back(x);
    finish();
    starter_ = x;
  }

  void finish() {
    if (starter_) sink_(*starter_);
    starter_.reset();
    for (const changed_character& x : marks_) sink_(x);
    marks_.clear();
  }

 private:
  Sink& sink_;
  std::optional<changed_character> starter_;
  std::vector<changed_character> marks_;  // after the starter, not composed with it
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
