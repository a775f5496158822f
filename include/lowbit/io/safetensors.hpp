// SPDX-License-Identifier: Apache-2.0
// Reader of the safetensors format: 8 bytes of little-endian header length, a JSON header that maps
// names to dtype, shape and byte range, then the data. Independent of the meaning of tensors.
// Stricter than necessary: the ranges must cover the data exactly, without gap or overlap, so every
// byte of the file is accounted for and no two names share memory.
//
// Format: https://github.com/huggingface/safetensors (section Format of its README)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/io/tensor_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct safetensors_limits {
  std::size_t header_bytes = 100'000'000;
  std::size_t dimensions = 8;
};

namespace detail {

/// The unsigned elements of a JSON array, or nullopt if it is anything else.
inline std::optional<std::vector<std::size_t>> unsigned_array(const nlohmann::json& value) {
  if (!value.is_array()) return std::nullopt;
  std::vector<std::size_t> out;
  out.reserve(value.size());
  for (const nlohmann::json& element : value) {
    const auto number = as_size(element);
    if (!number) return std::nullopt;
    out.push_back(*number);
  }
  return out;
}

/// Parses one header entry into a view of `data`.
inline result<tensor_view> parse_tensor(const std::string& name, const nlohmann::json& entry,
                                        std::span<const std::byte> data, std::size_t dimensions,
                                        const std::shared_ptr<const std::string>& file) {
  tensor_view tensor{name, element_type::f32, {}, {}, file};
  const std::string place = tensor.place();
  if (!entry.is_object()) {
    return status::error(errc::malformed, place, " is ", describe(entry), ", expected an object");
  }
  LOWBIT_TRY_ASSIGN(const auto type_name, json_string(entry, "dtype", place));
  const auto type = element_type_from_name(type_name);
  if (!type)
    return status::error(errc::unsupported, place, ": unknown dtype ", quote_name(type_name));
  tensor.type = *type;

  const nlohmann::json* shape_field = find_member(entry, "shape");
  const nlohmann::json* offsets_field = find_member(entry, "data_offsets");
  constexpr std::string_view array_expected = "an array of integers that are not negative";
  if (shape_field == nullptr) return missing_field(place, "shape", array_expected);
  if (offsets_field == nullptr) return missing_field(place, "data_offsets", array_expected);
  if (shape_field->is_array() && shape_field->size() > dimensions) {
    return status::error(errc::malformed, place, " has ", shape_field->size(),
                         " dimensions, expected at most ", dimensions);
  }
  auto shape = unsigned_array(*shape_field);
  if (!shape) return wrong_type(place, "shape", *shape_field, array_expected);
  if (!offsets_field->is_array() || offsets_field->size() != 2) {
    return wrong_type(place, "data_offsets", *offsets_field, "[begin, end]");
  }
  const auto offsets = unsigned_array(*offsets_field);
  if (!offsets) return wrong_type(place, "data_offsets", *offsets_field, array_expected);
  tensor.shape = *std::move(shape);

  const std::size_t begin = (*offsets)[0];
  const std::size_t end = (*offsets)[1];
  if (begin > end || end > data.size()) {
    return status::error(errc::malformed, place, ": data_offsets [", begin, ", ", end,
                         "], expected begin <= end <= ", data.size(), ", the bytes of data");
  }
  const auto bytes = tensor_bytes(tensor.type, tensor.shape);
  if (!bytes) {
    return status::error(errc::malformed, place, ": shape ", shape_text(tensor.shape), " of ",
                         type_name, " has more bytes than can be counted");
  }
  if (*bytes != end - begin) {
    return status::error(errc::malformed, place, ": shape ", shape_text(tensor.shape), " of ",
                         type_name, " needs ", *bytes, " bytes, found ", end - begin);
  }
  tensor.data = data.subspan(begin, end - begin);
  return tensor;
}

/// Checks that every byte of `data` belongs to exactly one tensor.
inline status check_coverage(std::span<const tensor_view> tensors, std::span<const std::byte> data,
                             std::string_view name) {
  std::vector<const tensor_view*> order;
  order.reserve(tensors.size());
  for (const tensor_view& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const tensor_view* a, const tensor_view* b) {
    return std::pair(a->data.data(), a->data.size()) < std::pair(b->data.data(), b->data.size());
  });
  std::size_t covered = 0;
  for (const tensor_view* tensor : order) {
    const auto begin = static_cast<std::size_t>(tensor->data.data() - data.data());
    if (begin != covered) {
      return status::error(errc::malformed, tensor->place(), ": data begins at ", begin,
                           begin < covered ? ", inside another tensor" : ", after a gap",
                           ", expected ", covered);
    }
    covered += tensor->data.size();
  }
  if (covered != data.size()) {
    return status::error(errc::malformed, name, ": tensors cover ", covered, " of ", data.size(),
                         " bytes of data");
  }
  return {};
}

}  // namespace detail

