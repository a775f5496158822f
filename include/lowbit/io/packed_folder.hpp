// SPDX-License-Identifier: Apache-2.0
// Which folders a packed folder may replace.
#pragma once

#include <filesystem>

#include "lowbit/io/json.hpp"
#include "lowbit/io/output_folder.hpp"
#include "lowbit/text/tokenizer_file_names.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// Checks that config.json marks the folder as written by lowbit, in any version.
inline status check_is_packed(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  LOWBIT_TRY_ASSIGN(const auto config, read_json(path));
  const auto* packing = config.is_object() ? find_member(config, "quantization_config") : nullptr;
  const auto* method =
      packing != nullptr && packing->is_object() ? find_member(*packing, "quant_method") : nullptr;
  if (method != nullptr && *method == "lowbit") return {};
  return status::error(errc::invalid_argument, path.native(),
                       ": has no quantization_config with quant_method \"lowbit\": only a folder "
                       "that lowbit packed is replaced; choose another one");
}

}  // namespace detail

/// A folder written by save_packed(), with no other files in it.
inline replaceable_folder replaceable_packed_folder() {
  replaceable_folder out{{"config.json", "model.safetensors"}, detail::check_is_packed};
  out.files.insert(out.files.end(), tokenizer_file_names.begin(), tokenizer_file_names.end());
  return out;
}

}  // namespace lowbit::inline LOWBIT_ISA
