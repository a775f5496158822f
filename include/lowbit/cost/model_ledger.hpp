// SPDX-License-Identifier: Apache-2.0
// The ledger of a loaded model: the products and bytes of its policy, but the actual ones for each
// matrix whose format is named in the file. The cost of a pruned matrix depends on its zeros, that
// of a mixture on its formats; neither follows from the policy.
#pragma once

#include "lowbit/cost/named_ledger.hpp"
#include "lowbit/io/canonical_model.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// The bytes of a matrix; scales and centroids are counted separately.
inline byte_counts bytes_of_matrix(const canonical_model& model, const std::string& weight) {
  byte_counts bytes;
  for (const stored_tensor& t : model.tensors()) {
    const std::string_view name = t.name;
    if (!name.starts_with(weight)) continue;
    const std::string_view suffix = name.substr(weight.size());
    if (suffix == ".format" || (!suffix.empty() && suffix[0] != '.')) continue;
    (suffix == ".scale" || suffix == ".centroids" ? bytes.scales : bytes.weights) += t.bytes();
  }
  return bytes;
}

/// The matrix `weight` as stored in the model. integers: also accept the formats for int8
/// activations.
/// Errors: unsupported listing the formats
inline result<stored_matrix> stored_in(const canonical_model& model, const std::string& weight,
                                       std::uint64_t dense, bool integers) {
  stored_matrix m;
  m.weights = dense;
  m.bytes = bytes_of_matrix(model, weight);
  LOWBIT_TRY_ASSIGN(const auto format, stored_format(model.weights(), tensor_name(weight)));
  const auto read = [&]<class Codec>(std::type_identity<Codec>) -> status {
    m.floats = !integer_codec<Codec>;
    m.share = papers_share(Codec::bits_per_weight, m.floats ? 32 : 8);
    if constexpr (sparse_codec<Codec>) {
      const stored_tensor* values = model.weights().find((weight + ".values").c_str());
      if (values == nullptr)
        return status::error(errc::not_found, "tensor ", weight, ".values is missing");
      m.weights = values->elements();
    }
    return {};
  };
  LOWBIT_TRY(integers && !is_plain_float(format) ? any_integer::with(format, read)
                                                 : any_float::with(format, read));
  return m;
}

}  // namespace detail

/// The cost of one sentence of `tokens` tokens through `model`.
/// Errors: those of ledger_for; unsupported, malformed or not_found naming a matrix
inline result<named_ledger> ledger_of_model(const canonical_model& model, std::size_t tokens) {
  const auto policy = find_policy(model.policy);
  if (!policy) return policy.status();
  const bool integers = policy->integers;
  const bool by_name = pruned_percent(policy->name) == 0 && policy->name != "mixed";
  auto ledger = ledger_for(by_name    ? policy->name
                           : integers ? std::string_view("int8")
                                      : std::string_view("fp32"),
                           model.config.shape, tokens);
  if (!ledger || !policy->encodes_floats()) return ledger;
  ledger->policy = policy->name;
  LOWBIT_TRY(detail::for_each_matrix(
      *ledger, model.config.shape, [&](cost& c, const linear_layout& layer) -> status {
        const std::string weight = layer.name + ".weight";
        const bool pooler = layer.at == site::pooler;
        if (layer.at == site::classifier) return {};
        if (pooler && model.config.shape.head != head_kind::sequence) return {};
        const std::uint64_t dense = std::uint64_t{layer.n} * layer.k;
        LOWBIT_TRY_ASSIGN(const auto m, detail::stored_in(model, weight, dense, integers));
        detail::set_stored(c, layer, m, ledger->low_bit);
        return {};
      }));
  return ledger;
}

}  // namespace lowbit::inline LOWBIT_ISA
