// SPDX-License-Identifier: Apache-2.0
// Regular expressions that select tensors by name. They come from the command line, so compiling
// and matching take bounded time and stack for any input: matching follows all states at once
// (Thompson) without backtracking, and group nesting is limited. Other features of std::regex
// (counts, named classes, back references, look-ahead) are rejected.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Syntax: characters; . for any; [a-z] and [^a-z]; \d, \w and \ before punctuation; * + ? after
/// one of these or a group; (groups); | between alternatives; ^ and $ for the ends of the name.
/// Matches bytes, because names are ASCII.
class name_pattern {
 public:
  static constexpr std::size_t longest = 1000;      ///< bytes of an expression
  static constexpr std::size_t deepest_group = 50;  ///< nesting depth of groups

  /// Errors: invalid_argument with the position, from 1, of the unsupported byte
  static result<name_pattern> parse(std::string_view text) {
    if (text.size() > longest) {
      return status::error(errc::invalid_argument, "regular expression of ", text.size(),
                           " bytes, expected at most ", longest);
    }
    return parser{text}.all();
  }

  /// True if a part of `name` matches. Cost: bytes of the name x bytes of the expression
  [[nodiscard]] bool matches(std::string_view name) const {
    std::vector<std::size_t> now, next, open;
    std::vector<std::size_t> seen(steps_.size() + 1, 0);  // last round in which a step was reached
    for (std::size_t at = 0;; ++at) {
      // Follows all steps that consume no byte, including step 0, since a match may start anywhere.
      open.push_back(0);
      open.insert(open.end(), now.begin(), now.end());
      now.clear();
      while (!open.empty()) {
        const std::size_t i = open.back();
        open.pop_back();
        if (seen[i] == at + 1) continue;
        seen[i] = at + 1;
        if (i == steps_.size()) return true;
        const step& s = steps_[i];
        if (s.kind == step_kind::bytes) {
          now.push_back(i);
        } else if (s.kind == step_kind::fork) {
          open.push_back(i + static_cast<std::size_t>(s.first));
          open.push_back(i + static_cast<std::size_t>(s.second));
        } else if (at == (s.kind == step_kind::begin ? 0 : name.size())) {
          open.push_back(i + 1);
        }
      }
      if (at == name.size()) return false;
      next.clear();
      for (const std::size_t i : now) {
        if (steps_[i].set[static_cast<unsigned char>(name[at])]) next.push_back(i + 1);
      }
      now.swap(next);
    }
  }

 private:
  enum class step_kind : std::uint8_t { bytes, fork, begin, end };
  /// A fork continues at two steps, relative to its own position, so code can be moved unchanged.
  struct step {
    step_kind kind = step_kind::bytes;
    std::ptrdiff_t first = 1, second = 1;
    std::bitset<256> set{};
  };
  using steps = std::vector<step>;

  static step fork(std::size_t first, std::ptrdiff_t second) {
    return {step_kind::fork, static_cast<std::ptrdiff_t>(first), second, {}};
  }
  static void append(steps& to, const steps& more) {
    to.insert(to.end(), more.begin(), more.end());
  }

  struct parser {
    std::string_view text;
    std::size_t at = 0, depth = 0;

    [[nodiscard]] bool more() const { return at < text.size(); }
    [[nodiscard]] bool sees(char c) const { return more() && text[at] == c; }
    [[nodiscard]] status refuse(std::size_t where, std::string_view what) const {
      return status::error(errc::invalid_argument, "regular expression ", detail::quote_name(text),
                           ", byte ", where + 1, ": ", what);
    }

    result<name_pattern> all() {
      LOWBIT_TRY_ASSIGN(auto found, alternatives());
      if (more()) return refuse(at, "a ) without its (");
      name_pattern out;
      out.steps_ = std::move(found);
      return out;
    }

    /// a|b: fork, a, jump to end, b
    result<steps> alternatives() {
      auto out = sequence();
      while (out && sees('|')) {
        ++at;
        auto other = sequence();
        if (!other) return other;
        const auto over = static_cast<std::ptrdiff_t>(other->size() + 1);
        steps joined{fork(1, static_cast<std::ptrdiff_t>(out->size() + 2))};
        append(joined, *out);
        joined.push_back({step_kind::fork, over, over, {}});
        append(joined, *other);
        *out = std::move(joined);
      }
      return out;
    }

