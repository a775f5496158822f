// SPDX-License-Identifier: Apache-2.0
// Any bytes give a value or an error: small random changes of valid files, from a fixed seed.
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "crafted.hpp"
#include "lowbit/io/config.hpp"
#include "lowbit/io/safetensors.hpp"

namespace {

constexpr unsigned seed = 20240607;
constexpr int mutations = 20'000;

const std::string valid_header = R"({"__metadata__":{"format":"pt"},)"
                                 R"("w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                                 R"("h":{"dtype":"F16","shape":[3],"data_offsets":[24,30]},)"
                                 R"("s":{"dtype":"BF16","shape":[],"data_offsets":[30,32]},)"
                                 R"("e":{"dtype":"F64","shape":[0,9],"data_offsets":[32,32]},)"
                                 R"("b":{"dtype":"U8","shape":[5],"data_offsets":[32,37]}})";

/// One to four changes: a flipped bit, a byte that means something in JSON, a copied, dropped or
/// repeated run, a digit.
void mutate(crafted::bytes& file, std::mt19937& random) {
  constexpr std::string_view meaningful = "{}[]\",:0123456789-.eE\\ u\0\xFF";
  const auto below = [&](std::size_t n) { return n == 0 ? std::size_t{0} : random() % n; };
  for (std::size_t changes = 1 + below(4); changes != 0 && !file.empty(); --changes) {
    const std::size_t at = below(file.size());
    const auto place = file.begin() + static_cast<std::ptrdiff_t>(at);
    const auto run = static_cast<std::ptrdiff_t>(1 + below(file.size() - at));
    switch (below(6)) {
      case 0:
        file[at] ^= static_cast<std::byte>(1U << below(8));
        break;
      case 1:
      case 2:
        file[at] = static_cast<std::byte>(meaningful[below(meaningful.size())]);
        break;
      case 3:
        file.insert(place, static_cast<std::byte>('0' + below(10)));
        break;
      case 4:
        file.erase(place, place + (run > 8 ? 1 : run));
        break;
      default: {
        const crafted::bytes copy(place, place + run);
        file.insert(file.begin() + static_cast<std::ptrdiff_t>(below(file.size())), copy.begin(),
                    copy.end());
      }
    }
  }
}

/// The header length of a changed header is repaired half of the time, or few mutants get past it.
void repair_length(crafted::bytes& file, std::mt19937& random) {
  constexpr std::size_t data_bytes = 37;
  if (file.size() < 8 + data_bytes || random() % 2 == 0) return;
  const std::uint64_t length = file.size() - 8 - data_bytes;
  std::memcpy(file.data(), &length, sizeof length);
}

bool inside(std::span<const std::byte> view, std::span<const std::byte> whole) {
  return view.data() >= whole.data() && view.data() + view.size() <= whole.data() + whole.size();
}

}  // namespace

TEST_CASE("safetensors mutants give views inside the file or an error", "[io][safetensors]") {
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto valid = crafted::safetensors(valid_header, 37);
  REQUIRE(lowbit::safetensors_file::parse(valid, "f").ok());
  int accepted = 0;
  for (int i = 0; i < mutations; ++i) {
    crafted::bytes mutant = valid;
    mutate(mutant, random);
    repair_length(mutant, random);
    // a block of exactly this size, so that a sanitizer sees the first byte past the end
    const auto exact = std::make_unique<std::byte[]>(mutant.size());
    std::copy(mutant.begin(), mutant.end(), exact.get());
    const std::span<const std::byte> bytes(exact.get(), mutant.size());
    const auto opened = lowbit::safetensors_file::parse(bytes, "f");
    if (!opened) {
      if (opened.status().message().empty()) FAIL("mutant " << i << ": an error without a message");
      continue;
    }
    ++accepted;
    for (const lowbit::tensor_view& tensor : opened->tensors()) {
      if (!inside(tensor.data, bytes)) FAIL("mutant " << i << ": a view outside the file");
      (void)lowbit::read_f32(tensor).ok();
    }
  }
  std::printf("safetensors mutants: seed %u, %d of %d accepted\n", seed, accepted, mutations);
  CHECK(accepted > 0);  // the mutator still reaches the deep checks
  CHECK(accepted < mutations / 2);
}

TEST_CASE("config mutants give a checked shape or an error", "[io][config]") {
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::string valid =
      R"({"num_hidden_layers":2,"hidden_size":128,"num_attention_heads":2,"hidden_act":"relu",)"
      R"("intermediate_size":512,"vocab_size":1000,"max_position_embeddings":64,"num_labels":2,)"
      R"("id2label":{"0":"no","1":"yes"},"weight_bits":1,"input_bits":1,"layer_norm_eps":1e-12,)"
      R"("weight_quant_method":"bwn","input_quant_method":"elastic","quantization_config":)"
      R"({"quant_method":"lowbit","format_version":1,"policy":"bit","zero":"torch"}})";
  int accepted = 0;
  for (int i = 0; i < mutations; ++i) {
    crafted::bytes mutant;
    for (const char c : valid) mutant.push_back(static_cast<std::byte>(c));
    mutate(mutant, random);
    const std::string_view text(reinterpret_cast<const char*>(mutant.data()), mutant.size());
    const auto parsed = lowbit::parse_json(text, "f");
    if (!parsed) continue;
    const auto config = lowbit::parse_config(*parsed, "f");
    if (!config) continue;
    ++accepted;
    lowbit::model_shape shape = config->shape;
    if (shape.labels == 0) shape.labels = 1;
    if (!shape.check().ok()) FAIL("mutant " << i << ": an unchecked shape");
  }
  std::printf("config mutants: seed %u, %d of %d accepted\n", seed, accepted, mutations);
  CHECK(accepted > 0);
}
