// SPDX-License-Identifier: Apache-2.0
// Lines as they arrive, whatever parts they come in, and texts as a terminal may see them.
#include "line_reader.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <vector>

#include "messages.hpp"

namespace {

using lowbit_tool::escaped;
using lowbit_tool::input_line;
using lowbit_tool::line_reader;
using lowbit_tool::tabs;

class pipe_ends {
 public:
  pipe_ends() { REQUIRE(::pipe(ends_) == 0); }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;
  ~pipe_ends() {
    ::close(ends_[0]);
    close();
  }
  [[nodiscard]] int out() const { return ends_[0]; }
  [[nodiscard]] int in() const { return ends_[1]; }
  void write(const std::string& text) const {
    REQUIRE(::write(ends_[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void close() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

std::vector<std::string> all_lines(line_reader& reader) {
  std::vector<std::string> texts;
  for (std::size_t n = 1;; ++n) {
    const auto line = reader.next();
    REQUIRE(line.ok());
    if (!line->has_value()) return texts;
    CHECK((*line)->number == n);
    texts.push_back((*line)->text);
  }
}

}  // namespace

TEST_CASE("lines have numbers and no ends, and the last needs none", "[line_reader]") {
  using texts = std::vector<std::string>;
  for (const auto& [given, expected] : std::vector<std::pair<std::string, texts>>{
           {"", {}},
           {"\n", {""}},
           {"a", {"a"}},
           {"a\n", {"a"}},
           {"a\n\nb", {"a", "", "b"}},
           {"a\r\nb\r\r\n\r", {"a", "b\r", ""}},
           {"\xEF\xBB\xBF"
            "a\n\xEF\xBB\xBF"
            "b",
            {"a",
             "\xEF\xBB\xBF"
             "b"}},
           {std::string("a\0b\n", 4), {std::string("a\0b", 3)}},
       }) {
    CAPTURE(given);
    pipe_ends pipe;
    pipe.write(given);
    pipe.close();
    line_reader reader(pipe.out(), "input");
    CHECK(all_lines(reader) == expected);
    CHECK(reader.ready());
  }
}

TEST_CASE("a line is ready when its end is there", "[line_reader]") {
  pipe_ends pipe;
  line_reader reader(pipe.out(), "input");
  CHECK_FALSE(reader.ready());
  pipe.write("one\ntw");
  CHECK(reader.ready());
  CHECK(reader.next()->value().text == "one");
  CHECK_FALSE(reader.ready());
  pipe.write("o\nthree\n");
  CHECK(reader.ready());
  CHECK(reader.next()->value().text == "two");
  CHECK(reader.ready());
  CHECK(reader.next()->value().text == "three");
  CHECK_FALSE(reader.ready());
  pipe.close();
  CHECK(reader.ready());
  CHECK_FALSE(reader.next()->has_value());
}

TEST_CASE("a line that is too long is cut and costs no other", "[line_reader]") {
  pipe_ends pipe;
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string part(1U << 20U, 'x');
    for (int i = 0; i < 20; ++i) {
      for (std::size_t at = 0; at < part.size();)
        at += static_cast<std::size_t>(::write(pipe.in(), part.data() + at, part.size() - at));
    }
    ::_exit(::write(pipe.in(), "\nnext\n", 6) == 6 ? 0 : 1);
  }
  pipe.close();
  line_reader reader(pipe.out(), "input");
  const auto cut = reader.next();
  REQUIRE((cut.ok() && cut->has_value()));
  CHECK((*cut)->too_long);
  CHECK((*cut)->text == std::string(100, 'x'));
  const auto next = reader.next();
  REQUIRE((next.ok() && next->has_value()));
  CHECK_FALSE((*next)->too_long);
  CHECK(((*next)->text == "next" && (*next)->number == 2));
  int code = 1;
  CHECK((::waitpid(child, &code, 0) == child && code == 0));
}

TEST_CASE("what cannot be read is an error", "[line_reader]") {
  line_reader closed(-1, "input");
  const auto line = closed.next();
  CHECK(line.status().message() == "input: cannot read: Bad file descriptor");
}

TEST_CASE("no text drives a terminal", "[messages]") {
  CHECK(escaped("plain \xC3\xA9\xE2\x82\xAC") == "plain \xC3\xA9\xE2\x82\xAC");
  CHECK(escaped("a\tb\nc") == "a\\tb\\nc");
  CHECK(escaped("a\tb\nc", tabs::kept) == "a\tb\\nc");
  CHECK(escaped("\x1B[2J\x7F") == "\\x1b[2J\\x7f");
  CHECK(escaped("\xC2\x9B\xC2\xA0") == "\\xc2\\x9b\xC2\xA0");
  CHECK(escaped("\x9B\xFF\xC3") == "\\x9b\\xff\\xc3");
  CHECK(escaped("\xE2\x82") == "\\xe2\\x82");
}