    result<steps> sequence() {
      steps out;
      while (more() && !sees('|') && !sees(')')) {
        auto piece = repeated();
        if (!piece) return piece;
        append(out, *piece);
      }
      return out;
    }

    result<steps> repeated() {
      const std::size_t begin = at;
      auto piece = single();
      if (!piece || !(sees('*') || sees('+') || sees('?'))) return piece;
      if (text[begin] == '^' || text[begin] == '$') return refuse(at, "an end cannot be repeated");
      const char how = text[at++];
      if (sees('*') || sees('+') || sees('?')) {
        return refuse(at, "a repetition of a repetition, expected at most one of * + ?");
      }
      const auto size = static_cast<std::ptrdiff_t>(piece->size());
      steps out;
      if (how != '+') out.push_back(fork(1, size + (how == '*' ? 2 : 1)));
      append(out, *piece);
      if (how == '*') out.push_back({step_kind::fork, -size - 1, -size - 1, {}});
      if (how == '+') out.push_back({step_kind::fork, -size, 1, {}});
      return out;
    }

    result<steps> single() {
      const char c = text[at++];
      std::bitset<256> set;
      switch (c) {
        case '(':
          return group();
        case '[':
          return character_class();
        case '^':
          return steps{{step_kind::begin, 1, 1, {}}};
        case '$':
          return steps{{step_kind::end, 1, 1, {}}};
        case '.':
          return steps{{step_kind::bytes, 1, 1, set.set()}};
        case '\\':
          LOWBIT_TRY(escaped(set));
          return steps{{step_kind::bytes, 1, 1, set}};
        case '*':
        case '+':
        case '?':
          return refuse(at - 1, "nothing stands before it that could be repeated");
        case '{':
        case '}':
        case ']':
          return refuse(at - 1, "not known here; \\ before it makes it a character");
        default:
          set.set(static_cast<unsigned char>(c));
          return steps{{step_kind::bytes, 1, 1, set}};
      }
    }

    result<steps> group() {
      const std::size_t begin = at - 1;
      if (++depth > deepest_group) return refuse(begin, "groups are nested too deep");
      auto out = alternatives();
      if (!out) return out;
      if (!sees(')')) return refuse(begin, "a ( without its )");
      ++at;
      --depth;
      return out;
    }

    /// Parses the character after a backslash.
    status escaped(std::bitset<256>& set) {
      if (!more()) return refuse(at - 1, "nothing stands behind the \\");
      const char c = text[at++];
      const bool word = c == 'w';
      if (c == 'd' || word) {
        for (unsigned char b = '0'; b <= '9'; ++b) set.set(b);
        for (unsigned char b = 'a'; word && b <= 'z'; ++b) set.set(b).set(b - 'a' + 'A');
        if (word) set.set('_');
        return {};
      }
      if (is_letter_or_digit(c)) {
        return refuse(at - 1, "not known behind a \\, expected d, w or punctuation");
      }
      set.set(static_cast<unsigned char>(c));
      return {};
    }

    result<steps> character_class() {
      const std::size_t begin = at - 1;
      const bool others = sees('^');
      at += others ? 1 : 0;
      std::bitset<256> set;
      for (bool first = true; first || !sees(']'); first = false) {
        if (!more() || (first && sees(']'))) {
          return refuse(begin, more() ? "an empty [] has nothing to match" : "a [ without its ]");
        }
        const std::size_t from = at;
        const char low = text[at++];
        if (low == '\\') {
          LOWBIT_TRY(escaped(set));
          continue;
        }
        if (low == '[' && (sees(':') || sees('=') || sees('.'))) {
          return refuse(from, "classes by name are not known, expected characters and ranges");
        }
        char high = low;
        if (sees('-') && at + 1 < text.size() && text[at + 1] != ']') {
          high = text[at + 1];
          at += 2;
          if (high == '\\' || static_cast<unsigned char>(high) < static_cast<unsigned char>(low)) {
            return refuse(from, "a range that ends before it begins, or at a \\");
          }
        }
        for (unsigned b = static_cast<unsigned char>(low); b <= static_cast<unsigned char>(high);
             ++b) {
          set.set(b);
        }
      }
      ++at;
      return steps{{step_kind::bytes, 1, 1, others ? ~set : set}};
    }

    static bool is_letter_or_digit(char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    }
  };

  steps steps_;
};

}  // namespace lowbit::inline LOWBIT_ISA
