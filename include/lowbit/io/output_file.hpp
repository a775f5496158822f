// SPDX-License-Identifier: Apache-2.0
// Writes a file atomically: it appears complete under its name or not at all. Independent of the
// contents. The temporary file is next to the target rather than in /tmp, because rename is atomic
// only within one file system. A process killed without a handler (SIGKILL, power failure) leaves a
// hidden `.name.tmp-<pid>-<n>`, never a partial target. Temporary files of others are never
// removed: on a shared file system a process id does not identify the writer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/file_descriptor.hpp"
#include "lowbit/io/unfinished_output.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// What to do if the target exists.
enum class existing : std::uint8_t { refuse, replace };

namespace detail {

/// The absolute target path; it must have a file name and an existing parent folder.
inline result<std::filesystem::path> output_target(const std::filesystem::path& wanted) {
  std::error_code error;
  std::filesystem::path target = std::filesystem::absolute(wanted, error).lexically_normal();
  if (error || wanted.empty()) {
    return status::error(errc::invalid_argument, quote_name(wanted.native()), ": not a path");
  }
  if (!target.has_filename()) target = target.parent_path();  // "out/" means "out"
  if (!target.has_filename()) {
    return status::error(errc::invalid_argument, wanted.native(), ": cannot be written to");
  }
  const auto parent = target.parent_path();
  if (!std::filesystem::is_directory(parent, error)) {
    return status::error(errc::not_found, wanted.native(), ": the folder ", parent.native(),
                         " does not exist; create it first");
  }
  return target;
}

/// True if the path exists, even as a dangling symbolic link.
inline bool occupied(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

inline status already_exists(const std::filesystem::path& target) {
  return status::error(errc::invalid_argument, target.native(),
                       ": already exists; choose another name or ask to replace it");
}

/// A hidden sibling of `target`; `attempt` is incremented until a name is free.
inline std::filesystem::path hidden_sibling(const std::filesystem::path& target,
                                            std::string_view purpose, unsigned attempt) {
  return target.parent_path() / ("." + target.filename().native() + "." + std::string(purpose) +
                                 "-" + std::to_string(::getpid()) + "-" + std::to_string(attempt));
}

inline constexpr unsigned name_attempts = 1000;

/// rename(2), atomic within one file system.
inline status rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return os_error(to.native(), "cannot rename into place", errno);
}

}  // namespace detail

/// Writes to a temporary file that commit() renames to the target; without commit() it is removed.
class output_file {
 public:
  output_file(output_file&& other) noexcept
      : target_(std::move(other.target_)),
        temporary_(std::exchange(other.temporary_, {})),
        file_(std::move(other.file_)),
        policy_(other.policy_),
        unfinished_(std::move(other.unfinished_)) {}
  output_file& operator=(output_file&&) = delete;
  ~output_file() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  /// Errors: not_found for a missing parent folder; invalid_argument if the target is a folder, or
  /// exists
  ///         and `policy` is refuse; io_error
  static result<output_file> create(const std::filesystem::path& path,
                                    existing policy = existing::refuse) {
    return detail::without_exceptions(path.native(), [&]() -> result<output_file> {
      LOWBIT_TRY_ASSIGN(auto target, detail::output_target(path));
      output_file output(std::move(target), policy);
      LOWBIT_TRY(output.check_target());
      for (unsigned attempt = 0; attempt < detail::name_attempts; ++attempt) {
        const auto temporary = detail::hidden_sibling(output.target_, "tmp", attempt);
        output.file_ = detail::open_retrying(temporary, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (output.file_.valid()) {
          output.temporary_ = temporary;
          return output;
        }
        if (errno != EEXIST) return detail::os_error(temporary.native(), "cannot create", errno);
      }
      return status::error(errc::io_error, path.native(), ": no free temporary name beside it");
    });
  }

  /// Appends bytes.
  /// Errors: io_error, for example for a full disk or quota, or if the program was told to stop
  status write(std::span<const std::byte> bytes) {
    constexpr std::size_t part = std::size_t{16} << 20U;  // check for a stop request between parts
    do {
      LOWBIT_TRY(detail::check_not_given_up(target_.native()));
      const auto now = bytes.first(std::min(part, bytes.size()));
      LOWBIT_TRY(detail::write_all(file_, now, target_.native()));
      bytes = bytes.subspan(now.size());
    } while (!bytes.empty());
    return {};
  }
  status write(std::string_view text) {
    return write(std::as_bytes(std::span(text.data(), text.size())));
  }

  /// Syncs, then renames into place: afterwards the target has all bytes, even after a power
  /// failure.
  status commit() {
    LOWBIT_EXPECTS(file_.valid());
    return detail::without_exceptions(target_.native(), [&]() -> status {
      LOWBIT_TRY(detail::sync(file_, target_.native()));
      LOWBIT_TRY(file_.close(target_.native()));
      LOWBIT_TRY(detail::check_not_given_up(target_.native()));
      LOWBIT_TRY(check_target());  // it may have been created meanwhile
      LOWBIT_TRY(detail::rename_path(temporary_, target_));
      temporary_.clear();
      unfinished_.finish();
      return detail::sync_folder(target_.parent_path());
    });
  }

 private:
  output_file(std::filesystem::path target, existing policy)
      : target_(std::move(target)), policy_(policy) {}

  [[nodiscard]] status check_target() const {
    if (policy_ == existing::refuse && detail::occupied(target_)) {
      return detail::already_exists(target_);
    }
    std::error_code error;
    if (std::filesystem::is_directory(target_, error)) {
      return status::error(errc::invalid_argument, target_.native(),
                           ": is a folder, expected a file");
    }
    return {};
  }

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  detail::file_descriptor file_;
  existing policy_;
  detail::unfinished_output unfinished_;  // destroyed last
};

/// Writes a whole file atomically.
inline status write_file(const std::filesystem::path& path, std::string_view contents,
                         existing policy = existing::refuse) {
  LOWBIT_TRY_ASSIGN(auto output, output_file::create(path, policy));
  LOWBIT_TRY(output.write(contents));
  return output.commit();
}

}  // namespace lowbit::inline LOWBIT_ISA
