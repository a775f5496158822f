// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <csignal>
#include <filesystem>
#include <string>
#include <utility>

#include "crafted.hpp"
#include "expect_error.hpp"
#include "lowbit/io/output_file.hpp"
#include "lowbit/io/packed_folder.hpp"

namespace fs = std::filesystem;
using lowbit::errc;
using lowbit::existing;
using lowbit::output_file;
using lowbit::output_folder;

namespace {

/// Runs `body` in a child that kills itself afterwards, as a power cut or an impatient user would.
template <class Body>
void killed_after(Body&& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    body();
    ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int code = 0;
  REQUIRE(::waitpid(child, &code, 0) == child);
  REQUIRE((WIFSIGNALED(code) && WTERMSIG(code) == SIGKILL));
}

const lowbit::replaceable_folder of_models{{"config.json", "stale"}};

void save_model(const fs::path& target, existing policy, const char* contents) {
  auto folder = output_folder::create(target, policy, of_models);
  REQUIRE(folder.ok());
  crafted::write(folder->folder() / "config.json", contents);
  const auto status = folder->commit();
  INFO(status.message());
  REQUIRE(status.ok());
}

}  // namespace

TEST_CASE("output file appears only when it is committed", "[io][output_file]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "f";
  {
    auto file = output_file::create(path);
    REQUIRE(file.ok());
    REQUIRE(file->write("one ").ok());
    CHECK_FALSE(fs::exists(path));
    output_file moved = *std::move(file);
    REQUIRE(moved.write("two").ok());
    REQUIRE(moved.commit().ok());
  }
  CHECK(crafted::read(path) == "one two");
  CHECK(scratch.entries() == 1);
  CHECK(lowbit::write_file(scratch.path() / "g", "").ok());
  CHECK(crafted::read(scratch.path() / "g").empty());
}

TEST_CASE("output file without a commit leaves nothing", "[io][output_file]") {
  const crafted::scratch_folder scratch;
  {
    auto file = output_file::create(scratch.path() / "f");
    REQUIRE(file.ok());
    REQUIRE(file->write("half").ok());
  }
  CHECK(scratch.entries() == 0);
}

TEST_CASE("output file has the permissions that the umask leaves", "[io][output_file]") {
  const crafted::scratch_folder scratch;
  const mode_t old = ::umask(0027);
  const auto file = lowbit::write_file(scratch.path() / "f", "x");
  auto folder = output_folder::create(scratch.path() / "d");
  ::umask(old);
  REQUIRE((file.ok() && folder.ok() && folder->commit().ok()));
  CHECK((fs::status(scratch.path() / "f").permissions() & fs::perms::mask) ==
        static_cast<fs::perms>(0640));
  CHECK((fs::status(scratch.path() / "d").permissions() & fs::perms::mask) ==
        static_cast<fs::perms>(0750));
}

TEST_CASE("output file replaces only when asked, and sees a target that came later",
          "[io][output_file][negative]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "f";
  REQUIRE(lowbit::write_file(path, "old").ok());
  expect_error(lowbit::write_file(path, "new"), errc::invalid_argument, {"f", "already exists"});
  CHECK(crafted::read(path) == "old");
  CHECK(lowbit::write_file(path, "new", existing::replace).ok());
  CHECK(crafted::read(path) == "new");

  auto late = output_file::create(scratch.path() / "g");
  REQUIRE(late.ok());
  crafted::write(scratch.path() / "g", "theirs");
  expect_error(late->commit(), errc::invalid_argument, {"already exists"});
  CHECK(crafted::read(scratch.path() / "g") == "theirs");
}

TEST_CASE("output names that cannot be written to are refused with a reason",
          "[io][output_file][output_folder][negative]") {
  const crafted::scratch_folder scratch;
  const auto missing = scratch.path() / "no" / "such" / "target";
  expect_error(output_file::create(missing).status(), errc::not_found,
               {"target", "does not exist", "create it first"});
  expect_error(output_folder::create(missing).status(), errc::not_found, {"does not exist"});
  expect_error(output_file::create("").status(), errc::invalid_argument, {"not a path"});
  expect_error(output_file::create("/").status(), errc::invalid_argument, {"cannot be written"});
  expect_error(output_folder::create("/", existing::replace).status(), errc::invalid_argument,
               {"cannot be written"});
  expect_error(output_file::create(scratch.path(), existing::replace).status(),
               errc::invalid_argument, {"is a folder, expected a file"});
  CHECK(scratch.entries() == 0);
}

