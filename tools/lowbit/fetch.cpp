// SPDX-License-Identifier: Apache-2.0
// lowbit fetch: downloads the files of a model that lowbit reads into the cache of the Hugging Face
// Hub, where every command finds it by name.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arguments.hpp"
#include "http.hpp"
#include "hub_snapshot.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/text/tokenizer_file_names.hpp"
#include "messages.hpp"
#include "output.hpp"
#include "program.hpp"
#include "sha256.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_offline() {
  std::string value = variable("HF_HUB_OFFLINE");
  for (char& c : value) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

std::string size_text(std::uint64_t bytes) {
  const auto size = static_cast<double>(bytes);
  return bytes < 1'000'000 ? fmt::format("{:.1f} kB", size / 1e3)
                           : fmt::format("{:.1f} MB", size / 1e6);
}

/// One line per file; on a terminal, it counts.
class progress_line {
 public:
  progress_line(std::string file, std::uint64_t size) : file_(std::move(file)), size_(size) {}
  void show(std::uint64_t bytes) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    print_error(fmt::format("\r{}: {} of {} ", escaped(file_), size_text(bytes), size_text(size_)));
  }
  void end() const {
    print_error(fmt::format("{}{}: {}{}\n", terminal_ ? "\r" : "", escaped(file_), size_text(size_),
                            terminal_ ? std::string(20, ' ') : ""));
  }

 private:
  std::string file_;
  std::uint64_t size_;
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
  std::chrono::steady_clock::time_point last_{};
};

/// "W/\"x\"" -> "x"
std::string digest_of(std::string etag) {
  if (etag.starts_with("W/")) etag.erase(0, 2);
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"')
    etag = etag.substr(1, etag.size() - 2);
  return etag;
}

class fetcher {
 public:
  static result<fetcher> start(const lowbit::hub_name& name, const std::filesystem::path& cache) {
    const std::string endpoint = variable("HF_ENDPOINT");
    LOWBIT_TRY_ASSIGN(auto http,
                      http_client::start(endpoint.empty() ? "https://huggingface.co" : endpoint,
                                         variable("HF_TOKEN")));
    constexpr std::size_t largest_answer = std::size_t{16} << 20U;
    const std::string url = http.endpoint() + "/api/models/" + name.repository + "/revision/" +
                            http.escape(name.revision);
    LOWBIT_TRY_ASSIGN(const auto answer, http.get(url, largest_answer));
    LOWBIT_TRY_ASSIGN(const auto info, lowbit::parse_json(answer.body, url, {.object = true}));
    LOWBIT_TRY_ASSIGN(const auto commit, lowbit::json_string(info, "sha", url));
    if (!lowbit::detail::is_commit(commit)) {
      return status::error(errc::malformed, url, ": field \"sha\" is ",
                           lowbit::detail::quote_name(commit), ", expected a commit");
    }
    fetcher out(std::move(http), name, hub_snapshot(cache, name, commit));
    out.base_ = out.http_.endpoint() + "/" + name.repository + "/resolve/" + commit + "/";
    const auto* files = lowbit::detail::find_member(info, "siblings");
    if (files != nullptr && files->is_array()) {
      for (const nlohmann::json& file : *files) {
        LOWBIT_TRY_ASSIGN(auto path, lowbit::json_string(file, "rfilename", url));
        out.listed_.insert(std::move(path));
      }
    }
    return out;
  }

  /// Downloads everything and returns the snapshot's folder.
  result<std::filesystem::path> run() {
    LOWBIT_TRY(fetch_listed("modules.json"));
    LOWBIT_TRY_ASSIGN(const auto transformer, find_transformer());
    if (!listed_.contains(transformer + "config.json"))
      return status::error(errc::not_found, name_.repository, ": the Hub lists no ", transformer,
                           "config.json: no model that lowbit reads");
    for (const char* file : lowbit::tokenizer_file_names)
      LOWBIT_TRY(fetch_listed(transformer + file));
    for (const char* file : {"config.json", "sentence_bert_config.json"})
      LOWBIT_TRY(fetch_listed(transformer + file));
    LOWBIT_TRY(fetch_listed("config_sentence_transformers.json"));
    LOWBIT_TRY(fetch_weights(transformer));
    LOWBIT_TRY(snapshot_.publish());
    return snapshot_.folder();
  }

