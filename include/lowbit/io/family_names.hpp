// SPDX-License-Identifier: Apache-2.0
// Tensor names of model families: from a checkpoint's to the canonical ones, and back for messages.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "lowbit/io/families.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The rest of `name` after `part` if it is `part` or goes on with '.'.
[[nodiscard]] inline std::optional<std::string_view> rest_after(std::string_view name,
                                                                std::string_view part) {
  if (!name.starts_with(part)) return std::nullopt;
  name.remove_prefix(part.size());
  if (!name.empty() && name.front() != '.') return std::nullopt;
  return name;
}

/// The canonical form of a name, or of the part of a layer's name after its index.
[[nodiscard]] inline std::optional<std::string> without_alias(const model_family& family,
                                                              std::string_view name) {
  for (const part_alias& a : family.aliases) {
    const auto rest = rest_after(name, a.found);
    if (!rest) continue;
    const std::string_view canonical = part_names[static_cast<std::size_t>(a.part)];
    return std::string(canonical) + std::string(a.tail) + std::string(*rest);
  }
  return std::nullopt;
}

/// What the rows of a tensor are, by its name after canonical_name().
struct fused_name {
  std::string_view layer;  ///< up to the part
  const fused_parts* of;
  std::string_view rest;  ///< after it

  [[nodiscard]] std::string part(std::size_t i) const {
    return std::string(layer) + std::string(part_names[static_cast<std::size_t>(of->parts[i])]) +
           std::string(rest);
  }
};
[[nodiscard]] inline std::optional<fused_name> find_fused(const model_family& family,
                                                          std::string_view name) {
  if (!name.starts_with(layer_prefix)) return std::nullopt;
  const std::size_t dot = std::min(name.find('.', layer_prefix.size()), name.size());
  for (const fused_parts& f : family.fused) {
    if (const auto rest = rest_after(name.substr(dot), f.found))
      return fused_name{name.substr(0, dot), &f, *rest};
  }
  return std::nullopt;
}

}  // namespace detail

/// The canonical name of a tensor in a checkpoint of `family`; a name that is none of its is
/// returned unchanged. Old checkpoints call layer-norm parameters gamma and beta.
[[nodiscard]] inline std::string canonical_name(const model_family& family, std::string name) {
  for (const unused_tensors& u : family.unused) {
    if (!u.begins.empty() && u.match(name)) return name;
  }
  if (name.ends_with("LayerNorm.gamma")) name.replace(name.size() - 5, 5, "weight");
  if (name.ends_with("LayerNorm.beta")) name.replace(name.size() - 4, 4, "bias");
  std::string_view rest = name;
  bool in_encoder = rest.starts_with(family.prefix);
  if (in_encoder) rest.remove_prefix(family.prefix.size());
  if (rest.starts_with(family.layer_prefix)) {
    rest.remove_prefix(family.layer_prefix.size());
    const std::size_t digits = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(digits);
    return std::string(detail::layer_prefix) + std::string(rest.substr(0, digits)) +
           detail::without_alias(family, part).value_or(std::string(part));
  }
  if (auto found = detail::without_alias(family, rest)) return *std::move(found);
  for (const std::string_view part : {"embeddings.", "encoder.", "pooler."})
    in_encoder = in_encoder || rest.starts_with(part);
  return (in_encoder ? "bert." : "") + std::string(rest);
}

/// The name that a canonical tensor has in a checkpoint of `family`, for messages.
[[nodiscard]] inline std::string name_in_files(const model_family& family, std::string_view name) {
  const auto found_as = [&](std::string_view part) -> std::optional<std::string> {
    for (const part_alias& a : family.aliases) {
      const std::string canonical =
          std::string(detail::part_names[static_cast<std::size_t>(a.part)]) + std::string(a.tail);
      const auto rest = detail::rest_after(part, canonical);
      if (rest) return std::string(a.found) + std::string(*rest);
    }
    for (const fused_parts& f : family.fused) {
      for (const model_part p : f.parts) {
        const auto rest = detail::rest_after(part, detail::part_names[static_cast<std::size_t>(p)]);
        if (rest) return std::string(f.found) + std::string(*rest);
      }
    }
    return std::nullopt;
  };
  constexpr std::string_view layers = detail::layer_prefix;
  if (name.starts_with(layers)) {
    const std::size_t dot = std::min(name.find('.', layers.size()), name.size());
    const std::string_view part = name.substr(dot);
    return std::string(family.prefix) + std::string(family.layer_prefix) +
           std::string(name.substr(layers.size(), dot - layers.size())) +
           found_as(part).value_or(std::string(part));
  }
  const bool in_encoder = name.starts_with("bert.");
  if (auto found = found_as(name)) {
    const bool head = found->starts_with("classifier.") || found->starts_with("pre_");
    return (in_encoder && !head ? std::string(family.prefix) : "") + *std::move(found);
  }
  return in_encoder ? std::string(family.prefix) + std::string(name.substr(5)) : std::string(name);
}

}  // namespace lowbit::inline LOWBIT_ISA
