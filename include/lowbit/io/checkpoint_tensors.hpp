// SPDX-License-Identifier: Apache-2.0
// The tensors of a Hugging Face model folder, in one file or in shards, independent of the model:
// safetensors or, in a folder without, files of torch.save. Opens only the file of that name, or
// the index and the plain file names it lists in the same folder, so an index cannot reference
// files elsewhere. Symbolic links are followed, because the Hugging Face cache uses them.
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
#include "lowbit/io/torch_file.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// All tensors of a model folder. Views stay valid while this object lives, even after a move.
class checkpoint_tensors {
 public:
  /// Opens the first of model.safetensors, the shards in model.safetensors.index.json,
  /// pytorch_model.bin, and the shards in pytorch_model.bin.index.json.
  ///
  /// Errors: not_found for a missing folder or shard, or a listed tensor that its shard lacks;
  ///         malformed for a bad file or index, a shard name that is not a plain file name, or a
  ///         tensor not listed for its shard; unsupported: see torch_file
  static result<checkpoint_tensors> open(const model_files& folder,
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
  /// The metadata of model.safetensors, or of the first shard by name; empty for torch.save.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const {
    static const std::map<std::string, std::string> none;
    return files_.empty() ? none : files_.front().metadata();
  }
  /// Releases the resident pages of all files to the system; views stay valid.
  void release_pages() const {
    for (const safetensors_file& file : files_) file.release_pages();
    for (const torch_file& file : torch_files_) file.release_pages();
  }

 private:
  checkpoint_tensors() = default;

  static result<checkpoint_tensors> open_checked(const model_files& folder,
                                                 const safetensors_limits& limits) {
    std::error_code ignored;
    if (!folder.are_in_memory() && !std::filesystem::is_directory(folder.path(), ignored)) {
      return status::error(errc::not_found, folder.native(), ": no such folder");
    }
    for (const format& kind : formats) {
      checkpoint_tensors checkpoint;
      const std::string index = std::string(kind.file) + ".index.json";
      if (folder.has(kind.file)) {
        LOWBIT_TRY(checkpoint.add_file(folder, kind.file, kind, limits));
        return checkpoint;
      }
      if (folder.has(index)) {
        LOWBIT_TRY(checkpoint.add_shards(folder, index, kind, limits));
        return checkpoint;
      }
    }
    return status::error(errc::not_found, folder.native(),
                         ": neither model.safetensors nor pytorch_model.bin, nor an index.json "
                         "of their shards",
                         other_weights(folder));
  }

  /// For the message: what the folder holds instead. The first by name, so that it is always the
  /// same.
  static std::string other_weights(const model_files& folder) {
    if (folder.are_in_memory()) return {};
    constexpr std::pair<std::string_view, std::string_view> kinds[] = {
        {".h5", "TensorFlow"},  {".msgpack", "Flax"}, {".onnx", "ONNX"},
        {".gguf", "llama.cpp"}, {".ot", "rust-bert"}, {".tflite", "TensorFlow Lite"}};
    std::string first, of;
    std::error_code failed;
    for (std::filesystem::directory_iterator at(folder.path(), failed), end; !failed && at != end;
         at.increment(failed)) {
      const std::string name = at->path().filename().native();
      for (const auto& [suffix, program] : kinds) {
        if (!name.ends_with(suffix) || (!first.empty() && first <= name)) continue;
        first = name;
        of = program;
      }
    }
    if (first.empty()) return {};
    return "; " + detail::quote_name(first) + " is a file of " + of + ", which cannot be read here";
  }

  struct format {
    const char* file;
    std::string_view suffix;
    bool is_safetensors;
  };
  static constexpr format formats[] = {{"model.safetensors", ".safetensors", true},
                                       {"pytorch_model.bin", ".bin", false}};

  status add_file(const model_files& folder, const std::string& name, const format& kind,
                  const safetensors_limits& limits) {
    const std::filesystem::path file = folder / name;
    const auto text = folder.bytes(name).value_or("");
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    if (folder.are_in_memory() && !folder.has(name))
      return status::error(errc::not_found, file.native(), ": no such file");
    if (kind.is_safetensors) {
      LOWBIT_TRY_ASSIGN(auto opened, folder.are_in_memory()
                                         ? safetensors_file::parse(bytes, file.native(), limits)
                                         : safetensors_file::open(file, limits));
      add(std::move(opened), files_);
    } else {
      LOWBIT_TRY_ASSIGN(auto opened, folder.are_in_memory()
                                         ? torch_file::parse(bytes, file.native())
                                         : torch_file::open(file));
      add(std::move(opened), torch_files_);
    }
    return {};
  }
  template <class File>
  void add(File opened, std::vector<File>& to) {
    const auto views = opened.tensors();
    tensors_.insert(tensors_.end(), views.begin(), views.end());
    to.push_back(std::move(opened));
  }

  static status check_shard_name(const std::string& shard, std::string_view suffix,
                                 const std::string& place) {
    const bool plain = shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (plain && shard.size() > suffix.size() && shard.ends_with(suffix)) return {};
    return status::error(errc::malformed, place, ": shard ", detail::quote_name(shard),
                         ", expected a plain file name that ends in ", suffix);
  }

  /// Opens the shards and checks both ways that index and shards list the same tensors.
  status add_shards(const model_files& folder, const std::string& file, const format& kind,
                    const safetensors_limits& limits) {
    LOWBIT_TRY_ASSIGN(const auto parsed, read_json(folder, file, {.bytes = limits.header_bytes}));
    const std::filesystem::path index = folder / file;
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
      LOWBIT_TRY(check_shard_name(shard_name, kind.suffix, index.native()));
      listed[shard_name].insert(tensor);
    }
    for (const auto& [shard, names] : listed) {
      const std::size_t first = tensors_.size();
      LOWBIT_TRY(add_file(folder, shard, kind, limits));
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
  std::vector<torch_file> torch_files_;
  std::vector<tensor_view> tensors_;
};

}  // namespace lowbit::inline LOWBIT_ISA
