// SPDX-License-Identifier: Apache-2.0
// `lowbit verify` fails where it must: the recording is what the model answers in memory, with one
// known change.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>

#include "program.hpp"

namespace {

using namespace lowbit_test;
using nlohmann::json;

/// A model, two sentences for it (one padded) and its logits.
struct recorded_model {
  model_folder model{lowbit::head_kind::sequence, "BertForSequenceClassification", 3000};
  crafted::scratch_folder files;
  std::vector<float> logits;  // (2, 3)

  recorded_model() {
    crafted::write(files.path() / "inputs.json",
                   R"({"input_ids": [[2, 5, 6, 3], [2, 8, 3, 0]],
                       "token_type_ids": [[0, 0, 0, 0], [0, 0, 0, 0]],
                       "attention_mask": [[1, 1, 1, 1], [1, 1, 1, 0]]})");
    for (const std::vector<std::int32_t>& ids : {std::vector{2, 5, 6, 3}, std::vector{2, 8, 3}}) {
      lowbit::encoding e;
      e.ids = ids;
      e.type_ids.assign(ids.size(), 0);
      const auto one = model.run<lowbit::classifier<lowbit::policy::fp32>>(e);
      logits.insert(logits.end(), one.begin(), one.end());
    }
  }

  /// The arguments that verify a recording of one tensor, or of none.
  [[nodiscard]] std::string arguments(const std::string& name,
                                      const std::vector<std::size_t>& shape,
                                      const std::vector<float>& values) const {
    std::vector<lowbit::tensor_to_write> tensors;
    if (!name.empty())
      tensors.push_back({name, lowbit::element_type::f32, shape, std::as_bytes(std::span(values))});
    const auto expected = files.path() / "expected.safetensors";
    REQUIRE(lowbit::write_safetensors(expected, tensors, {}, lowbit::existing::replace).ok());
    return "verify -m " + model.path() + " --inputs " + (files.path() / "inputs.json").native() +
           " --expected " + expected.native();
  }
  [[nodiscard]] ended verify_logits(const std::vector<float>& values,
                                    const std::string& more) const {
    return run_program(arguments("logits", {2, 3}, values) + more);
  }
};

/// What verify --json says of a tensor; a message may stand before or after.
json comparison_of(const std::string& name, const std::string& out) {
  const std::size_t begin = out.find('{'), end = out.rfind('}');
  INFO(out);
  REQUIRE(begin < end);
  return json::parse(out.substr(begin, end - begin + 1)).at("tensors").at(name);
}

constexpr const char* failure = "1 of 1 tensors differ by more than the tolerance";
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("verify passes what differs within the tolerance, else it names the largest difference",
          "[verify]") {
  const recorded_model r;
  const ended same = r.verify_logits(r.logits, " --json --tolerance 0");
  CHECK(same.code == 0);
  CHECK(comparison_of("logits", same.out).at("values") == 6);

  std::vector<float> other = r.logits;
  other[1] += 0.125F;
  other[4] -= 0.25F;
  const float largest = std::abs(r.logits[4] - other[4]);
  for (const auto& [tolerance, code] : {std::pair{"0.3", 0}, {"0.2", 1}}) {
    CAPTURE(tolerance);
    const ended found = r.verify_logits(other, std::string(" --json --tolerance ") + tolerance);
    CHECK(found.code == code);
    const json logits = comparison_of("logits", found.out);
    CHECK(logits.at("largest").get<float>() == largest);
    CHECK(logits.at("ok") == (code == 0));
    CHECK(logits.at("above") == code);
    CHECK(logits.contains("largest_at") == (code != 0));
    if (code != 0) CHECK(logits.at("largest_at") == json{1, 1});
  }
  const ended plain = r.verify_logits(other, "");
  CHECK(plain.code == 1);
  CHECK(plain.out.find("FAILED: 2 above tolerance, largest at [1, 1]") != std::string::npos);
  CHECK(plain.out.find(" 0.25 ") != std::string::npos);
  CHECK(plain.out.find("expected.safetensors: " + std::string(failure)) != std::string::npos);

  for (const auto& [change, code] : {std::pair{5e-5F, 0}, {2e-4F, 1}}) {  // the default is 1e-4
    CAPTURE(change);
    other = r.logits;
    other[5] += change;
    CHECK(r.verify_logits(other, "").code == code);
  }
}

