// SPDX-License-Identifier: Apache-2.0
// Policies by name, for programs: the rows of policy/registry.hpp as plain data.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "lowbit/codec/any.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/policy/program_policies.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct named_policy {
  std::string_view name;
  std::string_view scheme;    ///< of its checkpoints, named as in config_scheme.hpp
  std::string_view zero;      ///< "torch" or "plus-one"
  std::string_view format;    ///< of matrices, if named in files; empty: the policy's own codecs
  std::string_view table;     ///< format of the word embeddings
  bool integers = false;      ///< `format` is for int8 activations
  bool padded = false;        ///< ranges span a padded batch: results depend on the batch
  bool ranges = false;        ///< needs activation ranges from calibration or its own training
  bool own_training = false;  ///< needs a checkpoint trained for it
  bool split = false;         ///< two matrices instead of one
  bool integer = false;       ///< integer-only encoder
  std::optional<activation_function> hidden_act;  ///< the only supported one
  std::size_t row = 0;                            ///< in program_policies
  std::size_t encoder = 0;                        ///< in encoders_of<program_policies>

  /// True if it encodes a float checkpoint, matrix by matrix.
  [[nodiscard]] constexpr bool encodes_floats() const { return !format.empty(); }
};

namespace detail {

template <class Named>
constexpr named_policy row_of(std::size_t row) {
  using policy = typename Named::policy;
  using encoder = typename Named::encoder;
  named_policy p;
  p.name = policy::name;
  p.scheme = training_scheme<policy>;
  p.zero = stored_zero<policy>;
  if constexpr (has_formats_by_name<encoder>) {
    if constexpr (requires { typename policy::usual_weights; }) {
      p.format = p.table = format_name<typename policy::usual_weights>;
    } else {
      p.format = format_name<typename policy::linear::weights>;
      p.table = format_name<typename policy::embedding>;
    }
    p.integers = is_int8_input<typename encoder::linear::input>;
  }
  p.padded = whole_batch_ranges<policy>;
  p.ranges = has_stored_ranges<policy>;
  p.split = is_split<policy>;
  p.integer = integer_only<policy>;
  p.own_training = needs_own_training<policy>;
  if constexpr (named_activation<typename policy::hidden_act>)
    p.hidden_act = policy::hidden_act::function;
  p.row = row;
  p.encoder = index_of<encoder>(encoders_of<program_policies>{});
  return p;
}

template <class... Named>
constexpr std::array<named_policy, sizeof...(Named)> rows_of(policy_list<Named...>) {
  std::size_t row = 0;
  return {row_of<Named>(row++)...};
}
inline constexpr auto policy_rows = rows_of(program_policies{});

constexpr bool repeats_a_name(std::size_t row) {
  for (std::size_t r = 0; r < row; ++r) {
    if (policy_rows[r].name == policy_rows[row].name) return true;
  }
  return false;
}
constexpr std::size_t count_names() {
  std::size_t count = 0;
  for (std::size_t r = 0; r < policy_rows.size(); ++r) count += repeats_a_name(r) ? 0 : 1;
  return count;
}
constexpr std::array<named_policy, count_names()> rows_by_name() {
  std::array<named_policy, count_names()> rows{};
  std::size_t at = 0;
  for (std::size_t r = 0; r < policy_rows.size(); ++r) {
    if (!repeats_a_name(r)) rows[at++] = policy_rows[r];
  }
  return rows;
}

}  // namespace detail

/// One row per name. Excludes pruned01 to pruned99, which find_policy also accepts.
inline constexpr auto named_policies = detail::rows_by_name();

/// Maps "codebook<16>" and "codebook-16" to codebook16.
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

/// 73 for "pruned73"; 0 if not one of pruned01 .. pruned99.
[[nodiscard]] constexpr unsigned pruned_percent(std::string_view name) {
  for (unsigned p = 1; p < 100; ++p) {
    if (name == std::string_view(detail::pruned_name_table.text[p])) return p;
  }
  return 0;
}

/// Float formats allowed for single matrices of an integer model.
[[nodiscard]] constexpr bool is_plain_float(std::string_view format) {
  return format == f32::name || format == bf16::name || format == f16::name;
}

/// True if a policy of that name has the sign(0) rule `zero`.
[[nodiscard]] constexpr bool has_zero(std::string_view name, std::string_view zero) {
  for (const named_policy& p : detail::policy_rows) {
    if (p.name == name && p.zero == zero) return true;
  }
  return zero == zero_is_zero::name;
}
/// The names of the policies with this sign(0) rule.
inline std::string policies_with_zero(std::string_view zero) {
  std::string names;
  for (const named_policy& p : detail::policy_rows) {
    if (p.zero == zero) names += (names.empty() ? "" : ", ") + std::string(p.name);
  }
  return names;
}

/// The policy with this name; if there are two, the one with the sign(0) rule `zero`.
/// Errors: invalid_argument listing the names
inline result<named_policy> find_policy(std::string_view text, std::string_view zero = "torch") {
  const std::string name = canonical_policy_name(text);
  // A program's own list may be without what pruned models are made of.
  const auto floats = std::find_if(named_policies.begin(), named_policies.end(),
                                   [](const named_policy& p) { return p.name == "fp32"; });
  const bool prunes = floats != named_policies.end();
  if (const unsigned percent = pruned_percent(name); percent != 0 && prunes) {
    named_policy pruned = *floats;
    pruned.name = pruned.format = detail::pruned_name_table.text[percent];
    return pruned;
  }
  for (const named_policy& p : detail::policy_rows) {
    if (canonical_policy_name(p.name) == name && p.zero == zero) return p;
  }
  std::string known;
  for (const named_policy& p : named_policies) {
    if (canonical_policy_name(p.name) == name) return p;
    known += (known.empty() ? "" : ", ") + std::string(p.name);
  }
  return status::error(errc::invalid_argument, "policy \"", text,
                       "\" is not known, expected one of ", known,
                       prunes ? ", pruned01 to pruned99" : "");
}

}  // namespace lowbit::inline LOWBIT_ISA
