// SPDX-License-Identifier: Apache-2.0
// Reads JSON fields of tokenizer files, with errors as values.
#pragma once

#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "lowbit/core/status.hpp"
#include "lowbit/text/json_builder.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Parses an object; keeps only the named members, or all if none are named; `decimal`: as in
/// json_limits. Errors: those of build_json
[[nodiscard]] inline result<nlohmann::json> parse_object(
    std::string_view text, std::span<const std::string_view> members = {},
    double (*decimal)(std::string_view) = nullptr) {
  try {
    return build_json(text, {.object = true, .members = members, .decimal = decimal});
  } catch (const std::bad_alloc&) {
    return status::error(errc::io_error, "out of memory");
  }
}

/// A member of `object`, or null. The key is taken by value, so the compiler does not warn that the
/// result could refer to a temporary.
[[nodiscard]] inline const nlohmann::json& member(const nlohmann::json& object,
                                                  std::string_view key) {
  static const nlohmann::json absent;
  const auto found = object.find(key);
  return found == object.end() ? absent : *found;
}

[[nodiscard]] inline status wrong_type(const std::string& key, const nlohmann::json& value,
                                       std::string_view expected) {
  return status::error(errc::malformed, key, ": ", value.type_name(), ", expected ", expected);
}

/// Leaves `out` unchanged if the key is absent or null.
[[nodiscard]] inline status read_bool(const nlohmann::json& object, const std::string& key,
                                      auto& out) {
  const auto& value = member(object, key);
  if (value.is_null()) return {};
  if (!value.is_boolean()) return wrong_type(key, value, "a boolean");
  out = value.get<bool>();
  return {};
}

[[nodiscard]] inline status read_string(const nlohmann::json& object, const std::string& key,
                                        std::string& out) {
  const auto& value = member(object, key);
  if (value.is_null()) return {};
  if (!value.is_string()) return wrong_type(key, value, "a string");
  out = value.get<std::string>();
  return {};
}

/// The "type" of a component.
[[nodiscard]] inline result<std::string> component_type(const nlohmann::json& part) {
  if (!part.is_object() || !member(part, "type").is_string())
    return status::error(errc::unsupported, part.type_name(), ", expected an object with a type");
  return member(part, "type").get<std::string>();
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
