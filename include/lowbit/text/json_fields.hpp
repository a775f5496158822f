// SPDX-License-Identifier: Apache-2.0
// Reading JSON fields with errors as values, for the files of a tokenizer. The surprising decision:
// an object that names a key twice is refused while parsing, because the parser would keep the last
// one and a token would be lost.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "lowbit/core/status.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

inline constexpr int max_json_depth = 64;

/// Errors: malformed with the parser's position, with the key that an object has twice, or when
///         values are nested deeper than max_json_depth.
[[nodiscard]] inline result<nlohmann::json> parse_json(std::string_view text) {
  using event = nlohmann::json::parse_event_t;
  std::vector<std::unordered_set<std::string>> keys;  // of every open object
  std::optional<std::string> twice;
  struct too_deep {};
  const auto watch = [&](int depth, event what, nlohmann::json& value) {
    if (depth > max_json_depth) throw too_deep{};
    if (what == event::object_start) keys.emplace_back();
    if (what == event::object_end) keys.pop_back();
    if (what == event::key && !keys.back().insert(value.get<std::string>()).second && !twice)
      twice = value.get<std::string>();
    return true;
  };
  try {
    auto json = nlohmann::json::parse(text.begin(), text.end(), watch);
    if (twice) return status::error(errc::malformed, "key '", *twice, "' occurs twice");
    if (!json.is_object())
      return status::error(errc::malformed, "JSON ", json.type_name(), ", expected an object");
    return json;
  } catch (const too_deep&) {
    return status::error(errc::malformed, "JSON nested deeper than ", max_json_depth, " levels");
  } catch (const nlohmann::json::exception& e) {
    return status::error(errc::malformed, "not JSON: ", e.what());
  }
}

/// Refers into `object`, never to the key, which is a value for that reason: no temporary can be
/// bound here that the result could be taken to outlive.
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

/// Leaves `out` alone when the key is absent or null.
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

/// The "type" of a component; an error when it is not the expected one.
[[nodiscard]] inline status expect_type(const nlohmann::json& root, const std::string& key,
                                        std::string_view expected) {
  const auto& part = member(root, key);
  std::string type = part.type_name();
  if (part.is_object()) LOWBIT_TRY(read_string(part, "type", type));
  if (!part.is_object() || type != expected)
    return status::error(errc::unsupported, key, ": '", type, "', expected '", expected,
                         "' (only the WordPiece tokenizers of BERT are supported)");
  return {};
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
