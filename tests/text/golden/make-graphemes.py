# SPDX-License-Identifier: Apache-2.0
"""Measures the grapheme cluster properties of Hugging Face tokenizers and prints
include/lowbit/text/grapheme_classes.hpp. usage: make-graphemes.py > grapheme_classes.hpp

The Precompiled normalizer shows cluster boundaries: a charsmap that maps every lead byte to X turns a
cluster of less than six bytes into one X, and a longer one into one X per character."""
import darts
from tokenizers import normalizers

RULES = {bytes([byte]): "X" for byte in range(0xC2, 0xF5)} | {b"a": "X"}
normalize = normalizers.Precompiled(darts.build(RULES)).normalize_str
ACUTE, VIRAMA, KA, JOINER = "\u0301", "\u094d", "\u0915", "\u200d"
points = [c for c in range(0x80, 0x110000) if not 0xD800 <= c <= 0xDFFF]


def size(text):
    return len(normalize(text))


def where(test, among=points):
    return [c for c in among if test(chr(c))]


extends = set(where(lambda c: size("a" + c) == 1))
others = [c for c in points if c not in extends]
control = [c for c in others if size(chr(c) + ACUTE + ACUTE) == 2]
control = [c for c in control if c > 0xFFFF or size(chr(c) + ACUTE) == 2]
prepend = where(lambda c: size(c + "a") == 1, others)
# A consonant after KA VIRAMA is in their cluster, and its accent is not dropped.
linker = [c for c in extends if size(KA + chr(c) + KA + ACUTE) - size(KA + chr(c)) == 2]
extend = [c for c in extends if c not in linker and c != ord(JOINER) and
          size(KA + VIRAMA + chr(c) + KA + ACUTE) - size(KA + VIRAMA + chr(c)) == 2]
consonant = where(lambda c: size(c + VIRAMA + KA + ACUTE) - size(c + VIRAMA) == 2, others)
pictograph = where(lambda c: normalize("©" + JOINER + c + (ACUTE if ord(c) < 0x10000 else "")) ==
                   ("XXXX" if ord(c) < 0x10000 else "XXX"), others)
plain = [c for c in others if c not in set(prepend) and not 0xAC00 <= c <= 0xD7A3]
before_l, before_v, before_t = (set(where(lambda c: size(c + x + ACUTE) == 3, plain))
                                for x in "\u1100\u1161\u11a8")
classes = {
    "control": control, "extend": extend, "linker": linker, "joiner": [0x200D], "non_joiner": [0x200C],
    "spacing": extends - set(extend) - set(linker) - {0x200C, 0x200D}, "prepend": prepend,
    "pictograph": pictograph, "consonant": consonant, "hangul_l": before_l,
    "hangul_v": before_v - before_l, "hangul_t": before_t - before_v,
}
ranges = []
for name, members in classes.items():
    for c in sorted(members):
        if ranges and ranges[-1][2] == name and ranges[-1][1] == c - 1:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, name])
ranges.sort()
assert all(a[1] < b[0] for a, b in zip(ranges, ranges[1:])), "a code point of two classes"

entries = [f"{{0x{a:X}, 0x{b:X}, {name}}}," for a, b, name in ranges]
lines = [""]
for entry in entries:
    if lines[-1] and len(lines[-1]) + len(entry) + 5 > 100:
        lines.append("")
    lines[-1] += (" " if lines[-1] else "") + entry
print(f"""// SPDX-License-Identifier: Apache-2.0
// The grapheme cluster properties of Hugging Face tokenizers, measured for every code point by
// tests/text/golden/make-graphemes.py, which prints this file. Not taken from utf8proc, whose
// versions differ in Unicode data, and which does not know the classes of Indic conjuncts.
#pragma once

#include <array>
#include <cstdint>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {{
namespace detail {{

/// Values of Grapheme_Cluster_Break. Extend is divided by its role in Indic conjuncts (extend,
/// linker, non_joiner), and consonant and pictograph are the other side of those rules.
enum class grapheme_class : std::uint8_t {{
  other, control, extend, linker, joiner, non_joiner, spacing, prepend, pictograph, consonant,
  hangul_l, hangul_v, hangul_t, hangul_lv, hangul_lvt
}};

struct grapheme_range {{
  char32_t first, last;  // both inclusive
  grapheme_class kind;
}};

// clang-format off
inline constexpr std::array<grapheme_range, {len(ranges)}> grapheme_ranges = [] {{
  using enum grapheme_class;
  return std::array<grapheme_range, {len(ranges)}>{{{{""")
for line in lines:
    print("    " + line)
print("""  }};
}();
// clang-format on

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA""")
