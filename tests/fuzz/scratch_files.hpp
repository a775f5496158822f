// SPDX-License-Identifier: Apache-2.0
// A folder in memory, where there is such a thing, whose files are written anew for every input.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "../io/crafted.hpp"

namespace lowbit_fuzz {

class scratch_files {
 public:
  [[nodiscard]] const std::filesystem::path& path() const { return folder_.path(); }
  /// Nothing to write: the file is not there.
  void set(const char* name, std::string_view bytes) const {
    if (bytes.empty()) {
      ::unlink((path() / name).c_str());
    } else {
      crafted::write(path() / name, bytes);
    }
  }

 private:
  static std::filesystem::path parent() {
    const std::filesystem::path memory = "/dev/shm";
    return ::access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path();
  }

  crafted::scratch_folder folder_{parent()};
};

}  // namespace lowbit_fuzz
