// SPDX-License-Identifier: Apache-2.0
// Writer of the safetensors format, independent of the meaning of tensors. Tensors are stored by
// decreasing element size, then by name, and the header is padded with spaces to 8 bytes, so every
// tensor is aligned to its element size and can be used in place when mapped. The bytes depend only
// on the arguments, not on their order.
//
// Format: https://github.com/huggingface/safetensors (section Format of its README)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/output_file.hpp"
#include "lowbit/io/safetensors.hpp"
#include "lowbit/io/tensor_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// A tensor in the caller's memory: row-major, data.size() == elements * size_of(type).
struct tensor_to_write {
  std::string name;
  element_type type = element_type::f32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> data;
};

namespace detail {

inline status check_utf8(std::string_view place, std::string_view text) {
  try {
    (void)nlohmann::json(text).dump();
    return {};
  } catch (const nlohmann::json::exception&) {
    return status::error(errc::invalid_argument, place, ": ", quote_name(text), " is not UTF-8");
  }
}

inline status check_writable(const tensor_to_write& tensor, std::string_view path,
                             const safetensors_limits& limits) {
  const std::string place = std::string(path) + ": tensor " + quote_name(tensor.name);
  LOWBIT_TRY(check_utf8(place, tensor.name));
  if (tensor.name == "__metadata__") {
    return status::error(errc::invalid_argument, place, ": the format keeps this name for itself");
  }
  if (tensor.shape.size() > limits.dimensions) {
    return status::error(errc::shape_mismatch, place, " has ", tensor.shape.size(),
                         " dimensions, expected at most ", limits.dimensions);
  }
  const auto bytes = tensor_bytes(tensor.type, tensor.shape);
  if (!bytes || *bytes != tensor.data.size()) {
    return status::error(errc::shape_mismatch, place, ": shape ", shape_text(tensor.shape), " of ",
                         name_of(tensor.type), " does not fit ", tensor.data.size(),
                         " bytes of data");
  }
  return {};
}

/// The file order, after the checks that involve several tensors.
inline result<std::vector<const tensor_to_write*>> storage_order(
    std::span<const tensor_to_write> tensors, std::string_view path) {
  std::vector<const tensor_to_write*> order;
  order.reserve(tensors.size());
  for (const tensor_to_write& tensor : tensors) order.push_back(&tensor);
  const auto by_name = [](const auto* a, const auto* b) { return a->name < b->name; };
  std::sort(order.begin(), order.end(), by_name);
  const auto same_name = [](const auto* a, const auto* b) { return a->name == b->name; };
  const auto twin = std::adjacent_find(order.begin(), order.end(), same_name);
  if (twin != order.end()) {
    return status::error(errc::invalid_argument, path, ": tensor ", quote_name((*twin)->name),
                         " is given twice");
  }
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->type) > size_of(b->type);
  });
  return order;
}

/// Length prefix and padded header, written in the key order of the reference implementation, so
/// that both produce the same bytes for the same tensors.
inline result<std::string> safetensors_header(std::span<const tensor_to_write* const> order,
                                              const std::map<std::string, std::string>& metadata,
                                              std::string_view path,
                                              const safetensors_limits& limits) {
  std::string text = "{";
  const std::string place = std::string(path) + ": __metadata__";
  for (const auto& [key, value] : metadata) {
    LOWBIT_TRY(check_utf8(place, key));
    LOWBIT_TRY(check_utf8(place, value));
  }
  if (!metadata.empty()) text += "\"__metadata__\":" + nlohmann::json(metadata).dump();
  std::size_t offset = 0;
  for (const tensor_to_write* tensor : order) {
    const std::size_t end = offset + tensor->data.size();
    if (text.size() > 1) text += ',';
    text += nlohmann::json(tensor->name).dump();
    text += ":{\"dtype\":\"" + std::string(name_of(tensor->type));
    text += "\",\"shape\":" + nlohmann::json(tensor->shape).dump();
    text += ",\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  text += '}';
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > limits.header_bytes) {
    return status::error(errc::unsupported, path, ": header of ", text.size(),
                         " bytes, expected at most ", limits.header_bytes);
  }
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) {
    length[i] = static_cast<char>((std::uint64_t{text.size()} >> (8 * i)) & 0xFFU);
  }
  return length + text;
}

}  // namespace detail

/// Writes a valid safetensors file, atomically: a failure leaves nothing behind.
///
/// Errors: invalid_argument for duplicate names, a reserved name or text that is not UTF-8;
///         shape_mismatch for data of the wrong size; those of output_file
inline status write_safetensors(const std::filesystem::path& path,
                                std::span<const tensor_to_write> tensors,
                                const std::map<std::string, std::string>& metadata = {},
                                existing policy = existing::refuse) {
  return detail::without_exceptions(path.native(), [&]() -> status {
    const safetensors_limits limits;  // the reader's limits also apply to writing
    for (const tensor_to_write& tensor : tensors) {
      LOWBIT_TRY(detail::check_writable(tensor, path.native(), limits));
    }
    LOWBIT_TRY_ASSIGN(const auto order, detail::storage_order(tensors, path.native()));
    LOWBIT_TRY_ASSIGN(const auto header,
                      detail::safetensors_header(order, metadata, path.native(), limits));
    LOWBIT_TRY_ASSIGN(auto output, output_file::create(path, policy));
    LOWBIT_TRY(output.write(header));
    for (const tensor_to_write* tensor : order) LOWBIT_TRY(output.write(tensor->data));
    return output.commit();
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
