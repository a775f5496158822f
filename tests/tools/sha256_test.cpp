// SPDX-License-Identifier: Apache-2.0
// Digests of NIST's examples (FIPS 180-4) and, from Python's hashlib, of lengths around a block.
#include "sha256.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <span>
#include <string>
#include <utility>

TEST_CASE("SHA-256 gives the published digests, however the bytes arrive", "[fetch]") {
  const std::pair<std::string, const char*> examples[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1000, 'a'), "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"},
      {std::string(55, 'x'), "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072"},
      {std::string(64, 'x'), "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c"}};
  for (const auto& [text, digest] : examples) {
    for (const std::size_t part : {std::size_t{1}, std::size_t{63}, text.size() + 1}) {
      lowbit_tool::sha256 hash;
      for (std::size_t at = 0; at < text.size(); at += part)
        hash.add(std::as_bytes(std::span(text)).subspan(at, std::min(part, text.size() - at)));
      CHECK(hash.finish() == digest);
    }
  }
}