 private:
  fetcher(http_client http, lowbit::hub_name name, hub_snapshot snapshot)
      : http_(std::move(http)), name_(std::move(name)), snapshot_(std::move(snapshot)) {}

  /// Downloads config.json of the modules and the weights of Dense, and returns the transformer's
  /// folder, "" or "NAME/".
  result<std::string> find_transformer() {
    if (!listed_.contains("modules.json")) return std::string();
    const auto file = snapshot_.folder() / "modules.json";
    LOWBIT_TRY_ASSIGN(const auto modules, lowbit::detail::read_modules(snapshot_.folder()));
    std::string transformer;
    for (const nlohmann::json& module : modules) {
      LOWBIT_TRY_ASSIGN(const auto type, lowbit::json_string(module, "type", file.native()));
      LOWBIT_TRY_ASSIGN(const auto at, lowbit::detail::module_path(module, file.native()));
      if (at.empty()) continue;
      LOWBIT_TRY(fetch_listed(at + "/config.json"));
      if (lowbit::detail::is_transformer(type)) transformer = at + "/";
      if (type.ends_with(".Dense")) LOWBIT_TRY(fetch_weights(at + "/"));
    }
    return transformer;
  }

  /// The first of the files that checkpoint_tensors would open, with its shards.
  status fetch_weights(const std::string& folder) {
    for (const char* file : {"model.safetensors", "pytorch_model.bin"}) {
      if (listed_.contains(folder + file)) return fetch(folder + file);
      const std::string index = folder + file + ".index.json";
      if (!listed_.contains(index)) continue;
      LOWBIT_TRY(fetch(index));
      const auto at = snapshot_.folder() / index;
      LOWBIT_TRY_ASSIGN(const auto json, lowbit::read_json(at));
      const auto* map = lowbit::detail::find_member(json, "weight_map");
      std::set<std::string> shards;
      if (map != nullptr && map->is_object()) {
        for (const auto& [tensor, shard] : map->items())
          if (shard.is_string()) shards.insert(folder + shard.get<std::string>());
      }
      for (const std::string& shard : shards) {
        if (!listed_.contains(shard) || shard.find("..") != shard.npos || shard.starts_with('/'))
          return status::error(errc::malformed, at.native(), ": shard ",
                               lowbit::detail::quote_name(shard), " is not in the repository");
        LOWBIT_TRY(fetch(shard));
      }
      return {};
    }
    return status::error(errc::not_found, name_.repository,
                         ": the Hub lists neither model.safetensors nor pytorch_model.bin");
  }

  status fetch_listed(const std::string& file) {
    return listed_.contains(file) ? fetch(file) : status();
  }

  status fetch(const std::string& file) {
    std::error_code ignored;
    if (std::filesystem::exists(snapshot_.folder() / file, ignored)) return {};
    std::string url = base_;
    for (std::size_t begin = 0; begin <= file.size();) {
      const std::size_t end = std::min(file.find('/', begin), file.size());
      url += (begin == 0 ? "" : "/") + http_.escape(file.substr(begin, end - begin));
      begin = end + 1;
    }
    LOWBIT_TRY_ASSIGN(const auto about, http_.head(url));
    const bool linked = !about.header("x-linked-etag").empty();
    const std::string digest = digest_of(about.header(linked ? "x-linked-etag" : "etag"));
    const std::string length = about.header(linked ? "x-linked-size" : "content-length");
    std::uint64_t size = 0;
    const auto [stop, error] = std::from_chars(length.data(), length.data() + length.size(), size);
    if (length.empty() || error != std::errc() || stop != length.data() + length.size())
      return status::error(errc::malformed, url, ": the server states no size");
    const auto blob = snapshot_.blob(digest);
    if (!blob) return blob.status().in(url);
    if (std::filesystem::file_size(*blob, ignored) != size || ignored)
      LOWBIT_TRY(download(url, file, *blob, size));
    return snapshot_.link(file, *blob);
  }