/// An open safetensors file. Views stay valid while this object lives, even after a move.
class safetensors_file {
 public:
  /// Maps and validates a file.
  ///
  /// Errors: those of mapped_file::open; malformed for any violation of the format; unsupported for
  /// an
  ///         unknown dtype
  static result<safetensors_file> open(const std::filesystem::path& path,
                                       const safetensors_limits& limits = {}) {
    LOWBIT_TRY_ASSIGN(auto mapping, mapped_file::open(path));
    auto file = parse(mapping.bytes(), path.native(), limits);
    if (file) file->mapping_ = std::move(mapping);
    return file;
  }

  /// Validates bytes that the caller keeps alive; `name` starts every message.
  static result<safetensors_file> parse(std::span<const std::byte> bytes, std::string name,
                                        const safetensors_limits& limits = {}) {
    return detail::without_exceptions(name, [&]() { return parse_checked(bytes, name, limits); });
  }

  /// Sorted by name (byte order).
  [[nodiscard]] std::span<const tensor_view> tensors() const { return tensors_; }
  /// The tensor, or nullptr.
  [[nodiscard]] const tensor_view* find(std::string_view name) const {
    return detail::find_sorted(tensors_, name);
  }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// See mapped_file::release_pages; no effect for parse()d bytes.
  void release_pages() const { mapping_.release_pages(); }

 private:
  static result<safetensors_file> parse_checked(std::span<const std::byte> bytes,
                                                const std::string& name,
                                                const safetensors_limits& limits) {
    constexpr std::size_t prefix = 8;
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (bytes.size() < prefix) {
      return status::error(errc::malformed, name, ": ", bytes.size(),
                           " bytes, expected at least 8 for the header length");
    }
    const auto length = detail::load_unaligned<std::uint64_t>(bytes.data());
    if (length > limits.header_bytes || length > bytes.size() - prefix) {
      const auto error =
          status::error(errc::malformed, "header of ", length, " bytes, expected at most ",
                        std::min(limits.header_bytes, bytes.size() - prefix));
      return detail::unless_foreign(all, detail::expected_file::weights, error).in(name);
    }
    const auto header_bytes = bytes.subspan(prefix, static_cast<std::size_t>(length));
    const auto data = bytes.subspan(prefix + header_bytes.size());
    const std::string_view text(reinterpret_cast<const char*>(header_bytes.data()),
                                header_bytes.size());
    if (!text.starts_with('{')) {
      const auto error = status::error(errc::malformed, "header does not begin with {");
      return detail::unless_foreign(all, detail::expected_file::weights, error).in(name);
    }
    LOWBIT_TRY_ASSIGN(const auto header, parse_json(text, name, {.bytes = limits.header_bytes}));

    safetensors_file file;
    const auto shared_name = std::make_shared<const std::string>(name);
    for (const auto& [key, entry] : header.items()) {  // sorted; parse_json ensures unique keys
      if (key == "__metadata__") {
        LOWBIT_TRY(file.read_metadata(entry, name));
        continue;
      }
      LOWBIT_TRY_ASSIGN(auto tensor,
                        detail::parse_tensor(key, entry, data, limits.dimensions, shared_name));
      file.tensors_.push_back(std::move(tensor));
    }
    LOWBIT_TRY(detail::check_coverage(file.tensors_, data, name));
    return file;
  }

  status read_metadata(const nlohmann::json& entry, const std::string& name) {
    if (!entry.is_object()) {
      return detail::wrong_type(name, "__metadata__", entry, "an object of strings");
    }
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) {
        return detail::wrong_type(name + ": __metadata__", key, value, "a string");
      }
      metadata_.emplace(key, value.get<std::string>());
    }
    return {};
  }

  mapped_file mapping_;
  std::vector<tensor_view> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace lowbit::inline LOWBIT_ISA
