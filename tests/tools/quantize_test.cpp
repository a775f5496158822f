// SPDX-License-Identifier: Apache-2.0
// Folders that `lowbit quantize` writes: ranges found on text are those of loops, a budget is kept
// to the byte, and every verb counts the bytes that are really there.
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "../model/reference_forward.hpp"
#include "lowbit/io/checkpoint_tensors.hpp"
#include "program.hpp"

namespace {

using namespace lowbit_test;
using nlohmann::json;
using formats = std::set<std::string>;

const std::string lines[] = {"new york is big", "so , a b c d e"};

/// A checkpoint, a text of two lines and a place to write to.
struct quantized_folder {
  model_folder model{lowbit::head_kind::sequence, "BertForSequenceClassification", 3100};
  crafted::scratch_folder files;
  std::string text = (files.path() / "text").native();
  std::string out = (files.path() / "out").native();

  quantized_folder() { crafted::write(text, lines[0] + "\n" + lines[1] + "\n"); }

  [[nodiscard]] std::string arguments(const std::string& options) const {
    return "quantize --replace " + options + " " + model.path() + " " + out;
  }
  /// The formats of what quantize wrote under a budget.
  [[nodiscard]] formats budgeted(const std::string& budget) const {
    const json said = run_json(arguments("--calibrate " + text + " " + budget));
    CHECK(run_json("inspect " + out)["policy"] == "mixed");
    formats all;
    for (const json& t : said["tensors"]) all.insert(t["format"].get<std::string>());
    return all;
  }
  [[nodiscard]] std::string weights() const { return crafted::read(out + "/model.safetensors"); }
  /// Bytes of the file's tensors: all but its header and the 8 bytes of its length.
  [[nodiscard]] std::size_t tensor_bytes() const {
    const std::string file = weights();
    std::size_t header = 0;
    for (std::size_t i = 8; i-- > 0;)
      header = header << 8U | static_cast<unsigned char>(file.at(i));
    return file.size() - 8 - header;
  }
};

struct loops : reference_forward {
  using reference_forward::embed;
  using reference_forward::reference_forward;
};
double largest(double so_far, const std::vector<reals>& rows) {
  for (const reals& row : rows) {
    for (const double v : row) so_far = std::fmax(so_far, std::fabs(v));
  }
  return so_far;
}

const formats finest{"f32", "int8"};

}  // namespace

TEST_CASE("quantize --calibrate writes the largest magnitudes of the text as scales",
          "[quantize]") {
  const quantized_folder q;
  loops reference(q.model.tensors.weights(), q.model.shape);
  double first = 0, last = 0;
  for (const std::string& line : lines) {
    const lowbit::encoding e = tokenizer().encode(line, 70).value();
    first = largest(first, reference.embed(e.ids, e.type_ids));
    last = largest(last, reference.fp32_hidden(e.ids, e.type_ids));
  }
  for (const std::string policy : {"ibert", "q8bert"}) {
    CAPTURE(policy);
    CHECK(run_json(q.arguments("--calibrate " + q.text + " -p " + policy))["policy"] == policy);
    CHECK(run_json("inspect " + q.out)["policy"] == policy);
    CHECK(run_program("classify -m " + q.out + " 'new york is big'").code == 0);
  }
  const auto tensors = lowbit::checkpoint_tensors::open(q.out);
  REQUIRE(tensors.ok());
  const auto range = [&](const std::string& layer) {
    const auto* scale = tensors->find(layer + ".input.scale");
    REQUIRE(scale != nullptr);
    return 127.0 * static_cast<double>(lowbit::read_f32(*scale).value().at(0));
  };
  CHECK(std::fabs(range("bert.encoder.layer.0.attention.self.key") - first) <= 1e-5 * first);
  CHECK(std::fabs(range("bert.pooler.dense") - last) <= 1e-5 * last);
}

TEST_CASE("quantize --budget-mb writes no byte more than the budget, and int8 where all of it fits",
          "[quantize]") {
  const quantized_folder q;
  // Half a byte above, so that no rounding of a decimal decides.
  const auto limit = [](std::size_t bytes) {
    return "--budget-mb " + std::to_string(bytes) + ".5e-6";
  };
  CHECK(q.budgeted("--budget-mb 1") == finest);
  const std::size_t all = q.tensor_bytes();
  CHECK(q.budgeted(limit(all)) == finest);
  CHECK(q.budgeted(limit(all - 1)) != finest);
  CHECK(q.tensor_bytes() < all);
  for (const std::size_t percent : {80U, 60U}) {
    CAPTURE(percent);
    CHECK(q.budgeted(limit(all * percent / 100)) != finest);
    CHECK(q.tensor_bytes() <= all * percent / 100);
  }
  check_refusal(q.arguments("--budget-mb 1e-6 --calibrate " + q.text), "cannot be met");
}

TEST_CASE("quantize --budget-ms writes what is best where there is time, as a budget of bytes does",
          "[quantize]") {
  const quantized_folder q;
  CHECK(q.budgeted("--budget-mb 1") == finest);
  const std::string by_bytes = q.weights();
  CHECK(q.budgeted("--budget-ms 1e6") == finest);
  CHECK(q.weights() == by_bytes);
  check_refusal(q.arguments("--budget-ms 1e-9 --calibrate " + q.text), "cannot be met");
}

TEST_CASE("bench and inspect count the bytes of the packed tensors", "[quantize]") {
  const quantized_folder q;
  for (const std::string policy : {"f16", "sparse", "int8"}) {
    CAPTURE(policy);
    CHECK(run_json(q.arguments("-p " + policy))["policy"] == policy);
    const std::size_t expected = q.tensor_bytes();
    const json bench = run_json("bench --tokens 5 --repetitions 1 -p " + policy + " -m " + q.out);
    REQUIRE(bench["rows"].size() == 1);
    CHECK(bench["rows"][0]["weights"] == "folder");
    CHECK(bench["rows"][0]["model_bytes"] == expected);
    CHECK(run_json("inspect " + q.out)["bytes"] == expected);
  }
}

TEST_CASE("quantize says when a file grew", "[quantize]") {
  const quantized_folder q;
  const ended grown = run_program(q.arguments("-q -p sparse"));
  CHECK(grown.code == 0);
  CHECK(grown.out.find(" % larger)") != std::string::npos);
  CHECK(run_program(q.arguments("-q -p int8")).out.find(" times smaller)") != std::string::npos);
}
