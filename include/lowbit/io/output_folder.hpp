// SPDX-License-Identifier: Apache-2.0
// A folder that appears complete under its name or not at all. Must not know what is in it.
// A folder that is to be replaced must hold plain files only, one of them with a name that says
// what it is: a model folder does, a home folder or one of notes given by mistake does not.
#pragma once

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/file_descriptor.hpp"
#include "lowbit/io/output_file.hpp"

namespace lowbit::inline LOWBIT_ISA {

namespace detail {

/// Puts the folder `from` where the folder `to` is, and removes the old one. When `from` cannot be
/// moved the old one is put back.
inline status swap_folder(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::path aside;
  unsigned attempt = 0;
  do aside = hidden_sibling(to, "old", attempt++);
  while (occupied(aside) && attempt < name_attempts);
  LOWBIT_TRY(rename_path(to, aside));
  if (const status moved = rename_path(from, to); !moved.ok()) {
    if (!rename_path(aside, to).ok()) {
      return status::error(errc::io_error, moved.message(), "; the old folder is now ",
                           aside.native());
    }
    return moved;
  }
  std::error_code ignored;  // the new folder is in place: a leftover is no reason to report failure
  std::filesystem::remove_all(aside, ignored);
  return {};
}

}  // namespace detail

/// Files are written into folder(); commit() gives it its name. Without commit() nothing remains.
class output_folder {
 public:
  output_folder(output_folder&& other) noexcept
      : target_(std::move(other.target_)),
        temporary_(std::exchange(other.temporary_, {})),
        policy_(other.policy_),
        marks_(std::move(other.marks_)) {}
  output_folder& operator=(output_folder&&) = delete;
  ~output_folder() {
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
  }

  /// `marks`: names of files; a folder that is replaced has one of them, or is empty.
  ///
  /// Errors: not_found for a missing parent folder; invalid_argument when the target exists and
  ///         `policy` is refuse, or when it is a file, a link, a folder that holds folders or has
  ///         none of the marks; io_error.
  static result<output_folder> create(const std::filesystem::path& path,
                                      existing policy = existing::refuse,
                                      std::vector<std::string> marks = {"config.json"}) {
    return detail::without_exceptions(path.native(), [&]() -> result<output_folder> {
      auto target = detail::output_target(path);
      if (!target) return target.status();
      output_folder output(*std::move(target), policy, std::move(marks));
      LOWBIT_TRY(output.check_target());
      for (unsigned attempt = 0; attempt < detail::name_attempts; ++attempt) {
        const auto temporary = detail::hidden_sibling(output.target_, "tmp", attempt);
        if (::mkdir(temporary.c_str(), 0777) == 0) {
          output.temporary_ = temporary;
          return output;
        }
        if (errno != EEXIST) return detail::os_error(temporary.native(), "cannot create", errno);
      }
      return status::error(errc::io_error, path.native(), ": no free temporary name beside it");
    });
  }

  /// Where to write: the hidden folder that becomes the target.
  [[nodiscard]] const std::filesystem::path& folder() const { return temporary_; }

  /// Syncs every file, then renames the folder into place. A folder that is replaced is moved
  /// aside before and deleted after; when the rename fails it is moved back. Between the two
  /// renames the target is absent: a process killed there leaves the old folder under a hidden
  /// name.
  status commit() {
    LOWBIT_EXPECTS(!temporary_.empty());
    return detail::without_exceptions(target_.native(), [&]() -> status {
      LOWBIT_TRY(sync_tree());
      LOWBIT_TRY(check_target());  // someone may have been faster
      LOWBIT_TRY(detail::occupied(target_) ? detail::swap_folder(temporary_, target_)
                                           : detail::rename_path(temporary_, target_));
      temporary_.clear();
      return detail::sync_folder(target_.parent_path());
    });
  }

 private:
  output_folder(std::filesystem::path target, existing policy, std::vector<std::string> marks)
      : target_(std::move(target)), policy_(policy), marks_(std::move(marks)) {}

  [[nodiscard]] status check_target() const {
    if (!detail::occupied(target_)) return {};
    if (policy_ == existing::refuse) return detail::already_exists(target_);
    std::error_code error;
    if (std::filesystem::symlink_status(target_, error).type() !=
        std::filesystem::file_type::directory) {
      return status::error(errc::invalid_argument, target_.native(),
                           ": is a file or a link, expected a folder to replace");
    }
    std::filesystem::directory_iterator at(target_, error);
    bool known = at == std::filesystem::directory_iterator();
    for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
      const std::string name = at->path().filename().native();
      known = known || std::find(marks_.begin(), marks_.end(), name) != marks_.end();
      const auto type = at->symlink_status(error).type();
      if (error) break;
      if (type == std::filesystem::file_type::directory) {
        return status::error(errc::invalid_argument, target_.native(), ": holds the folder ",
                             detail::quote_name(name),
                             "; only a folder of plain files is replaced");
      }
    }
    if (error) return detail::os_error(target_.native(), "cannot list", error.value());
    if (!known) {
      return status::error(errc::invalid_argument, target_.native(), ": holds no ", marks_.front(),
                           "; only a folder that does is replaced");
    }
    return {};
  }

  [[nodiscard]] status sync_tree() const {
    std::error_code error;
    std::filesystem::recursive_directory_iterator at(temporary_, error);
    for (; !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
      const auto type = at->symlink_status(error).type();
      if (error) break;
      if (type == std::filesystem::file_type::directory) {
        LOWBIT_TRY(detail::sync_folder(at->path()));
      } else if (type == std::filesystem::file_type::regular) {
        const auto file = detail::open_retrying(at->path(), O_RDONLY);
        if (!file.valid()) return detail::os_error(at->path().native(), "cannot open", errno);
        LOWBIT_TRY(detail::sync(file, at->path().native()));
      }
    }
    if (error) return detail::os_error(temporary_.native(), "cannot list", error.value());
    return detail::sync_folder(temporary_);
  }

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  existing policy_;
  std::vector<std::string> marks_;
};

}  // namespace lowbit::inline LOWBIT_ISA
