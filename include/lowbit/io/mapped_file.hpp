// SPDX-License-Identifier: Apache-2.0
// Memory-maps a regular file read-only, independent of its format. O_NONBLOCK is needed because
// opening a FIFO of that name would otherwise block before it could be rejected.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/io/file_descriptor.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Read-only bytes of a file; valid until this object is destroyed, even after a move.
///
/// Limit: as with any mapping, access raises SIGBUS if another process truncates the file. Replace
///        model files by rename (output_file, output_folder), never in place.
class mapped_file {
 public:
  mapped_file() = default;
  mapped_file(mapped_file&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    if (this != &other) {
      unmap();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  ~mapped_file() { unmap(); }

  /// Maps the whole file. Symbolic links are followed; an empty file is allowed.
  ///
  /// Errors: not_found, io_error; unsupported for a folder, FIFO, socket or device
  static result<mapped_file> open(const std::filesystem::path& path) {
    const detail::file_descriptor file =
        detail::open_retrying(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (!file.valid()) {
      const int error_number = errno;
      if (error_number == ENOENT || error_number == ENOTDIR) {
        return status::error(errc::not_found, path.native(), ": no such file");
      }
      return detail::os_error(path.native(), "cannot open", error_number);
    }
    struct stat info = {};
    if (::fstat(file.get(), &info) != 0) {
      return detail::os_error(path.native(), "cannot stat", errno);
    }
    if (S_ISDIR(info.st_mode)) {
      return status::error(errc::unsupported, path.native(), ": is a folder, expected a file");
    }
    if (!S_ISREG(info.st_mode)) {
      return status::error(errc::unsupported, path.native(),
                           ": is a pipe, socket or device, expected a regular file");
    }
    mapped_file mapped;
    if (info.st_size <= 0) return mapped;
    if (static_cast<std::uintmax_t>(info.st_size) > SIZE_MAX / 2) {
      return status::error(errc::unsupported, path.native(), ": ", info.st_size,
                           " bytes do not fit this machine's address space");
    }
    const auto size = static_cast<std::size_t>(info.st_size);
    void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) return detail::os_error(path.native(), "cannot map", errno);
    mapped.data_ = data;
    mapped.size_ = size;
    return mapped;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(data_), size_};
  }

  /// Releases the resident pages to the system; bytes() stays valid and is paged in again on use.
  void release_pages() const {
    if (data_ != nullptr) ::madvise(data_, size_, MADV_DONTNEED);
  }

 private:
  void unmap() {
    if (data_ != nullptr) ::munmap(data_, size_);
  }

  void* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lowbit::inline LOWBIT_ISA
