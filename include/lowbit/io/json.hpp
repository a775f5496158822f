// SPDX-License-Identifier: Apache-2.0
// Parses JSON from untrusted bytes and reads typed fields, independent of their meaning. The tree
// is built by text/json_builder.hpp; nlohmann's parser alone would also treat a zero byte as the
// end of the text.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/text/json_builder.hpp"
#include "lowbit/text/model_files.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Describes a field's value for messages.
inline std::string describe(const nlohmann::json& value) {
  if (value.is_number_integer()) return "the integer " + value.dump();
  if (value.is_number_float()) return "the fraction " + value.dump();
  if (value.is_string()) {
    return "the string " + quote_name(value.get_ref<const nlohmann::json::string_t&>());
  }
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_array()) return "an array";
  if (value.is_object()) return "an object";
  return "null";
}

inline status wrong_type(std::string_view name, std::string_view field, const nlohmann::json& found,
                         std::string_view expected) {
  return status::error(errc::malformed, name, ": field ", quote_name(field), " is ",
                       describe(found), ", expected ", expected);
}

/// The member, or nullptr if it is absent or null.
inline const nlohmann::json* find_member(const nlohmann::json& object, std::string_view field) {
  if (!object.is_object()) return nullptr;
  const auto at = object.find(std::string(field));
  return at == object.end() || at->is_null() ? nullptr : &*at;
}

/// The value of a nonnegative integer, whether stored as unsigned (parsed) or signed (set by a
/// program).
inline std::optional<std::size_t> as_size(const nlohmann::json& value) {
  if (!value.is_number_integer()) return std::nullopt;
  if (!value.is_number_unsigned() && value.get<std::int64_t>() < 0) return std::nullopt;
  const auto number = value.get<std::uint64_t>();
  if (number > std::numeric_limits<std::size_t>::max()) return std::nullopt;
  return static_cast<std::size_t>(number);
}

inline status missing_field(std::string_view name, std::string_view field,
                            std::string_view expected) {
  return status::error(errc::not_found, name, ": field ", quote_name(field),
                       " is missing, expected ", expected);
}

}  // namespace detail

/// Parses `text` as one JSON value; `name` (a path) starts every message. See detail::build_json.
inline result<nlohmann::json> parse_json(std::string_view text, std::string_view name,
                                         const json_limits& limits = {}) {
  return detail::without_exceptions(name, [&]() -> result<nlohmann::json> {
    auto value = detail::build_json(text, limits);
    if (!value) return value.status().in(name);
    return value;
  });
}

/// Parses a file as one JSON value.
inline result<nlohmann::json> read_json(const std::filesystem::path& path,
                                        const json_limits& limits = {}) {
  LOWBIT_TRY_ASSIGN(const auto file, mapped_file::open(path));
  const auto bytes = file.bytes();
  return parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.native(),
                    limits);
}

/// Parses a file of a model as one JSON value.
inline result<nlohmann::json> read_json(const model_files& folder, std::string_view file,
                                        const json_limits& limits = {}) {
  if (!folder.are_in_memory()) return read_json(folder / file, limits);
  const std::string place = (folder / file).native();
  const auto bytes = folder.bytes(file);
  if (!bytes) return status::error(errc::not_found, place, ": no such file");
  return parse_json(*bytes, place, limits);
}

/// The getters below read one member of `object`; an absent or null member gives `fallback`.
/// Errors: not_found if absent without a fallback; malformed for a wrong type

inline result<std::size_t> json_size(const nlohmann::json& object, std::string_view field,
                                     std::string_view name,
                                     std::optional<std::size_t> fallback = {}) {
  constexpr std::string_view expected = "an integer that is not negative";
  const nlohmann::json* found = detail::find_member(object, field);
  if (found == nullptr) {
    if (fallback) return *fallback;
    return detail::missing_field(name, field, expected);
  }
  const auto value = detail::as_size(*found);
  if (!value) return detail::wrong_type(name, field, *found, expected);
  return *value;
}

inline result<float> json_float(const nlohmann::json& object, std::string_view field,
                                std::string_view name, std::optional<float> fallback = {}) {
  constexpr std::string_view expected = "a number that a float can hold";
  const nlohmann::json* found = detail::find_member(object, field);
  if (found == nullptr) {
    if (fallback) return *fallback;
    return detail::missing_field(name, field, expected);
  }
  if (!found->is_number() ||
      std::abs(found->get<double>()) > double{std::numeric_limits<float>::max()}) {
    return detail::wrong_type(name, field, *found, expected);
  }
  return static_cast<float>(found->get<double>());
}

inline result<bool> json_bool(const nlohmann::json& object, std::string_view field,
                              std::string_view name, std::optional<bool> fallback = {}) {
  constexpr std::string_view expected = "true or false";
  const nlohmann::json* found = detail::find_member(object, field);
  if (found == nullptr) {
    if (fallback) return *fallback;
    return detail::missing_field(name, field, expected);
  }
  if (!found->is_boolean()) return detail::wrong_type(name, field, *found, expected);
  return found->get<bool>();
}

inline result<std::string> json_string(const nlohmann::json& object, std::string_view field,
                                       std::string_view name,
                                       std::optional<std::string> fallback = {}) {
  constexpr std::string_view expected = "a string";
  const nlohmann::json* found = detail::find_member(object, field);
  if (found == nullptr) {
    if (fallback) return *std::move(fallback);
    return detail::missing_field(name, field, expected);
  }
  if (!found->is_string()) return detail::wrong_type(name, field, *found, expected);
  return found->get<std::string>();
}

}  // namespace lowbit::inline LOWBIT_ISA
