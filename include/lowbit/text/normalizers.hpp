// SPDX-License-Identifier: Apache-2.0
// The normalizers of tokenizer.json. Each changes a text and keeps, for every byte, the offset of
// the original character that it comes from. A Sequence is a list of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "lowbit/text/normal_forms.hpp"
#include "lowbit/text/normalizer.hpp"
#include "lowbit/text/precompiled_charsmap.hpp"
#include "lowbit/text/unicode.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Calls `each(character, origin, out)` for every character of a text and replaces it by `out`.
template <class Each>
void rewrite(normalized_text& t, Each&& each) {
  normalized_text out;
  out.text.reserve(t.text.size());
  out.origins.reserve(t.text.size());
  for (std::size_t at = 0; at < t.text.size(); at += utf8_length(t.text[at]))
    each(decode_utf8(t.text, at), t.origins[at], out);
  t = std::move(out);
}

struct bert_normalizer {
  normalizer_options options;
  void apply(normalized_text& t) const {
    normalized_text out;
    normalizer<normalized_text> n(options, out);
    for (std::size_t at = 0; at < t.text.size(); at += utf8_length(t.text[at]))
      n.push(decode_utf8(t.text, at), t.origins[at]);
    n.finish();
    t = std::move(out);
  }
};

/// NFD, NFC, NFKD, NFKC.
struct normal_form {
  bool compatible = false, composed = false;
  void apply(normalized_text& t) const {
    normalized_text out;
    realigner place(t, out);
    const auto run = [&](auto& sink) {
      decomposer d(compatible, sink);
      for (std::size_t at = 0; at < t.text.size(); at += utf8_length(t.text[at]))
        d.push(decode_utf8(t.text, at));
      d.finish();
    };
    if (composed) {
      composer c(place);
      run(c);
      c.finish();
    } else {
      run(place);
    }
    t = std::move(out);
  }
};

struct lowercase_normalizer {
  void apply(normalized_text& t) const {
    rewrite(t, [](char32_t c, std::size_t origin, normalized_text& out) {
      out(lower_case(c), origin);
      if (c == 0x130) out(char32_t{0x307}, origin);
    });
  }
};

/// StripAccents: drops every mark, not only the nonspacing ones that BertNormalizer drops.
struct accent_stripper {
  void apply(normalized_text& t) const {
    rewrite(t, [](char32_t c, std::size_t origin, normalized_text& out) {
      if (!is_mark(c)) out(c, origin);
    });
  }
};

struct strip_normalizer {
  bool left = true, right = true;
  void apply(normalized_text& t) const {
    std::size_t begin = 0, end = 0;
    bool inside = false;
    for (std::size_t at = 0; at < t.text.size();) {
      const bool space = is_whitespace(decode_utf8(t.text, at));
      if (!inside && !space) {
        inside = true;
        begin = at;
      }
      at += utf8_length(t.text[at]);
      if (!space) end = at;
    }
    if (!inside) begin = left ? t.text.size() : 0;  // nothing but white space
    if (!left) begin = 0;
    if (!right) end = t.text.size();
    end = std::max(end, begin);
    t.text = t.text.substr(begin, end - begin);
    t.origins = {t.origins.begin() + static_cast<std::ptrdiff_t>(begin),
                 t.origins.begin() + static_cast<std::ptrdiff_t>(end)};
  }
};

/// Replace: every occurrence of a string, or with `repeated` every run of two or more.
struct replace_normalizer {
  std::string pattern, content;  ///< pattern: not empty
  bool repeated = false;
  void apply(normalized_text& t) const {
    normalized_text out;
    for (std::size_t done = 0; done < t.text.size();) {
      std::size_t at = std::string::npos, end = 0;
      for (std::size_t from = done;; from = end) {
        at = t.text.find(pattern, from);
        if (at == std::string::npos) break;
        end = at + pattern.size();
        while (repeated && std::string_view(t.text).substr(end).starts_with(pattern))
          end += pattern.size();
        if (!repeated || end - at >= 2 * pattern.size()) break;
      }
      copy(t, done, std::min(at, t.text.size()), out);
      if (at == std::string::npos) break;
      out.text += content;
      out.origins.insert(out.origins.end(), content.size(), t.origins[end - 1]);
      done = end;
    }
    t = std::move(out);
  }

 private:
  static void copy(const normalized_text& t, std::size_t begin, std::size_t end,
                   normalized_text& out) {
    out.text.append(t.text, begin, end - begin);
    out.origins.insert(out.origins.end(), t.origins.begin() + static_cast<std::ptrdiff_t>(begin),
                       t.origins.begin() + static_cast<std::ptrdiff_t>(end));
  }
};

struct prepend_normalizer {
  std::string content;
  void apply(normalized_text& t) const {
    if (t.text.empty()) return;
    t.text.insert(0, content);
    t.origins.insert(t.origins.begin(), content.size(), t.origins.front());
  }
};

/// Nmt: drops control characters; other separators and invisible characters become spaces.
struct nmt_normalizer {
  void apply(normalized_text& t) const {
    rewrite(t, [](char32_t c, std::size_t origin, normalized_text& out) {
      const bool drop = (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                        c == 0x8F || c == 0x9F;
      const bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                         c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
      if (!drop) out(space ? U' ' : c, origin);
    });
  }
};

using normalizer_step = std::variant<bert_normalizer, normal_form, lowercase_normalizer,
                                     accent_stripper, strip_normalizer, replace_normalizer,
                                     prepend_normalizer, nmt_normalizer, precompiled_charsmap>;

inline void normalize(const std::vector<normalizer_step>& steps, normalized_text& t) {
  for (const normalizer_step& step : steps) std::visit([&](const auto& s) { s.apply(t); }, step);
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