TEST_CASE("output folder appears in one step, whole", "[io][output_folder]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  {
    auto folder = output_folder::create(target.native() + "/");  // a trailing slash is fine
    REQUIRE(folder.ok());
    crafted::write(folder->folder() / "a", "1");
    fs::create_directory(folder->folder() / "sub");
    crafted::write(folder->folder() / "sub" / "b", "2");
    CHECK_FALSE(fs::exists(target));
    CHECK(folder->folder().filename().native().starts_with(".model.tmp-"));
    REQUIRE(folder->commit().ok());
  }
  CHECK(crafted::read(target / "a") == "1");
  CHECK(crafted::read(target / "sub" / "b") == "2");
  CHECK(scratch.entries() == 1);
}

TEST_CASE("output folder without a commit leaves nothing", "[io][output_folder]") {
  const crafted::scratch_folder scratch;
  {
    auto folder = output_folder::create(scratch.path() / "model");
    REQUIRE(folder.ok());
    crafted::write(folder->folder() / "a", "1");
    const output_folder moved = *std::move(folder);
    CHECK(fs::exists(moved.folder() / "a"));
  }
  CHECK(scratch.entries() == 0);
}

TEST_CASE("output folder that exists is refused or replaced as asked", "[io][output_folder]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  save_model(target, existing::refuse, "old");
  crafted::write(target / "stale", "x");
  expect_error(output_folder::create(target).status(), errc::invalid_argument,
               {"model", "already exists"});
  save_model(target, existing::replace, "new");
  CHECK(crafted::read(target / "config.json") == "new");
  CHECK_FALSE(fs::exists(target / "stale"));
  CHECK(scratch.entries() == 1);
}

TEST_CASE("output folder replaces only what holds nothing of others",
          "[io][output_folder][negative]") {
  const crafted::scratch_folder scratch;
  const auto home = scratch.path() / "home";
  fs::create_directories(home / "documents");
  crafted::write(home / "documents" / "thesis", "x");
  expect_error(output_folder::create(home, existing::replace).status(), errc::invalid_argument,
               {"home", "holds \"documents\""});
  crafted::write(scratch.path() / "file", "x");
  expect_error(output_folder::create(scratch.path() / "file", existing::replace).status(),
               errc::invalid_argument, {"expected a folder"});
  fs::create_directory_symlink(home, scratch.path() / "link");
  expect_error(output_folder::create(scratch.path() / "link", existing::replace).status(),
               errc::invalid_argument, {"a link"});
  CHECK(crafted::read(home / "documents" / "thesis") == "x");
  CHECK(scratch.entries() == 3);
  const auto notes = scratch.path() / "notes";
  fs::create_directory(notes);
  CHECK(output_folder::create(notes, existing::replace).ok());  // empty
  crafted::write(notes / "b.txt", "x");
  crafted::write(notes / "c.txt", "x");
  lowbit::replaceable_folder own{{"b.txt", "c.txt"}};
  CHECK(output_folder::create(notes, existing::replace, own).ok());
  crafted::write(notes / "a.txt", "x");
  expect_error(output_folder::create(notes, existing::replace, own).status(),
               errc::invalid_argument, {"notes", "holds \"a.txt\""});
  fs::remove(notes / "a.txt");
  fs::create_symlink(home, notes / "a.txt");
  own.files.emplace_back("a.txt");
  expect_error(output_folder::create(notes, existing::replace, own).status(),
               errc::invalid_argument, {"notes", "holds \"a.txt\""});
  fs::remove(notes / "a.txt");
  own.check = [](const fs::path& at) {
    return lowbit::status::error(errc::malformed, at.native(), ": somebody's");
  };
  expect_error(output_folder::create(notes, existing::replace, own).status(), errc::malformed,
               {"notes: somebody's"});
}

