// SPDX-License-Identifier: Apache-2.0
// Writes a folder atomically: it appears complete under its name or not at all. Independent of the
// contents. A replaced folder is deleted, so the caller states which files it may contain; a folder
// with any other file is not touched.
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

/// Replaces the folder `to` by the folder `from` and removes the old one. If `from` cannot be
/// moved, the old folder is restored.
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
  std::error_code ignored;  // the new folder is in place; a leftover is not a failure
  std::filesystem::remove_all(aside, ignored);
  return {};
}

}  // namespace detail

/// Folders that may be replaced: empty ones, and those that contain only these files and pass the
/// check.
struct replaceable_folder {
  std::vector<std::string> files;
  /// Checks that an earlier run wrote the folder; the error says why not.
  status (*check)(const std::filesystem::path&) = nullptr;
};

/// Files are written into folder(), which commit() renames to the target; without commit() it is
/// removed.
class output_folder {
 public:
  output_folder(output_folder&& other) noexcept
      : target_(std::move(other.target_)),
        temporary_(std::exchange(other.temporary_, {})),
        policy_(other.policy_),
        replaceable_(std::move(other.replaceable_)),
        unfinished_(std::move(other.unfinished_)) {}
  output_folder& operator=(output_folder&&) = delete;
  ~output_folder() {
    std::error_code ignored;
    if (!temporary_.empty()) std::filesystem::remove_all(temporary_, ignored);
  }

  /// Errors: not_found for a missing parent folder; invalid_argument if the target exists and
  /// `policy` is
  ///         refuse, or if it is a file, a link or a folder that is not replaceable, naming the
  ///         offending entry; io_error
  static result<output_folder> create(const std::filesystem::path& path,
                                      existing policy = existing::refuse,
                                      replaceable_folder replaceable = {}) {
    return detail::without_exceptions(path.native(), [&]() -> result<output_folder> {
      LOWBIT_TRY_ASSIGN(auto target, detail::output_target(path));
      output_folder output(std::move(target), policy, std::move(replaceable));
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

  /// Syncs every file, then renames the folder into place. A folder to be replaced is first moved
  /// aside and then deleted; if the rename fails it is moved back. Between the two renames the
  /// target is absent: a process killed then leaves the old folder under a hidden name.
  status commit() {
    LOWBIT_EXPECTS(!temporary_.empty());
    return detail::without_exceptions(target_.native(), [&]() -> status {
      LOWBIT_TRY(sync_tree());
      LOWBIT_TRY(detail::check_not_given_up(target_.native()));
      LOWBIT_TRY(check_target());  // it may have been created meanwhile
      LOWBIT_TRY(detail::occupied(target_) ? detail::swap_folder(temporary_, target_)
                                           : detail::rename_path(temporary_, target_));
      temporary_.clear();
      unfinished_.finish();
      return detail::sync_folder(target_.parent_path());
    });
  }

 private:
  output_folder(std::filesystem::path target, existing policy, replaceable_folder replaceable)
      : target_(std::move(target)), policy_(policy), replaceable_(std::move(replaceable)) {}

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
    if (!error && at == std::filesystem::directory_iterator()) return {};
    std::vector<std::string> foreign;
    for (; !error && at != std::filesystem::directory_iterator(); at.increment(error)) {
      const std::string name = at->path().filename().native();
      const auto& own = replaceable_.files;
      const bool plain = at->symlink_status(error).type() == std::filesystem::file_type::regular;
      if (!plain || std::find(own.begin(), own.end(), name) == own.end()) foreign.push_back(name);
    }
    if (error) return detail::os_error(target_.native(), "cannot list", error.value());
    if (!foreign.empty()) {
      const auto& first = *std::min_element(foreign.begin(), foreign.end());
      return status::error(errc::invalid_argument, target_.native(), ": holds ",
                           detail::quote_name(first),
                           ", which lowbit did not write there; choose another folder");
    }
    if (replaceable_.check != nullptr) LOWBIT_TRY(replaceable_.check(target_));
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
  replaceable_folder replaceable_;
  detail::unfinished_output unfinished_;  // destroyed last
};

}  // namespace lowbit::inline LOWBIT_ISA
