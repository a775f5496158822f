// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes as one text or two are, for each of three fixed tokenizers, an
// encoding that points into them, or an error. The first byte chooses the tokenizer, the second how
// many tokens are left.
#include "../text/golden.hpp"
#include "encoding_checks.hpp"
#include "mutate.hpp"

namespace {

using namespace lowbit_fuzz;

const words known{
    "[CLS]",        "[SEP]",        "[MASK]",   "[UNK]",        "[unused0]",        "whole",
    " strip  ",     "ADDED",        "added",    "\xC3\x89tude", "\xCC\x81",         "\xE4\xB8\x80",
    "\xC4\xB0",     "\xE2\x80\x8D", "\xC2\xA0", "\xE1\x84\x80", "\xF0\x9D\x85\xA5", "\xEF\xBF\xBD",
    "\xED\xA0\x80", "\xC0\x80",     "\t\r\n",   "\xEF\xB7\xBA", "\xCC\x88\xCC\xA3"};

/// Added tokens of every kind; a plain vocabulary with and without lower case.
const lowbit::tokenizer& tokenizer(std::uint8_t choice) {
  static const lowbit::tokenizer all[] = {
      lowbit::tokenizer::load(golden::folder() / "tokenizer.json").value(),
      lowbit::tokenizer::from_vocabulary(golden::vocabulary(), true).value(),
      lowbit::tokenizer::from_vocabulary(golden::vocabulary(), false).value()};
  return all[choice % std::size(all)];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const parts texts = split(text_of(data, size).substr(2), 2);
  const std::size_t limit = data[1] < 250 ? 3 + data[1] % 32 : 1 << 20;
  check_text(tokenizer(data[0]), texts[0], limit);
  check_pair(tokenizer(data[0]), texts[0], texts[1], limit);
  if (tokenizer(data[0]).encode_plain(texts[0])) ++accepted;
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return mutate_parts(data, size, max_size, seed, 2, {part_kind::text, part_kind::text}, known);
}