  status download(const std::string& url, const std::string& file,
                  const std::filesystem::path& blob, std::uint64_t size) {
    LOWBIT_TRY_ASSIGN(auto part, hub_snapshot::begin(blob));
    progress_line line(file, size);
    if (part.size > size && ::ftruncate(part.file.get(), 0) == 0) part.size = 0;
    if (part.size < size) {
      LOWBIT_TRY(http_.download(url, part.file, part.size, size,
                                [&](std::uint64_t bytes) { line.show(bytes); }));
    }
    LOWBIT_TRY(check_digest(part.path, blob.filename().native(), file));
    LOWBIT_TRY(hub_snapshot::finish(std::move(part), blob));
    line.end();
    return {};
  }

  /// Large files have their SHA-256 as ETag; small ones have git's name, which is not checked.
  static status check_digest(const std::filesystem::path& path, const std::string& digest,
                             const std::string& file) {
    if (digest.size() != 64) return {};
    sha256 hash;
    {
      LOWBIT_TRY_ASSIGN(const auto bytes, lowbit::mapped_file::open(path));
      hash.add(bytes.bytes());
    }
    const std::string found = hash.finish();
    if (found == digest) return {};
    std::error_code ignored;
    std::filesystem::remove(path, ignored);  // going on from it would never end well
    return status::error(errc::malformed, file, ": SHA-256 is ", found, ", expected ", digest,
                         "; the download was discarded, run it again");
  }

  http_client http_;
  lowbit::hub_name name_;
  hub_snapshot snapshot_;
  std::string base_;
  std::set<std::string> listed_;
};

struct fetch_options {
  std::string name;
  std::string revision;
};

status run(const fetch_options& o) {
  const std::string text =
      o.name + (o.revision.empty() || o.name.find('@') != o.name.npos ? "" : "@" + o.revision);
  const auto name = lowbit::parse_hub_name(text);
  if (!name) {
    return status::error(errc::invalid_argument, lowbit::detail::quote_name(text),
                         ": expected a name on the Hub, ORG/NAME or ORG/NAME@REVISION");
  }
  if (!o.revision.empty() && name->revision != o.revision)
    return status::error(errc::invalid_argument, "--revision is ", o.revision,
                         ", but the name has ", name->revision);
  if (is_offline())
    return status::error(errc::invalid_argument, "HF_HUB_OFFLINE is set: nothing is downloaded");
  const std::filesystem::path cache = lowbit::hub_cache();
  if (cache.empty())
    return status::error(errc::not_found, "no place for the cache: set HF_HUB_CACHE or HOME");
  return lowbit::detail::without_exceptions("fetch", [&]() -> status {
    LOWBIT_TRY_ASSIGN(auto files, fetcher::start(*name, cache));
    LOWBIT_TRY_ASSIGN(const auto folder, files.run());
    put("{}\n", escaped(folder.native()));
    return {};
  });
}

}  // namespace

void add_fetch(CLI::App& program, action& chosen) {
  auto o = std::make_shared<fetch_options>();
  CLI::App* verb = program.add_subcommand("fetch", "Download a model from the Hugging Face Hub");
  add_argument(*verb, "name", o->name, "ORG/NAME or ORG/NAME@REVISION")->required();
  verb->add_option("--revision", o->revision, "branch, tag or commit (default: main)");
  verb->footer(
      "The model goes into the Hub's cache (HF_HUB_CACHE, HF_HOME), where -m finds it by name.\n"
      "HF_TOKEN: token for private models; HF_ENDPOINT: another server; HF_HUB_OFFLINE=1: refuse.");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
