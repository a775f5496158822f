// SPDX-License-Identifier: Apache-2.0
// A folder in memory, where there is such a thing, whose files are written anew for every input.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace lowbit_fuzz {

class scratch_files {
 public:
  scratch_files() {
    std::error_code ignored;
    const std::filesystem::path memory = "/dev/shm";
    const bool usable =
        std::filesystem::is_directory(memory, ignored) && ::access(memory.c_str(), W_OK) == 0;
    std::string name =
        ((usable ? memory : std::filesystem::temp_directory_path()) / "lowbit-fuzz-XXXXXX")
            .string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  scratch_files(const scratch_files&) = delete;
  scratch_files& operator=(const scratch_files&) = delete;
  ~scratch_files() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Nothing to write: the file is not there.
  void set(const char* name, std::string_view bytes) const {
    if (bytes.empty()) {
      ::unlink((path_ / name).c_str());
      return;
    }
    std::ofstream file(path_ / name, std::ios::binary | std::ios::trunc);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) std::abort();
  }

 private:
  std::filesystem::path path_;
};

}  // namespace lowbit_fuzz
