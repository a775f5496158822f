// SPDX-License-Identifier: Apache-2.0
// Text in, intent out: reads lines, prints the label of each. The model lies in flash and is used
// there; all RAM is in the arrays below. Arguments add to each line: `ids` the token ids, `logits`
// their bits in hexadecimal, `memory` RAM and stack in a last line.
#include "board.hpp"
#include "model.hpp"

namespace {

constexpr std::size_t max_tokens = MAX_TOKENS < model::max_tokens ? MAX_TOKENS : model::max_tokens;

// The size of everything is a constant: a board with too little RAM fails to link.
alignas(lowbit::buffer_alignment) std::byte objects[model::object_bytes];
alignas(lowbit::buffer_alignment) std::byte workspace[model::workspace_bytes(max_tokens)];
std::int32_t ids[max_tokens];
float logits[model::shape.labels];
constinit model::classifier encoder;

/// Where a count of instructions begins and ends (count.c). They do nothing, and differ so that the
/// compiler does not make one of both.
__attribute__((noinline, noclone)) void count_begin() { asm volatile("@ begin"); }
__attribute__((noinline, noclone)) void count_end() { asm volatile("@ end"); }

void write_hex(std::uint32_t value) {
  char text[9] = {' '};
  for (int i = 0; i < 8; ++i) text[i + 1] = "0123456789abcdef"[value >> (28 - 4 * i) & 15U];
  board::write({text, sizeof text});
}

void write_number(std::uint32_t value) {
  char text[11];
  std::size_t at = sizeof text;
  do text[--at] = static_cast<char>('0' + value % 10);
  while ((value /= 10) != 0);
  text[--at] = ' ';
  board::write({text + at, sizeof text - at});
}

/// Prints a failure; false if there is none.
bool failed(const lowbit::status& s) {
  if (s.ok()) return false;
  board::write(s.message());
  board::write("\n");
  return true;
}

lowbit::status run(std::string_view text, std::size_t& tokens) {
  const auto encoded = lowbit::encode_ascii(model::vocabulary(), text, ids, max_tokens);
  tokens = encoded.tokens;
  const std::uint32_t offsets[2] = {0, static_cast<std::uint32_t>(tokens)};
  lowbit::token_input in;
  in.ids = ids;
  in.batch = {offsets, 1, nullptr};
  lowbit::serial executor;
  return encoder.run(in, workspace, sizeof workspace,
                     {logits, 1, model::shape.labels, model::shape.labels}, executor);
}

}  // namespace

int classify() {
  char memory[64] = {};
  const std::string_view wanted = board::arguments(memory, sizeof memory);
  const auto has = [&](std::string_view word) { return wanted.find(word) != wanted.npos; };
  if (failed(encoder.use_image(model::image, objects, sizeof objects, model::tables, model::shape)))
    return 1;
  std::string_view line;
  while (board::read_line(line)) {
    std::size_t tokens = 0;
    count_begin();
    const lowbit::status done = run(line, tokens);
    count_end();
    if (failed(done)) return 1;
    std::size_t best = 0;
    for (std::size_t i = 1; i < model::shape.labels; ++i) {
      if (logits[i] > logits[best]) best = i;
    }
    board::write(model::labels[best]);
    if (has("ids")) {
      board::write("\t");
      for (std::size_t t = 0; t < tokens; ++t) write_number(static_cast<std::uint32_t>(ids[t]));
    }
    if (has("logits")) {
      board::write("\t");
      for (const float logit : logits) write_hex(std::bit_cast<std::uint32_t>(logit));
    }
    board::write("\n");
  }
  if (has("memory")) {
    board::write("stack");
    write_number(static_cast<std::uint32_t>(board::stack_used()));
    board::write("\n");
  }
  return 0;
}
