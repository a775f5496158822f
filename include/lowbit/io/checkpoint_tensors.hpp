// SPDX-License-Identifier: Apache-2.0
// The tensors of a Hugging Face model folder, in one file or in shards, independent of the model.
// Opens only model.safetensors, or the index and the plain file names it lists in the same folder,
// so an index cannot reference files elsewhere. Symbolic links are followed, because the Hugging
// Face cache uses them.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/safetensors.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// All tensors of a model folder. Views stay valid while this object lives, even after a move.
class checkpoint_tensors {
 public:
  /// Opens model.safetensors, otherwise the shards in model.safetensors.index.json.
  ///
  /// Errors: not_found for a missing folder or shard, or a listed tensor that its shard lacks;
  ///         unsupported for a PyTorch pickle; malformed for a bad file or index, a shard name that
  ///         is not a plain file name, or a tensor not listed for its shard
  static result<checkpoint_tensors> open(const std::filesystem::path& folder,
                                         const safetensors_limits& limits = {}) {
    return detail::without_exceptions(folder.native(),
                                      [&]() { return open_checked(folder, limits); });
  }

  /// Sorted by name (byte order); names are unique.
  [[nodiscard]] std::span<const tensor_view> tensors() const { return tensors_; }
  /// The tensor, or nullptr.
  [[nodiscard]] const tensor_view* find(std::string_view name) const {
    return detail::find_sorted(tensors_, name);
  }
  /// The metadata of model.safetensors, or of the first shard by name.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const {
    return files_.front().metadata();
  }
  /// Releases the resident pages of all files to the system; views stay valid.
  void release_pages() const {
    for (const safetensors_file& file : files_) file.release_pages();
  }

 private:
  using path = std::filesystem::path;

  checkpoint_tensors() = default;

  static bool exists(const path& file) {
    std::error_code ignored;
    return std::filesystem::exists(file, ignored);
  }

  static result<checkpoint_tensors> open_checked(const path& folder,
                                                 const safetensors_limits& limits) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(folder, ignored)) {
      return status::error(errc::not_found, folder.native(), ": no such folder");
    }
    checkpoint_tensors checkpoint;
    const path single = folder / "model.safetensors";
    const path index = folder / "model.safetensors.index.json";
    if (exists(single)) {
      LOWBIT_TRY(checkpoint.add_file(single, limits));
    } else if (exists(index)) {
      LOWBIT_TRY(checkpoint.add_shards(folder, index, limits));
    } else if (exists(folder / "pytorch_model.bin") ||
               exists(folder / "pytorch_model.bin.index.json")) {
      return status::error(errc::unsupported, folder.native(),
                           ": holds pytorch_model.bin, a pickle; convert it to model.safetensors "
                           "(in Python: load the model and call "
                           "save_pretrained(folder, safe_serialization=True))");
    } else {
      return status::error(errc::not_found, folder.native(),
                           ": neither model.safetensors nor model.safetensors.index.json");
    }
    return checkpoint;
  }

  status add_file(const path& file, const safetensors_limits& limits) {
    LOWBIT_TRY_ASSIGN(auto opened, safetensors_file::open(file, limits));
    const auto views = opened.tensors();
    tensors_.insert(tensors_.end(), views.begin(), views.end());
    files_.push_back(std::move(opened));
    return {};
  }

  static status check_shard_name(const std::string& shard, const std::string& place) {
    constexpr std::string_view suffix = ".safetensors";
    const bool plain = shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (plain && shard.size() > suffix.size() && shard.ends_with(suffix)) return {};
    return status::error(errc::malformed, place, ": shard ", detail::quote_name(shard),
                         ", expected a plain file name that ends in ", suffix);
  }

  /// Opens the shards and checks both ways that index and shards list the same tensors.
  status add_shards(const path& folder, const path& index, const safetensors_limits& limits) {
    LOWBIT_TRY_ASSIGN(const auto parsed, read_json(index, {.bytes = limits.header_bytes}));
    const nlohmann::json* weight_map = detail::find_member(parsed, "weight_map");
    if (weight_map == nullptr || !weight_map->is_object() || weight_map->empty()) {
      return status::error(errc::malformed, index.native(),
                           ": field \"weight_map\" is missing or empty, expected an object of "
                           "tensor names and shard file names");
    }
    std::map<std::string, std::set<std::string>> listed;  // shard -> tensors
    for (const auto& [tensor, shard] : weight_map->items()) {
      if (!shard.is_string()) {
        return detail::wrong_type(index.native() + ": weight_map", tensor, shard,
                                  "a shard file name");
      }
      const auto& shard_name = shard.get_ref<const std::string&>();
      LOWBIT_TRY(check_shard_name(shard_name, index.native()));
      listed[shard_name].insert(tensor);
    }
    for (const auto& [shard, names] : listed) {
      const std::size_t first = tensors_.size();
      LOWBIT_TRY(add_file(folder / shard, limits));
      const auto views = std::span<const tensor_view>(tensors_).subspan(first);
      for (const std::string& name : names) {
        if (detail::find_sorted(views, name) == nullptr) {
          return status::error(errc::not_found, (folder / shard).native(), ": no tensor ",
                               detail::quote_name(name), ", which the index places here");
        }
      }
      for (const tensor_view& view : views) {
        if (!names.contains(view.name)) {
          return status::error(errc::malformed, view.place(),
                               ": the index does not place it in this shard");
        }
      }
    }
    std::sort(tensors_.begin(), tensors_.end(),
              [](const tensor_view& a, const tensor_view& b) { return a.name < b.name; });
    return {};
  }

  std::vector<safetensors_file> files_;
  std::vector<tensor_view> tensors_;
};

}  // namespace lowbit::inline LOWBIT_ISA
