// SPDX-License-Identifier: Apache-2.0
// Files made by hand for the io tests, and a folder to put them in. Must not use the library's own
// writer: a reader tested against its own writer proves only that both agree.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace crafted {

using bytes = std::vector<std::byte>;

/// A header length, a header and `data_bytes` bytes 0, 1, 2, ...
inline bytes safetensors(std::string_view header, std::size_t data_bytes, std::uint64_t length) {
  bytes out;
  for (unsigned i = 0; i < 8; ++i)
    out.push_back(static_cast<std::byte>((length >> (8 * i)) & 255U));
  for (const char c : header) out.push_back(static_cast<std::byte>(c));
  for (std::size_t i = 0; i < data_bytes; ++i) out.push_back(static_cast<std::byte>(i & 255U));
  return out;
}

inline bytes safetensors(std::string_view header, std::size_t data_bytes) {
  return safetensors(header, data_bytes, header.size());
}

/// The header of one tensor named "a".
inline std::string one_tensor(std::string_view type, std::string_view shape,
                              std::string_view offsets) {
  return std::string(R"({"a":{"dtype":)") + std::string(type) + R"(,"shape":)" +
         std::string(shape) + R"(,"data_offsets":)" + std::string(offsets) + "}}";
}

/// A new empty folder, removed with everything in it at the end of the scope.
class scratch_folder {
 public:
  explicit scratch_folder(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
    std::string name = (parent / "lowbit-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::size_t entries() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(path_)) ++count;
    return count;
  }

 private:
  std::filesystem::path path_;
};

inline void write(const std::filesystem::path& path, const bytes& contents) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(contents.data()),
             static_cast<std::streamsize>(contents.size()));
}
inline void write(const std::filesystem::path& path, std::string_view contents) {
  std::ofstream(path, std::ios::binary) << contents;
}

inline std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace crafted
