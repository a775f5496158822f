// SPDX-License-Identifier: Apache-2.0
// One snapshot of a repository in the Hub's cache, as `lowbit fetch` writes it and Hugging Face's
// own programs read it: blobs/ETAG, snapshots/COMMIT/FILE -> ../../blobs/ETAG, refs/REVISION. A
// file appears under its name only when it is complete; until then it is blobs/ETAG.incomplete.
#pragma once

#include <sys/file.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/file_descriptor.hpp"
#include "lowbit/io/model_location.hpp"
#include "lowbit/io/output_file.hpp"

namespace lowbit_tool {

/// A download that is not complete. Only one process at a time holds it.
struct incomplete_blob {
  std::filesystem::path path;
  lowbit::detail::file_descriptor file;
  std::uint64_t size = 0;
};

class hub_snapshot {
 public:
  hub_snapshot(const std::filesystem::path& cache, const lowbit::hub_name& name,
               const std::string& commit)
      : repository_(cache / name.folder()),
        folder_(repository_ / "snapshots" / commit),
        commit_(commit),
        revision_(name.revision) {}

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  /// The blob of a digest. `etag` becomes a file name.
  [[nodiscard]] lowbit::result<std::filesystem::path> blob(const std::string& etag) const {
    const bool plain =
        etag.size() >= 8 && etag.size() <= 128 && std::all_of(etag.begin(), etag.end(), [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 c == '-';
        });
    if (plain) return repository_ / "blobs" / etag;
    return lowbit::status::error(lowbit::errc::malformed, "the server's ETag is ",
                                 lowbit::detail::quote_name(etag), ", expected a digest");
  }

  [[nodiscard]] static lowbit::result<incomplete_blob> begin(const std::filesystem::path& blob) {
    std::error_code error;
    std::filesystem::create_directories(blob.parent_path(), error);
    if (error)
      return lowbit::detail::os_error(blob.parent_path().native(), "cannot create", error.value());
    incomplete_blob out;
    out.path = blob.native() + ".incomplete";
    out.file = lowbit::detail::open_retrying(out.path, O_RDWR | O_CREAT | O_APPEND, 0666);
    if (!out.file.valid())
      return lowbit::detail::os_error(out.path.native(), "cannot create", errno);
    if (::flock(out.file.get(), LOCK_EX | LOCK_NB) != 0)
      return lowbit::status::error(lowbit::errc::io_error, out.path.native(),
                                   ": another process is downloading it");
    struct stat info = {};
    if (::fstat(out.file.get(), &info) != 0)
      return lowbit::detail::os_error(out.path.native(), "cannot stat", errno);
    out.size = static_cast<std::uint64_t>(info.st_size);
    return out;
  }
  [[nodiscard]] static lowbit::status finish(incomplete_blob done,
                                             const std::filesystem::path& blob) {
    LOWBIT_TRY(lowbit::detail::sync(done.file, done.path.native()));
    return lowbit::detail::rename_path(done.path, blob);
  }

  /// Makes `file` of the snapshot a link to the blob.
  [[nodiscard]] lowbit::status link(const std::string& file,
                                    const std::filesystem::path& blob) const {
    const auto at = folder_ / file;
    std::error_code error;
    std::filesystem::create_directories(at.parent_path(), error);
    auto to = std::filesystem::path("..") / ".." / "blobs" / blob.filename();
    for (std::size_t i = 0; i < static_cast<std::size_t>(std::count(file.begin(), file.end(), '/'));
         ++i)
      to = ".." / to;
    const auto temporary = lowbit::detail::hidden_sibling(at, "tmp", 0);
    std::filesystem::remove(temporary, error);
    std::filesystem::create_symlink(to, temporary, error);
    if (error) return lowbit::detail::os_error(at.native(), "cannot link", error.value());
    return lowbit::detail::rename_path(temporary, at);
  }

  /// Makes the revision point to this snapshot: only now is it found by name.
  [[nodiscard]] lowbit::status publish() const {
    if (lowbit::detail::is_commit(revision_)) return {};
    const auto ref = repository_ / "refs" / revision_;
    std::error_code error;
    std::filesystem::create_directories(ref.parent_path(), error);
    return lowbit::write_file(ref, commit_, lowbit::existing::replace);
  }

 private:
  std::filesystem::path repository_, folder_;
  std::string commit_, revision_;
};

}  // namespace lowbit_tool
