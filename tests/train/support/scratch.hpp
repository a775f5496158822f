// SPDX-License-Identifier: Apache-2.0
// A folder for a test, and what tests read of the files and messages that recipes leave.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "lowbit/core/status.hpp"

namespace train_test {

namespace fs = std::filesystem;

inline bool mentions(const lowbit::status& s, const std::string& text) {
  return s.message().find(text) != std::string_view::npos;
}

/// A folder of this process alone that is empty at first and gone at the end.
struct scratch_folder {
  fs::path path;

  explicit scratch_folder(const std::string& name)
      : path(fs::temp_directory_path() / ("lowbit-" + name + "-" + std::to_string(::getpid()))) {
    fs::remove_all(path), fs::create_directories(path);
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() { fs::remove_all(path); }

  fs::path write(const std::string& file, const std::string& text) const {
    std::ofstream(path / file, std::ios::binary) << text;
    return path / file;
  }
  [[nodiscard]] std::string bytes(const std::string& file) const {
    std::ifstream in(path / file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] nlohmann::json json(const std::string& file) const {
    return nlohmann::json::parse(bytes(file));
  }
  [[nodiscard]] nlohmann::json results(const std::string& model) const {
    return json(model + "/results.json");
  }
};

}  // namespace train_test
