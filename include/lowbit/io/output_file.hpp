// SPDX-License-Identifier: Apache-2.0
// A file that appears complete under its name or not at all. Must not know what is written.
// The temporary file stands beside the target, not in /tmp: a rename is one step only within one
// file system. A process that is killed by what no handler sees (SIGKILL, a power cut) leaves a
// hidden `.name.tmp-<pid>-<n>`, never a half target. Those of others are left alone: a process
// number does not say who is writing on a file system that several machines share.
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

/// What to do when the target is already there.
enum class existing : std::uint8_t { refuse, replace };

namespace detail {

/// An absolute target with a file name, whose parent folder exists.
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

/// Something is there, be it a symbolic link that points nowhere.
inline bool occupied(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(std::filesystem::symlink_status(path, error));
}

inline status already_exists(const std::filesystem::path& target) {
  return status::error(errc::invalid_argument, target.native(),
                       ": already exists; choose another name or ask to replace it");
}

/// A hidden sibling of `target`; `attempt` counts until a name is free.
inline std::filesystem::path hidden_sibling(const std::filesystem::path& target,
                                            std::string_view purpose, unsigned attempt) {
  return target.parent_path() / ("." + target.filename().native() + "." + std::string(purpose) +
                                 "-" + std::to_string(::getpid()) + "-" + std::to_string(attempt));
}

inline constexpr unsigned name_attempts = 1000;

/// rename(2): one step, within one file system.
inline status rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return os_error(to.native(), "cannot rename into place", errno);
}

}  // namespace detail

/// Collects bytes in a temporary file; commit() gives it its name. Without commit() nothing
/// remains.
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

  /// Errors: not_found for a missing parent folder; invalid_argument when the target exists and
  ///         `policy` is refuse, or is a folder; io_error.
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

  /// Appends. A full disk or quota is an io_error, as is a program that is to stop.
  status write(std::span<const std::byte> bytes) {
    constexpr std::size_t part = std::size_t{16} << 20U;  // between two: is the program to stop?
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

  /// Syncs, then renames into place: afterwards the target holds all bytes, also after a power cut.
  status commit() {
    LOWBIT_EXPECTS(file_.valid());
    return detail::without_exceptions(target_.native(), [&]() -> status {
      LOWBIT_TRY(detail::sync(file_, target_.native()));
      LOWBIT_TRY(file_.close(target_.native()));
      LOWBIT_TRY(detail::check_not_given_up(target_.native()));
      LOWBIT_TRY(check_target());  // someone may have been faster
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
  detail::unfinished_output unfinished_;  // the last to go
};

/// Writes a whole file in one step.
inline status write_file(const std::filesystem::path& path, std::string_view contents,
                         existing policy = existing::refuse) {
  LOWBIT_TRY_ASSIGN(auto output, output_file::create(path, policy));
  LOWBIT_TRY(output.write(contents));
  return output.commit();
}

}  // namespace lowbit::inline LOWBIT_ISA
