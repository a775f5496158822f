// SPDX-License-Identifier: Apache-2.0
// An owning POSIX file descriptor, and the calls that need retry loops or careful error handling.
// Independent of file contents.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>

#include "lowbit/io/diagnostics.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int value) : value_(value) {}
  file_descriptor(file_descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      value_ = std::exchange(other.value_, -1);
    }
    return *this;
  }
  ~file_descriptor() { reset(); }

  [[nodiscard]] int get() const { return value_; }
  [[nodiscard]] bool valid() const { return value_ >= 0; }

  /// Closes the file and reports errors that the system deferred until now (NFS does).
  [[nodiscard]] status close(std::string_view path) {
    const int value = std::exchange(value_, -1);
    if (value >= 0 && ::close(value) != 0 && errno != EINTR) {
      return os_error(path, "cannot close", errno);
    }
    return {};
  }

 private:
  void reset() {
    if (value_ >= 0) ::close(value_);
    value_ = -1;
  }

  int value_ = -1;
};

inline file_descriptor open_retrying(const std::filesystem::path& path, int flags,
                                     mode_t mode = 0) {
  int value = -1;
  do value = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (value < 0 && errno == EINTR);
  return file_descriptor(value);
}

inline status write_all(const file_descriptor& file, std::span<const std::byte> bytes,
                        std::string_view path) {
  constexpr std::size_t largest_write = std::size_t{1} << 30U;  // some systems reject 2 GiB
  while (!bytes.empty()) {
    const std::size_t count = bytes.size() < largest_write ? bytes.size() : largest_write;
    const ssize_t written = ::write(file.get(), bytes.data(), count);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return os_error(path, "cannot write", errno);
    if (written == 0) return status::error(errc::io_error, path, ": cannot write: no progress");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

/// Waits until the bytes are on disk. File systems that do not support fsync for this kind of file
/// are not an error.
inline status sync(const file_descriptor& file, std::string_view path) {
  int code = 0;
  do code = ::fsync(file.get());
  while (code != 0 && errno == EINTR);
  if (code != 0 && errno != EINVAL && errno != ENOTSUP) {
    return os_error(path, "cannot sync", errno);
  }
  return {};
}

/// Syncs a folder, so that its entries survive a power failure.
inline status sync_folder(const std::filesystem::path& folder) {
  const file_descriptor file = open_retrying(folder, O_RDONLY | O_DIRECTORY);
  if (!file.valid()) return os_error(folder.native(), "cannot open folder", errno);
  return sync(file, folder.native());
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
