// SPDX-License-Identifier: Apache-2.0
// Finds model folders by path or, in the cache of the Hugging Face Hub, by name. Opens no sockets:
// `lowbit fetch` downloads.
//
// Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/embedding_folder.hpp"
#include "lowbit/io/mapped_file.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// ORG/NAME or NAME, and a branch, tag or commit.
struct hub_name {
  std::string repository;
  std::string revision = "main";

  /// The folder of the repository in the cache: models--ORG--NAME.
  [[nodiscard]] std::string folder() const {
    std::string out = "models--" + repository;
    if (const auto slash = out.find('/'); slash != out.npos) out.replace(slash, 1, "--");
    return out;
  }
};

namespace detail {

/// The characters of a name on the Hub; also safe as the name of a file.
inline bool is_hub_word(std::string_view word) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !word.empty() && word.size() <= 96 && std::all_of(word.begin(), word.end(), allowed) &&
         word.front() != '-' && word.front() != '.' && word.back() != '-' && word.back() != '.' &&
         word.find("--") == word.npos && word.find("..") == word.npos;
}

/// Branches may have slashes (refs/pr/1).
inline bool is_revision(std::string_view revision) {
  while (true) {
    const std::size_t end = std::min(revision.find('/'), revision.size());
    const std::string_view part = revision.substr(0, end);
    if (part.empty() || part.size() > 96 || part == "." || part.find("..") != part.npos ||
        part.find_first_of(std::string_view("\\?#%& \0", 7)) != part.npos)
      return false;
    if (end == revision.size()) return true;
    revision.remove_prefix(end + 1);
  }
}

inline bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

/// A variable of the environment that is set and not empty; a leading ~ is the home folder.
inline std::optional<std::filesystem::path> folder_variable(const char* variable) {
  const char* const value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  const char* const home = std::getenv("HOME");
  if (value[0] == '~' && (value[1] == '/' || value[1] == '\0') && home != nullptr)
    return std::filesystem::path(std::string(home) + (value + 1));
  return std::filesystem::path(value);
}

}  // namespace detail

/// nullopt if `text` cannot be a name on the Hub, such as a path.
[[nodiscard]] inline std::optional<hub_name> parse_hub_name(std::string_view text) {
  hub_name out;
  const std::size_t at = text.find('@');
  if (at != text.npos) {
    out.revision = text.substr(at + 1);
    if (!detail::is_revision(out.revision)) return std::nullopt;
  }
  out.repository = text.substr(0, at);
  const std::string_view repository = out.repository;
  const std::size_t slash = repository.find('/');
  const bool sound = slash == repository.npos
                         ? detail::is_hub_word(repository)
                         : detail::is_hub_word(repository.substr(0, slash)) &&
                               detail::is_hub_word(repository.substr(slash + 1));
  return sound ? std::optional(std::move(out)) : std::nullopt;
}

/// The Hub's cache: HF_HUB_CACHE, HF_HOME/hub, XDG_CACHE_HOME/huggingface/hub or
/// ~/.cache/huggingface/hub. Empty without any of these variables and HOME.
[[nodiscard]] inline std::filesystem::path hub_cache() {
  if (const auto cache = detail::folder_variable("HF_HUB_CACHE")) return *cache;
  if (const auto home = detail::folder_variable("HF_HOME")) return *home / "hub";
  if (const auto cache = detail::folder_variable("XDG_CACHE_HOME"))
    return *cache / "huggingface" / "hub";
  if (const auto home = detail::folder_variable("HOME"))
    return *home / ".cache" / "huggingface" / "hub";
  return {};
}

/// The commit of a revision in the cache: itself, or the one that refs/REVISION holds.
[[nodiscard]] inline std::optional<std::string> cached_commit(
    const std::filesystem::path& repository, const std::string& revision) {
  if (detail::is_commit(revision)) return revision;
  const auto file = mapped_file::open(repository / "refs" / revision);
  if (!file) return std::nullopt;
  std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
  while (text.ends_with('\n')) text.remove_suffix(1);
  return detail::is_commit(text) ? std::optional<std::string>(text) : std::nullopt;
}

/// The folder `model`, if there is one; otherwise the snapshot of the model of that name,
/// ORG/NAME[@REVISION], in the Hub's cache.
/// Errors: not_found, with the places searched
inline result<std::filesystem::path> find_model_folder(const std::filesystem::path& model) {
  return detail::without_exceptions(model.native(), [&]() -> result<std::filesystem::path> {
    std::error_code ignored;
    if (std::filesystem::exists(model, ignored)) return model;
    const auto name = parse_hub_name(model.native());
    const std::filesystem::path cache = hub_cache();
    if (!name || cache.empty()) {
      return status::error(errc::not_found, model.native(),
                           ": no such folder, expected one with config.json and model.safetensors");
    }
    const auto repository = cache / name->folder();
    const auto commit = cached_commit(repository, name->revision);
    if (commit && std::filesystem::is_directory(repository / "snapshots" / *commit, ignored))
      return repository / "snapshots" / *commit;
    return status::error(errc::not_found, model.native(), ": no such folder, and no revision ",
                         detail::quote_name(name->revision), " in ", repository.native(),
                         "; lowbit fetch ", model.native(), " downloads it");
  });
}

/// Where the parts of a model are.
struct model_location {
  model_files folder;       ///< modules.json, if there is one
  model_files transformer;  ///< config.json, weights, tokenizer
};

/// Errors: those of find_model_folder and transformer_folder
inline result<model_location> locate_model(const model_files& model) {
  model_files folder = model;
  if (!model.are_in_memory()) {
    LOWBIT_TRY_ASSIGN(folder, find_model_folder(model.path()));
  }
  LOWBIT_TRY_ASSIGN(const auto transformer, transformer_folder(folder));
  return model_location{folder, transformer};
}

}  // namespace lowbit::inline LOWBIT_ISA
