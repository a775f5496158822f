// SPDX-License-Identifier: Apache-2.0
// The ledger of a policy that is known by name, as rows: for programs that print it.
#pragma once

#include "lowbit/cost/ledger.hpp"
#include "lowbit/policy/quantized.hpp"

#if LOWBIT_HOSTED
#include <string>
#include <string_view>
#include <vector>

namespace lowbit::inline LOWBIT_ISA {

struct ledger_row {
  std::size_t layer;  ///< shape.layers for pooler and classifier
  cost_item item;
  lowbit::cost cost;
};

struct named_ledger {
  const char* policy = nullptr;
  std::size_t tokens = 0;
  std::vector<ledger_row> rows;
  cost total;

  /// The sum over one item in all layers.
  [[nodiscard]] cost sum_of(cost_item item) const {
    cost sum;
    for (const ledger_row& row : rows) {
      if (row.item == item) sum += row.cost;
    }
    return sum;
  }
};

namespace detail {
template <class Policy>
named_ledger collect_ledger(const model_shape& shape, std::size_t tokens) {
  named_ledger ledger{Policy::name, tokens, {}, {}};
  policy_ledger<Policy>(shape, tokens)
      .for_each([&](std::size_t layer, cost_item item, const cost& c) {
        ledger.rows.push_back({layer, item, c});
        ledger.total += c;
      });
  return ledger;
}
/// That of the policy with this name.
template <class... Policies>
result<named_ledger> ledger_of(std::string_view name, const model_shape& shape,
                               std::size_t tokens) {
  named_ledger ledger;
  const bool known =
      ((name == Policies::name && (ledger = collect_ledger<Policies>(shape, tokens), true)) || ...);
  if (known) return ledger;
  std::string names;
  ((names += (names.empty() ? "" : ", ") + std::string(Policies::name)), ...);
  return status::error(errc::invalid_argument, "policy is \"", name, "\", expected one of ", names);
}
}  // namespace detail

/// One sentence of `tokens` tokens under the named policy. The rule for sign(0) changes no count.
/// Errors: invalid_argument naming the policy or the token count; malformed shape
inline result<named_ledger> ledger_for(std::string_view policy_name, const model_shape& shape,
                                       std::size_t tokens) {
  model_shape checked = shape;
  if (checked.labels == 0) checked.labels = 1;  // a ledger may leave the classifier out
  LOWBIT_TRY(checked.check());
  constexpr std::size_t limit = 65536;
  const std::size_t most = shape.positions < limit ? shape.positions : limit;
  if (tokens == 0 || tokens > most) {
    return status::error(errc::invalid_argument, "tokens is ", tokens, ", expected 1 to ", most);
  }
  return detail::ledger_of<policy::fp32, policy::int8, policy::w4a8, policy::w4g32a8,
                           policy::w4g64a8, policy::w4g128a8, policy::w1a8, policy::codebook<8>,
                           policy::codebook<16>, policy::codebook<256>, policy::gobo<3>,
                           policy::gobo<4>, policy::bibert, policy::bit>(policy_name, shape,
                                                                         tokens);
}

}  // namespace lowbit::inline LOWBIT_ISA
#endif
