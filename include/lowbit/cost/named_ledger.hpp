// SPDX-License-Identifier: Apache-2.0
// The ledger of a policy given by name, as rows, for programs that print it. model_ledger.hpp
// counts what a model actually stores.
#pragma once

#include "lowbit/cost/ledger.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/io/named_policy.hpp"
#include "lowbit/policy/quantized.hpp"

#if LOWBIT_HOSTED
#include <vector>

namespace lowbit::inline LOWBIT_ISA {

struct ledger_row {
  std::size_t layer;  ///< shape.layers for pooler and classifier
  cost_item item;
  lowbit::cost cost;
};

struct named_ledger {
  std::string policy;
  std::size_t tokens = 0;
  bool low_bit = false;  ///< the papers' rule then adds f32 operations
  std::vector<ledger_row> rows;
  cost total;

  /// The sum of one item over all layers.
  [[nodiscard]] cost sum_of(cost_item item) const {
    cost sum;
    for (const ledger_row& row : rows) {
      if (row.item == item) sum += row.cost;
    }
    return sum;
  }
};

namespace detail {

/// True if an item is a product with a stored matrix.
[[nodiscard]] constexpr bool is_matrix(cost_item item) {
  return item == cost_item::query || item == cost_item::key || item == cost_item::value ||
         item == cost_item::attention_output || item == cost_item::feed_forward_input ||
         item == cost_item::feed_forward_gate || item == cost_item::feed_forward_output ||
         item == cost_item::pooler || item == cost_item::classifier;
}

/// Calls visit(cost&, layout) for the ledger rows of matrices, in the order of linear_layers(), and
/// recomputes `total`. Layers that share weights have the layouts of layer 0 and store nothing
/// else.
template <class Visit>
status for_each_matrix(named_ledger& ledger, model_shape shape, Visit visit) {
  shape.head = head_kind::sequence;
  const std::size_t stored = shape.stored_layers();
  shape.shared_layers = false;
  shape.embedding = 0;  // the embeddings' own row has the map
  const std::vector<linear_layout> layers = linear_layers(shape);
  ledger.total = {};
  std::size_t next = 0;
  for (ledger_row& row : ledger.rows) {
    if (is_matrix(row.item)) {
      const linear_layout& l = layers[next++];
      const bool shared = row.layer >= stored && row.layer < shape.layers;
      LOWBIT_TRY(visit(row.cost, shared ? linear_layout{l.part, l.at, 0, l.n, l.k} : l));
      if (shared) row.cost.stored = {}, row.cost.papers_bytes = 0;
    }
    ledger.total += row.cost;
  }
  return {};
}

/// The stored size of a matrix, and the cost of a product by the papers' rule.
struct stored_matrix {
  std::uint64_t weights = 0;  // weights that are multiplied
  byte_counts bytes;          // weights and scales
  double share = 1;
  bool floats = true;  // f32 products, else int8
};

/// A matrix with `percent` of its weights pruned, as stored by pruned<Percent>.
[[nodiscard]] inline stored_matrix pruned_matrix(const linear_layout& layer, unsigned percent) {
  stored_matrix m;
  m.weights = kept_blocks(layer.n * layer.k, percent);
  m.bytes.weights = m.weights * sizeof(float) + layer.n * bytes_for(layer.k) +
                    (layer.n + 1) * sizeof(std::int32_t);
  return m;
}

/// Changes `c`, the cost of an (n, k) layer with f32 or int8 products, to that of the stored
/// matrix.
inline void set_stored(cost& c, const linear_layout& layer, const stored_matrix& m, bool low_bit) {
  for (operation_counts* counts : {&c.defined, &c.executed}) {
    const std::uint64_t rows = counts->dense_macs / (std::uint64_t{layer.n} * layer.k);
    counts->f32_macs = m.floats ? rows * m.weights : 0;
    counts->int8_macs = m.floats ? 0 : rows * m.weights;
  }
  c.stored.weights = m.bytes.weights;
  c.stored.scales = m.bytes.scales;
  if (layer.at == site::pooler && low_bit) return;  // excluded from the papers' size
  c.papers_flops = 2.0 * static_cast<double>(c.defined.macs()) * m.share +
                   (low_bit ? static_cast<double>(c.defined.f32_operations) : 0.0);
  c.papers_bytes = static_cast<double>(c.stored.weights + c.stored.biases);
}

template <class Policy>
named_ledger collect_ledger(const model_shape& shape, std::size_t tokens) {
  named_ledger ledger{Policy::name, tokens, !all_f32<Policy>, {}, {}};
  policy_ledger<Policy>(shape, tokens)
      .for_each([&](std::size_t layer, cost_item item, const cost& c) {
        ledger.rows.push_back({layer, item, c});
        ledger.total += c;
      });
  return ledger;
}
/// Policies whose counts follow from their types. Not sparse or mixed models, whose counts depend
/// on the file, nor policies with batch ranges or integers only, whose arithmetic is not counted
/// yet.
template <class Policy>
inline constexpr bool has_ledger =
    !has_formats_by_name<Policy> && !integer_only<Policy> && !whole_batch_ranges<Policy> &&
    !sparse_codec<typename Policy::linear::weights>;
template <class... Named>
std::string ledger_names(policy_list<Named...>) {
  std::string names;
  std::string_view last;
  const auto add = [&](std::string_view name) {
    if (name != last) names += (names.empty() ? "" : ", ") + std::string(name);
    last = name;
  };
  ((has_ledger<typename Named::policy> ? add(Named::policy::name) : void()), ...);
  return names;
}
/// The ledger of the policy with this name.
inline result<named_ledger> ledger_of(std::string_view name, const model_shape& shape,
                                      std::size_t tokens) {
  if (const auto found = find_policy(name); found && found->name == name) {
    auto ledger = with_policy<program_policies>(
        found->row, [&]<class Policy>(std::type_identity<Policy>) -> std::optional<named_ledger> {
          if constexpr (has_ledger<Policy>) return collect_ledger<Policy>(shape, tokens);
          return std::nullopt;
        });
    if (ledger) return *std::move(ledger);
  }
  return status::error(errc::invalid_argument, "policy is \"", name, "\", expected one of ",
                       ledger_names(program_policies{}));
}
}  // namespace detail

/// The cost of one sentence of `tokens` tokens under the named policy. The sign(0) rule does not
/// affect any count.
/// Errors: invalid_argument naming the policy or the token count; malformed shape
inline result<named_ledger> ledger_for(std::string_view policy_name, const model_shape& shape,
                                       std::size_t tokens) {
  model_shape checked = shape;
  if (checked.labels == 0) checked.labels = 1;  // the classifier may be excluded
  LOWBIT_TRY(checked.check());
  constexpr std::size_t limit = 65536;
  const std::size_t most = shape.positions < limit ? shape.positions : limit;
  if (tokens == 0 || tokens > most) {
    return status::error(errc::invalid_argument, "tokens is ", tokens, ", expected 1 to ", most);
  }
  if (const unsigned percent = pruned_percent(policy_name)) {
    named_ledger ledger = detail::collect_ledger<policy::fp32>(shape, tokens);
    ledger.policy = policy_name;
    LOWBIT_TRY(detail::for_each_matrix(ledger, shape, [&](cost& c, const linear_layout& layer) {
      if (layer.at != site::classifier)
        detail::set_stored(c, layer, detail::pruned_matrix(layer, percent), false);
      return status{};
    }));
    return ledger;
  }
  return detail::ledger_of(policy_name, shape, tokens);
}

}  // namespace lowbit::inline LOWBIT_ISA
#endif
