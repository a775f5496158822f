// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/token_rows.hpp"

#include <catch2/catch_test_macros.hpp>

namespace {

using ints = std::vector<std::int32_t>;
using sizes = std::vector<std::uint32_t>;

lowbit::token_rows two_sentences() {
  lowbit::token_rows rows;
  rows.add({11, 12, 13}, {0, 0, 1});
  rows.add({21}, {1});
  rows.masked = {1, 3};
  return rows;
}

}  // namespace

TEST_CASE("sentences of a batch are stored back to back", "[io]") {
  const lowbit::token_rows rows = two_sentences();
  CHECK(rows.sentences() == 2);
  CHECK(rows.ids == ints{11, 12, 13, 21});
  CHECK(rows.type_ids == ints{0, 0, 1, 1});
  CHECK(rows.offsets == sizes{0, 3, 4});
  const lowbit::token_input in = rows.view();
  CHECK(in.positions == nullptr);
  CHECK(in.batch.valid == nullptr);
  CHECK(in.batch.tokens() == 4);
  CHECK(in.masked.count == 2);
}

TEST_CASE("a padded batch keeps tokens, positions and masked rows at their place", "[io]") {
  lowbit::token_rows rows = two_sentences();
  CHECK(rows.padded().positions.empty());
  rows.positions = {4, 5, 6, 7};
  const lowbit::token_rows padded = rows.padded();
  CHECK(padded.ids == ints{11, 12, 13, 21, 0, 0});
  CHECK(padded.type_ids == ints{0, 0, 1, 1, 0, 0});
  CHECK(padded.positions == ints{4, 5, 6, 7, 0, 0});
  CHECK(padded.offsets == sizes{0, 3, 6});
  CHECK(padded.valid == sizes{3, 1});
  CHECK(padded.masked == sizes{1, 3});
  const lowbit::token_input in = padded.view();
  CHECK(in.positions == padded.positions.data());
  CHECK(in.batch.valid == padded.valid.data());
}
