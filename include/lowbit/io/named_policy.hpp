// SPDX-License-Identifier: Apache-2.0
// Policies by name, for programs: which compiled encoder runs each, and which formats its matrices
// get from a float checkpoint.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "lowbit/codec/any.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Encoders that a program compiles.
enum class policy_family : std::uint8_t {
  floats,           ///< policy::any_float
  integers,         ///< policy::any_integer
  static_integers,  ///< policy::q8bert: needs ranges of activations
  integer_only,     ///< policy::ibert: the same
  bibert,
  bit,
  quantized_bert,  ///< TernaryBERT and BinaryBERT: policy/quantized_bert.hpp, each by its own name
};

struct named_policy {
  std::string_view name;
  policy_family family;
  std::string_view format;          ///< of matrices and word table; empty: the policy's own codecs
  std::string_view table = format;  ///< of the word table
};

/// All but pruned01 to pruned99: find_policy knows those, too.
inline constexpr named_policy named_policies[] = {
    {"fp32", policy_family::floats, "f32"},
    {"bf16", policy_family::floats, "bf16"},
    {"f16", policy_family::floats, "f16"},
    {"gobo3", policy_family::floats, "gobo3"},
    {"gobo4", policy_family::floats, "gobo4"},
    {"sparse", policy_family::floats, "sparse", "f32"},  // the zeros that a checkpoint has
    {"int8", policy_family::integers, "int8"},
    {"w4a8", policy_family::integers, "int4"},
    {"w4g32a8", policy_family::integers, "int4g32"},
    {"w4g64a8", policy_family::integers, "int4g64"},
    {"w4g128a8", policy_family::integers, "int4g128"},
    {"w2a8", policy_family::integers, "ternary"},
    {"w1a8", policy_family::integers, "sign"},
    {"codebook8", policy_family::integers, "codebook8"},
    {"codebook16", policy_family::integers, "codebook16"},
    {"codebook256", policy_family::integers, "codebook256"},
    {"mixed", policy_family::integers, "int8"},  // and what a budget or overrides say
    {"q8bert", policy_family::static_integers, ""},
    {"ibert", policy_family::integer_only, ""},
    {"bibert", policy_family::bibert, ""},
    {"bit", policy_family::bit, ""},
    {"ternarybert_w2a8", policy_family::quantized_bert, ""},
    {"ternarybert_w2a4", policy_family::quantized_bert, ""},
    {"binarybert_w2a8", policy_family::quantized_bert, ""},
    {"binarybert_w2a4", policy_family::quantized_bert, ""},
    {"binarybert_w1a8", policy_family::quantized_bert, ""},
    {"binarybert_w1a4", policy_family::quantized_bert, ""},
    {"binarybert_split_w1a8", policy_family::quantized_bert, ""},
    {"binarybert_split_w1a4", policy_family::quantized_bert, ""},
};
/// Ranges that span a padded batch: sentences must be padded, and results depend on the batch.
[[nodiscard]] constexpr bool needs_padding(policy_family family) {
  return family == policy_family::quantized_bert;
}

/// "codebook<16>" and "codebook-16" are codebook16.
[[nodiscard]] inline std::string canonical_policy_name(std::string_view text) {
  std::string name(text);
  std::erase_if(name, [](char c) { return c == '<' || c == '>' || c == '-'; });
  return name;
}

namespace detail {
/// "pruned00" .. "pruned99"
struct pruned_names {
  char text[100][9] = {};
  constexpr pruned_names() {
    for (std::size_t p = 0; p < 100; ++p) {
      for (std::size_t i = 0; i < 6; ++i) text[p][i] = "pruned"[i];
      text[p][6] = static_cast<char>('0' + p / 10);
      text[p][7] = static_cast<char>('0' + p % 10);
    }
  }
};
inline constexpr pruned_names pruned_name_table;
}  // namespace detail

/// 73 for "pruned73"; 0 for what is no pruned01 .. pruned99.
[[nodiscard]] constexpr unsigned pruned_percent(std::string_view name) {
  for (unsigned p = 1; p < 100; ++p) {
    if (name == std::string_view(detail::pruned_name_table.text[p])) return p;
  }
  return 0;
}

/// Formats that single matrices of an integer model may have beside integers.
[[nodiscard]] constexpr bool is_plain_float(std::string_view format) {
  return format == f32::name || format == bf16::name || format == f16::name;
}

/// Errors: invalid_argument listing the names
inline result<named_policy> find_policy(std::string_view text) {
  const std::string name = canonical_policy_name(text);
  if (const unsigned percent = pruned_percent(name)) {
    const std::string_view pruned = detail::pruned_name_table.text[percent];
    return named_policy{pruned, policy_family::floats, pruned, "f32"};
  }
  std::string known;
  for (const named_policy& p : named_policies) {
    if (p.name == name) return p;
    known += (known.empty() ? "" : ", ") + std::string(p.name);
  }
  return status::error(errc::invalid_argument, "policy \"", text,
                       "\" is not known, expected one of ", known, ", pruned01 to pruned99");
}

}  // namespace lowbit::inline LOWBIT_ISA
