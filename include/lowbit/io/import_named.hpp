// SPDX-License-Identifier: Apache-2.0
// Imports a Hugging Face checkpoint under the policy that its config describes or that the caller
// names: checks that they match, and selects the importer.
#pragma once

#include "lowbit/io/import.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Checks that a checkpoint of this scheme can run under the model's policy.
inline status check_policy(const canonical_model& model, std::string_view place) {
  const scheme s = model.config.recognised;
  LOWBIT_TRY_ASSIGN(const auto known, find_policy(model.policy, model.zero));
  const std::string_view name = known.name;
  if (s != scheme::fp32 && scheme_name(s) != known.scheme) {
    return status::error(errc::invalid_argument, place, ": this is a ", scheme_name(s),
                         " checkpoint, it cannot run under policy ", name);
  }
  if (s == scheme::fp32 && known.own_training) {
    return status::error(errc::invalid_argument, place, ": policy ", name,
                         " needs a checkpoint that was trained for it");
  }
  LOWBIT_TRY(with_policy<program_policies>(known.row, [&]<class P>(std::type_identity<P>) {
               return check_attention<P>(model.config.shape);
             }).in(place));
  const activation_function found = model.config.shape.hidden_act;
  if (known.hidden_act && *known.hidden_act != found) {
    return status::error(errc::unsupported, place, ": policy ", name, " needs hidden_act ",
                         name_of(*known.hidden_act), ", found ", name_of(found));
  }
  return {};
}

/// The one policy that a TernaryBERT or BinaryBERT folder can run under; if `wanted` is not empty,
/// it must be that policy.
inline result<std::string> find_quantized_bert_policy(const model_files& folder,
                                                      const model_config& config,
                                                      std::string_view wanted) {
  LOWBIT_TRY_ASSIGN(const auto files, checkpoint_tensors::open(folder));
  const bool split = std::any_of(
      files.tensors().begin(), files.tensors().end(),
      [](const tensor_view& t) { return t.name.ends_with("embeddings.word_embeddings_1.weight"); });
  auto found = quantized_bert_policy(config, split, folder.native());
  if (found && !wanted.empty() && canonical_policy_name(wanted) != *found) {
    return status::error(errc::invalid_argument, folder.native(), ": this is a ", *found,
                         " checkpoint, it cannot run under policy ", wanted);
  }
  return found;
}

}  // namespace detail

/// Imports a checkpoint folder under a policy by name; empty: the policy that config.json
/// describes.
/// overrides: formats of single matrices, if the policy has formats by name.
/// Errors: invalid_argument if checkpoint, policy and overrides do not match; those of
/// import_checkpoint and encode_model
template <class Policies = program_policies>
result<canonical_model> import_by_name(const model_files& folder, model_config config,
                                       std::string policy_name, std::string zero,
                                       const std::vector<format_override>& overrides = {}) {
  canonical_model model;
  model.config = std::move(config);
  if (detail::is_quantized_bert(model.config.recognised)) {
    LOWBIT_TRY_ASSIGN(policy_name,
                      detail::find_quantized_bert_policy(folder, model.config, policy_name));
  }
  model.policy = policy_name.empty() ? std::string(scheme_name(model.config.recognised))
                                     : canonical_policy_name(policy_name);
  model.zero = std::move(zero);
  LOWBIT_TRY(detail::check_policy(model, folder.native()));
  const named_policy named = *find_policy(model.policy, model.zero);
  if (!overrides.empty() && !named.encodes_floats()) {
    return status::error(errc::invalid_argument, "policy ", named.name,
                         " has its own formats, they cannot be overridden");
  }
  if (named.ranges && !has_trained_ranges(model.config.raw)) {
    return status::error(errc::invalid_argument, folder.native(), ": policy ", named.name,
                         " needs ranges of activations: lowbit quantize --calibrate FILE");
  }
  if (!named.encodes_floats()) {
    return with_encoder<Policies>(
        named.encoder, [&]<class Policy>(std::type_identity<Policy>) -> result<canonical_model> {
          if constexpr (has_formats_by_name<Policy> || integer_only<Policy>) {
            return status::error(errc::unsupported, folder.native(), ": policy ", named.name,
                                 " has no importer");
          } else {
            return import_checkpoint<Policy>(folder, std::move(model));
          }
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
