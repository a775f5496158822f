// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/model_location.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::errc;
using lowbit::find_model_folder;
using lowbit::parse_hub_name;

namespace {

namespace fs = std::filesystem;

/// Sets variables of the environment; the others that matter are unset until the end of the scope.
class environment {
 public:
  explicit environment(const std::map<std::string, std::string>& values) {
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) {
      if (const char* value = std::getenv(name)) old_[name] = value;
      ::unsetenv(name);
    }
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment() {
    for (const char* name : {"HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME"}) ::unsetenv(name);
    for (const auto& [name, value] : old_) ::setenv(name.c_str(), value.c_str(), 1);
  }

 private:
  std::map<std::string, std::string> old_;
};

const std::string main_commit(40, '1');
const std::string other_commit(40, '2');

void write_model(const fs::path& cache, const char* folder) {
  for (const auto& commit : {main_commit, other_commit})
    fs::create_directories(cache / folder / "snapshots" / commit);
  fs::create_directories(cache / folder / "refs" / "refs" / "pr");
  crafted::write(cache / folder / "refs" / "main", main_commit);
  crafted::write(cache / folder / "refs" / "refs" / "pr" / "1", other_commit + "\n");
  crafted::write(cache / folder / "refs" / "bad", "../../x");
  fs::create_directory(cache / "x");  // which that would reach
  crafted::write(cache / folder / "refs" / "gone", std::string(40, '3'));
}

}  // namespace

TEST_CASE("the Hub's cache is where its own programs look", "[io][location]") {
  const auto cache = [](const std::map<std::string, std::string>& values) {
    const environment set(values);
    return lowbit::hub_cache().native();
  };
  CHECK(cache({{"HOME", "/h"}}) == "/h/.cache/huggingface/hub");
  CHECK(cache({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}}) == "/x/huggingface/hub");
  CHECK(cache({{"HOME", "/h"}, {"XDG_CACHE_HOME", "/x"}, {"HF_HOME", "~/f"}}) == "/h/f/hub");
  CHECK(cache({{"HOME", "/h"}, {"HF_HOME", "/f"}, {"HF_HUB_CACHE", "/c"}}) == "/c");
  CHECK(cache({{"HOME", "/h"}, {"HF_HUB_CACHE", ""}}) == "/h/.cache/huggingface/hub");
  CHECK(cache({}) == "");
}

TEST_CASE("names of the Hub are told from paths", "[io][location]") {
  const auto name = parse_hub_name("sentence-transformers/all-MiniLM-L6-v2@refs/pr/1");
  REQUIRE(name);
  CHECK(name->repository == "sentence-transformers/all-MiniLM-L6-v2");
  CHECK(name->revision == "refs/pr/1");
  CHECK(name->folder() == "models--sentence-transformers--all-MiniLM-L6-v2");
  CHECK(parse_hub_name("bert-base-uncased")->folder() == "models--bert-base-uncased");
  CHECK(parse_hub_name("a/b")->revision == "main");
  for (const char* path :
       {"",         "/",      "a/b/c", "/a/b",   "a/",    "./a", "../a",  "a/..",
        "a b",      "a--b/c", ".a",    "a.",     "-a",    "a@",  "a@..",  "a@../x",
        "a@x/../y", "a@/x",   "a@x/",  "a@x//y", "a@x?y", "a\n", "a@x y", "~/a"}) {
    INFO(path);
    CHECK_FALSE(parse_hub_name(path));
  }
}

TEST_CASE("models are found by path, or by name in the cache", "[io][location]") {
  const crafted::scratch_folder scratch;
  write_model(scratch.path(), "models--o--n");
  const environment set({{"HF_HUB_CACHE", scratch.path().native()}});
  const auto snapshots = scratch.path() / "models--o--n" / "snapshots";
  CHECK(find_model_folder("o/n").value() == snapshots / main_commit);
  CHECK(find_model_folder("o/n@refs/pr/1").value() == snapshots / other_commit);
  CHECK(find_model_folder("o/n@" + other_commit).value() == snapshots / other_commit);
  for (const char* missing : {"o/n@bad", "o/n@gone", "o/n@none", "o/m", "n"}) {
    expect_error(find_model_folder(missing).status(), errc::not_found,
                 {missing, "no such folder", scratch.path().native(), "lowbit fetch"});
  }
  expect_error(find_model_folder("./n").status(), errc::not_found, {"./n: no such folder"});
  CHECK(find_model_folder("./n").status().message().find("fetch") == std::string_view::npos);

  // a folder of that name comes first
  const auto here = fs::current_path();
  fs::create_directories(scratch.path() / "o" / "n");
  fs::current_path(scratch.path());
  CHECK(find_model_folder("o/n").value() == "o/n");
  fs::current_path(here);
}
