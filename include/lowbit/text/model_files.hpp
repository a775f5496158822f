// SPDX-License-Identifier: Apache-2.0
// The files of a model, in a folder or in memory: whatever loads a model reads them through this
// class, by their names in a folder. Does not know what they contain.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "lowbit/core/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

class model_files {
 public:
  /// By name, such as "config.json", "model.safetensors" or "1_Pooling/config.json".
  using contents = std::map<std::string, std::string_view, std::less<>>;

  model_files(std::filesystem::path folder) : path_(std::move(folder)) {}
  model_files(const std::string& folder) : path_(folder) {}
  model_files(const char* folder) : path_(folder) {}

  /// Bytes that stay where they are: they must outlive everything loaded from them. `name` stands
  /// for the folder in messages.
  static model_files in_memory(contents files, const std::string& name = "memory") {
    model_files out(name);
    out.memory_ = std::make_shared<const contents>(std::move(files));
    return out;
  }
  [[nodiscard]] bool are_in_memory() const { return memory_ != nullptr; }

  /// A folder inside, such as that of a module.
  [[nodiscard]] model_files in(std::string_view folder) const {
    model_files out = *this;
    out.path_ /= folder;
    out.prefix_ += std::string(folder) + "/";
    return out;
  }

  [[nodiscard]] bool has(std::string_view file) const {
    if (are_in_memory()) return memory_->contains(prefix_ + std::string(file));
    std::error_code ignored;
    return std::filesystem::exists(path_ / file, ignored);
  }
  /// The bytes of a file in memory.
  [[nodiscard]] std::optional<std::string_view> bytes(std::string_view file) const {
    if (!are_in_memory()) return std::nullopt;
    const auto found = memory_->find(prefix_ + std::string(file));
    return found == memory_->end() ? std::nullopt : std::optional(found->second);
  }

  /// The folder or, of files in memory, their name.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] const std::string& native() const { return path_.native(); }
  [[nodiscard]] std::filesystem::path operator/(std::string_view file) const {
    return path_ / file;
  }

 private:
  std::filesystem::path path_;
  std::shared_ptr<const contents> memory_;
  std::string prefix_;  // of names in memory_
};

}  // namespace lowbit::inline LOWBIT_ISA
