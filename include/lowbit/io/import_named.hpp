// SPDX-License-Identifier: Apache-2.0
// A Hugging Face checkpoint to canonical tensors under the policy that its config describes, or
// that is asked for by name: which of them fit each other, and which importer runs.
#pragma once

#include "lowbit/io/import.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Which policies a checkpoint of a scheme can run under.
inline status check_policy(const canonical_model& model, std::string_view place) {
  const scheme s = model.config.recognised;
  const auto known = find_policy(model.policy);
  if (!known) return known.status();
  const std::string_view p = known->name;
  const bool fits = is_dynamic_scheme(s) ? p.starts_with(scheme_name(s)) : p == scheme_name(s);
  if (s != scheme::fp32 && !fits) {
    return status::error(errc::invalid_argument, place, ": this is a ", scheme_name(s),
                         " checkpoint, it cannot run under policy ", p);
  }
  if (known->family == policy_family::quantized_bert && s == scheme::fp32) {
    return status::error(errc::invalid_argument, place, ": policy ", p,
                         " needs a checkpoint that was trained for it");
  }
  if (p == "bit" && s != scheme::bit) {
    return status::error(errc::invalid_argument, place,
                         ": policy bit needs the learned scales and shifts of a BiT checkpoint");
  }
  if (p == "q8bert" && model.config.activation != hidden_activation::gelu_erf) {
    return status::error(errc::unsupported, place,
                         ": policy q8bert needs hidden_act gelu, found relu");
  }
  if (p == "bibert" && model.config.activation != hidden_activation::gelu_erf) {
    return status::error(errc::unsupported, place,
                         ": policy bibert needs hidden_act gelu, found relu");
  }
  if (p == "bit" && model.config.activation != hidden_activation::relu) {
    return status::error(errc::unsupported, place,
                         ": policy bit needs hidden_act relu, found gelu");
  }
  return {};
}

/// The one policy that a TernaryBERT or BinaryBERT folder can run under: `wanted`, if that is not
/// empty.
inline result<std::string> find_dynamic_policy(const std::filesystem::path& folder,
                                               const model_config& config,
                                               std::string_view wanted) {
  const auto files = checkpoint_tensors::open(folder);
  if (!files) return files.status();
  const bool split = std::any_of(
      files->tensors().begin(), files->tensors().end(),
      [](const tensor_view& t) { return t.name.ends_with("embeddings.word_embeddings_1.weight"); });
  auto found = dynamic_policy_name(config, split, folder.native());
  if (found && !wanted.empty() && canonical_policy_name(wanted) != *found) {
    return status::error(errc::invalid_argument, folder.native(), ": this is a ", *found,
                         " checkpoint, it cannot run under policy ", wanted);
  }
  return found;
}

/// function(std::type_identity<Policy>) for the policy of that name (named_policies has it).
template <class Function>
auto with_quantized_bert(std::string_view name, Function function) {
  using namespace policy;
  if (name == ternarybert<4>::name) return function(std::type_identity<ternarybert<4>>{});
  if (name == binarybert<8>::name) return function(std::type_identity<binarybert<8>>{});
  if (name == binarybert<4>::name) return function(std::type_identity<binarybert<4>>{});
  if (name == binarybert_ternary<8>::name)
    return function(std::type_identity<binarybert_ternary<8>>{});
  if (name == binarybert_ternary<4>::name)
    return function(std::type_identity<binarybert_ternary<4>>{});
  if (name == binarybert_split<8>::name) return function(std::type_identity<binarybert_split<8>>{});
  if (name == binarybert_split<4>::name) return function(std::type_identity<binarybert_split<4>>{});
  return function(std::type_identity<ternarybert<8>>{});
}

}  // namespace detail

/// Imports a checkpoint folder under a policy by name. Empty: the one that config.json describes.
/// Overrides: of the formats of single matrices, where the policy has formats by name.
inline result<canonical_model> import_checkpoint(
    const std::filesystem::path& folder, model_config config, std::string policy_name,
    std::string zero, const std::vector<format_override>& overrides = {}) {
  canonical_model model;
  model.config = std::move(config);
  if (detail::is_dynamic_scheme(model.config.recognised)) {
    const auto found = detail::find_dynamic_policy(folder, model.config, policy_name);
    if (!found) return found.status();
    policy_name = *found;
  }
  model.policy = policy_name.empty() ? std::string(scheme_name(model.config.recognised))
                                     : canonical_policy_name(policy_name);
  model.zero = std::move(zero);
  LOWBIT_TRY(detail::check_policy(model, folder.native()));
  const named_policy named = *find_policy(model.policy);
  if (!overrides.empty() && named.format.empty()) {
    return status::error(errc::invalid_argument, "policy ", named.name,
                         " has its own formats, they cannot be overridden");
  }
  if (named.family == policy_family::static_integers && has_trained_ranges(model.config.raw)) {
    return import_checkpoint<policy::q8bert>(folder, std::move(model));
  }
  if (named.family == policy_family::static_integers ||
      named.family == policy_family::integer_only) {
    return status::error(errc::invalid_argument, folder.native(), ": policy ", named.name,
                         " needs ranges of activations: lowbit quantize --calibrate FILE");
  }
  if (named.family == policy_family::bibert) {
    return import_checkpoint<policy::bibert>(folder, std::move(model));
  }
  if (named.family == policy_family::bit) {
    return import_checkpoint<policy::bit>(folder, std::move(model));
  }
  if (named.family == policy_family::quantized_bert) {
    return detail::with_quantized_bert(named.name, [&]<class Policy>(std::type_identity<Policy>) {
      return import_checkpoint<Policy>(folder, std::move(model));
    });
  }
  auto floats = import_checkpoint<policy::fp32>(folder, std::move(model));
  if (!floats || (named.name == "fp32" && overrides.empty())) return floats;
  auto encoded = encode_model(*floats, named, overrides);
  if (!encoded) return encoded.status().in(folder.native());
  encoded->ignored = floats->ignored;
  return encoded;
}

}  // namespace lowbit::inline LOWBIT_ISA