TEST_CASE("verify fails for what is not a number, recorded or computed", "[verify]") {
  recorded_model r;
  for (const float value : {not_a_number, std::numeric_limits<float>::infinity()}) {
    CAPTURE(value);
    std::vector<float> other = r.logits;
    other[0] = value;  // what is compared afterwards must not hide it
    const ended found = r.verify_logits(other, " --json --tolerance 1e30");
    CHECK(found.code == 1);
    CHECK(comparison_of("logits", found.out).at("ok") == false);
    CHECK(found.out.find(failure) != std::string::npos);
  }

  // The norm's outputs are infinite, and their sums in layer 0 are no number.
  const std::string norm = "bert.embeddings.LayerNorm.weight";
  const std::vector<float> huge(r.model.shape.hidden, 3e38F);
  std::memcpy(r.model.tensors.bytes(norm).data(), huge.data(), huge.size() * sizeof(float));
  std::vector<lowbit::tensor_to_write> tensors;
  for (const lowbit::stored_tensor& t : r.model.tensors.weights())
    tensors.push_back(
        {t.name, lowbit::element_type::f32, {t.shape, t.shape + t.rank}, {t.data, t.bytes()}});
  REQUIRE(lowbit::write_safetensors(r.model.path() + "/model.safetensors", tensors, {},
                                    lowbit::existing::replace)
              .ok());
  const std::vector<std::size_t> shape{2, 4, r.model.shape.hidden};
  const std::vector<float> zeros(8 * r.model.shape.hidden, 0.0F);
  check_refusal(r.arguments("hidden.1", shape, zeros) + " --tolerance 1e30",
                "encoder layer 0: a value is not finite");
}

TEST_CASE("verify fails for a recording that has nothing to compare", "[verify]") {
  const recorded_model r;
  check_refusal(r.arguments("", {}, {}), "expected.safetensors: has no tensor to compare");
  check_refusal(r.arguments("query_scores.0", {1}, {0.0F}), "has no tensor to compare");
  check_refusal(r.arguments("logits", {3, 2}, r.logits), "has shape [3, 2], expected [2, 3]");
  check_refusal(r.arguments("logit", {2, 3}, r.logits),
                "tensor logit is unknown, expected hidden.i");

  // A layer that the model does not have.
  const std::vector<std::size_t> shape{2, 4, r.model.shape.hidden};
  const std::vector<float> zeros(8 * r.model.shape.hidden, 0.0F);
  const ended found = run_program(r.arguments("hidden.3", shape, zeros) + " --json");
  CHECK(found.code == 1);
  CHECK(comparison_of("hidden.3", found.out).at("values") == 0);
}

TEST_CASE("every model family runs under other policies, from its folder and packed",
          "[verify][families]") {
  const std::filesystem::path golden = std::filesystem::path(LOWBIT_TEST_DATA) / "families";
  std::size_t folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(golden)) {
    const std::string name = entry.path().filename().native();
    if (!name.ends_with("-sequence") && !name.ends_with("-masked_lm")) continue;
    ++folders;
    const bool needs_softmax = name.starts_with("mpnet") || name.starts_with("modernbert");
    const bool words = name.ends_with("-masked_lm");  // logits up to 17 instead of 2
    for (const std::string policy :
         {"fp32", "int8", "w4g32a8", "w1a8", "codebook16", "gobo3", "pruned50", "bibert"}) {
      // The weights are random: with few bits the model only has to run.
      const char* tolerance = policy == "fp32"   ? "1e-4"
                              : policy != "int8" ? "1e3"
                              : words            ? "2.5"
                              : needs_softmax    ? "0.5"  // a longer text, more layers
                                                 : "0.2";
      CAPTURE(name, policy);
      const crafted::scratch_folder scratch;
      const std::string packed = (scratch.path() / "packed").native();
      const ended quantized =
          run_program("quantize -p " + policy + " " + entry.path().native() + " " + packed);
      INFO(quantized.out);
      if (policy == "bibert" && needs_softmax) {
        CHECK(quantized.code == 1);
        CHECK(quantized.out.find("policy bibert has no ") != std::string::npos);
        continue;
      }
      REQUIRE(quantized.code == 0);
      const std::string inputs = " --inputs " + (entry.path() / "inputs.json").native() +
                                 " --expected " + (entry.path() / "expected.safetensors").native() +
                                 " --json --tolerance " + tolerance;
      const ended from_packed = run_program("verify -m " + packed + inputs);
      INFO(from_packed.out);
      CHECK(from_packed.code == 0);
      const ended direct =
          run_program("verify -m " + entry.path().native() + " -p " + policy + inputs);
      CHECK(comparison_of("logits", direct.out) == comparison_of("logits", from_packed.out));
    }
  }
  CHECK(folders == 15);
}
