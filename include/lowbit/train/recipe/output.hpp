// SPDX-License-Identifier: Apache-2.0
// Output paths of a run, checked before anything is computed.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/io/packed_folder.hpp"
#include "lowbit/train/model/folder.hpp"
#include "lowbit/train/recipe/options.hpp"

namespace lowbit::train {

/// OUT with a suffix, next to the output folder.
inline std::filesystem::path beside(const std::filesystem::path& out, const std::string& suffix) {
  std::filesystem::path folder = out.lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  return folder.native() + suffix;
}

/// The checkpoint path of a run.
inline std::filesystem::path checkpoint_of(const std::filesystem::path& out) {
  return beside(out, ".checkpoint");
}

/// Rejects an existing file or folder unless --replace or --resume is given.
inline status check_free(const recipe_options& options, const std::filesystem::path& path) {
  std::error_code ignored;
  if (options.replace || options.fit.resume || !std::filesystem::exists(path, ignored)) return {};
  return status::error(errc::invalid_argument, path.native(),
                       ": exists; choose another folder, --replace or --resume");
}

/// True if both paths name the same file or folder.
inline bool same_place(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code ignored;
  return !a.empty() && !b.empty() &&
         (std::filesystem::equivalent(a, b, ignored) || beside(a, "") == beside(b, ""));
}

/// A run that overwrites its inputs could not be resumed.
inline status check_no_input(const recipe_options& options, const std::filesystem::path& output) {
  for (const auto& [name, input] :
       {std::pair{"teacher", &options.teacher}, std::pair{"student", &options.student},
        std::pair{"data", &options.data}}) {
    if (!same_place(output, *input)) continue;
    return status::error(errc::invalid_argument, output.native(), ": is the ", name,
                         " of this run, too; choose another folder to write");
  }
  return {};
}

/// Detects at the start what could not be written at the end: output and checkpoint must be free or
/// replaceable, their parent folder must exist, and the run must not overwrite its inputs.
/// Errors: invalid_argument naming the path; those of output_folder::create
inline status check_output(const recipe_options& options) {
  if (!options.group->leads()) return {};
  LOWBIT_TRY(check_no_input(options, options.out));
  LOWBIT_TRY(check_free(options, options.out));
  LOWBIT_TRY(check_free(options, checkpoint_of(options.out)));
  const bool may_replace = options.replace || options.fit.resume;
  LOWBIT_TRY(output_folder::create(options.out, may_replace ? existing::replace : existing::refuse,
                                   replaceable_training_folder())
                 .status());
  if (options.packed.empty()) return {};
  LOWBIT_TRY(check_no_input(options, options.packed));
  if (same_place(options.packed, options.out)) {
    return status::error(errc::invalid_argument, options.packed.native(),
                         ": is the folder of the float weights, too; choose another one");
  }
  return output_folder::create(options.packed,
                               options.replace ? existing::replace : existing::refuse,
                               replaceable_packed_folder())
      .status();
}

}  // namespace lowbit::train