TEST_CASE("a packed folder replaces packed folders only", "[io][output_folder][negative]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  fs::create_directory(target);
  const auto replace = [&] {
    return output_folder::create(target, existing::replace, lowbit::replaceable_packed_folder())
        .status();
  };
  crafted::write(target / "vocab.txt", "a");
  expect_error(replace(), errc::not_found, {"config.json"});
  for (const char* other : {"{}", "[]", "{\"quantization_config\": {\"quant_method\": \"gptq\"}}",
                            "{\"quantization_config\": \"lowbit\"}"}) {
    crafted::write(target / "config.json", other);
    expect_error(replace(), errc::invalid_argument, {"config.json", "quant_method"});
  }
  crafted::write(target / "config.json",
                 "{\"quantization_config\": {\"quant_method\": \"lowbit\"}}");
  crafted::write(target / "model.safetensors", "");
  CHECK(replace().ok());
  crafted::write(target / "README.md", "mine");
  expect_error(replace(), errc::invalid_argument, {"model: holds \"README.md\""});
  CHECK(crafted::read(target / "README.md") == "mine");
}

TEST_CASE("outputs that are given up leave nothing", "[io][output_file][output_folder]") {
  const crafted::scratch_folder scratch;
  const int before = lowbit::unfinished_outputs;
  {
    auto folder = output_folder::create(scratch.path() / "model");
    auto file = output_file::create(scratch.path() / "file");
    REQUIRE((folder.ok() && file.ok()));
    CHECK(lowbit::unfinished_outputs == before + 2);
    const output_file moved = *std::move(file);
    CHECK(lowbit::unfinished_outputs == before + 2);
  }
  CHECK(lowbit::unfinished_outputs == before);
  {
    auto folder = output_folder::create(scratch.path() / "model");
    auto file = output_file::create(scratch.path() / "file");
    REQUIRE((folder.ok() && file.ok() && file->write("half").ok()));
    lowbit::outputs_given_up = true;
    expect_error(file->write("rest"), errc::io_error, {"file", "told to stop"});
    expect_error(file->commit(), errc::io_error, {"file", "told to stop"});
    expect_error(folder->commit(), errc::io_error, {"model", "told to stop"});
    lowbit::outputs_given_up = false;
  }
  CHECK(scratch.entries() == 0);
  REQUIRE(lowbit::write_file(scratch.path() / "file", "whole").ok());
  CHECK(lowbit::unfinished_outputs == before);
}

TEST_CASE("output folder commit sees a target that came later", "[io][output_folder][negative]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  auto folder = output_folder::create(target);
  REQUIRE(folder.ok());
  fs::create_directory(target);
  expect_error(folder->commit(), errc::invalid_argument, {"already exists"});
  CHECK(fs::is_empty(target));
}

TEST_CASE("a failed swap puts the old folder back", "[io][output_folder][negative]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  save_model(target, existing::refuse, "old");
  const auto status = lowbit::detail::swap_folder(scratch.path() / "none", target);
  expect_error(status, errc::io_error, {"model", "cannot rename into place"});
  CHECK(crafted::read(target / "config.json") == "old");
  CHECK(scratch.entries() == 1);
}

TEST_CASE("output folder whose files were taken away is an error",
          "[io][output_folder][negative]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  save_model(target, existing::refuse, "old");
  auto folder = output_folder::create(target, existing::replace, of_models);
  REQUIRE(folder.ok());
  fs::remove(folder->folder());
  CHECK(folder->commit().code() == errc::io_error);
  CHECK(crafted::read(target / "config.json") == "old");
}

TEST_CASE("a killed writer leaves no target and does not block the next one",
          "[io][output_file][output_folder]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  killed_after([&] {
    auto folder = output_folder::create(target);
    if (folder) crafted::write(folder->folder() / "config.json", "half");
    auto file = output_file::create(scratch.path() / "file");
    if (file) (void)file->write("half");
    // neither destructor runs: the kill comes inside this scope
    ::kill(::getpid(), SIGKILL);
  });
  CHECK_FALSE(fs::exists(target));
  CHECK_FALSE(fs::exists(scratch.path() / "file"));
  save_model(target, existing::refuse, "whole");
  CHECK(lowbit::write_file(scratch.path() / "file", "whole").ok());
  CHECK(crafted::read(target / "config.json") == "whole");
}

TEST_CASE("a writer killed before its commit leaves the old folder alone", "[io][output_folder]") {
  const crafted::scratch_folder scratch;
  const auto target = scratch.path() / "model";
  save_model(target, existing::refuse, "old");
  killed_after([&] {
    auto folder = output_folder::create(target, existing::replace, of_models);
    if (folder) crafted::write(folder->folder() / "config.json", "half");
    ::kill(::getpid(), SIGKILL);
  });
  CHECK(crafted::read(target / "config.json") == "old");
}
