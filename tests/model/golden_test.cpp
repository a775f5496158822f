// SPDX-License-Identifier: Apache-2.0
// Every recorded tensor of the official PyTorch code on random weights (tests/golden), through the
// folder loader and the observed engine. Masked keys and padding rows are not compared: this
// library never computes them. Bound: float errors of the recordings themselves are up to 2.5e-5.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <map>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "lowbit/io/model_folder.hpp"
#include "lowbit/io/safetensors.hpp"
#include "random_model.hpp"

#ifndef LOWBIT_TEST_DATA
#error "define LOWBIT_TEST_DATA as the path of tests/golden"
#endif

namespace {

using namespace lowbit_test;
namespace fs = std::filesystem;

constexpr double bound = 1e-4;

/// inputs.json, and where its real tokens went in the packed batch.
struct golden_inputs {
  std::vector<sentence> sentences;
  std::size_t padded = 0;  // N of the recording
  explicit golden_inputs(const fs::path& folder) {
    const nlohmann::json json = lowbit::read_json(folder / "inputs.json").value();
    for (std::size_t b = 0; b < json["input_ids"].size(); ++b) {
      padded = json["input_ids"][b].size();
      sentence s;
      for (std::size_t t = 0; t < padded; ++t) {
        if (json["attention_mask"][b][t] == 0) continue;
        REQUIRE(s.ids.size() == t);  // padding only at the end
        s.ids.push_back(json["input_ids"][b][t]);
        s.types.push_back(json["token_type_ids"][b][t]);
      }
      sentences.push_back(s);
    }
  }
};

/// Everything that a run showed, under the names of the recording, padded like it; NaN where the
/// engine computes nothing.
struct recorder {
  static constexpr bool enabled = true;
  std::size_t layer = 0;

  const golden_inputs& inputs;
  std::size_t heads, width;
  std::map<std::string, std::vector<float>> seen;
  std::vector<std::size_t> begins;

  recorder(const golden_inputs& in, const lowbit::model_shape& shape)
      : inputs(in), heads(shape.heads), width(shape.head_width()) {
    std::size_t begin = 0;
    for (const sentence& s : in.sentences) {
      begins.push_back(begin);
      begin += s.ids.size();
    }
  }
  std::vector<float>& tensor(const std::string& name, std::size_t elements) {
    auto& values = seen[name];
    values.resize(elements, std::nanf(""));
    return values;
  }
  void hidden(std::size_t index, const lowbit::matrix_view<const float>& rows) {
    const std::size_t d = rows.cols;
    auto& out = tensor("hidden." + std::to_string(index), begins.size() * inputs.padded * d);
    for (std::size_t b = 0; b < begins.size(); ++b) {
      for (std::size_t t = 0; t < inputs.sentences[b].ids.size(); ++t) {
        std::copy_n(rows.row(begins[b] + t), d,
                    out.begin() + static_cast<long>((b * inputs.padded + t) * d));
      }
    }
  }
  void scores(const lowbit::query_span& span, std::size_t head,
              const lowbit::matrix_view<const float>& rows) {
    const std::size_t n = inputs.padded;
    auto& out = tensor("attention_scores." + std::to_string(layer), begins.size() * heads * n * n);
    for (std::size_t r = 0; r < span.count; ++r) {
      const std::size_t t = span.first - begins[span.sentence] + r;
      std::copy_n(rows.row(r), rows.cols,
                  out.begin() + static_cast<long>(((span.sentence * heads + head) * n + t) * n));
    }
  }
  void context(const lowbit::query_span& span, std::size_t head,
               const lowbit::matrix_view<const float>& rows) {
    const std::size_t n = inputs.padded;
    const std::size_t d = heads * width;
    auto& out = tensor("context." + std::to_string(layer), begins.size() * n * d);
    for (std::size_t r = 0; r < span.count; ++r) {
      const std::size_t t = span.first - begins[span.sentence] + r;
      std::copy_n(rows.row(r), width,
                  out.begin() + static_cast<long>((span.sentence * n + t) * d + head * width));
    }
  }
  void pooled(const lowbit::matrix_view<const float>& rows) {
    auto& out = tensor("pooled", rows.rows * rows.cols);
    for (std::size_t r = 0; r < rows.rows; ++r) {
      std::copy_n(rows.row(r), rows.cols, out.begin() + static_cast<long>(r * rows.cols));
    }
  }
};

/// Element i of a recorded tensor belongs to a real token, and a score to a real key.
bool is_real(const golden_inputs& in, const std::string& name,
             const std::vector<std::size_t>& shape, std::size_t i) {
  const auto length = [&](std::size_t b) { return in.sentences[b].ids.size(); };
  if (name.starts_with("attention_scores.")) {
    const std::size_t n = in.padded;
    const std::size_t b = i / (shape[1] * n * n);
    return i / n % n < length(b) && i % n < length(b);
  }
  if (shape.size() == 3) return i / shape[2] % in.padded < length(i / (shape[2] * in.padded));
  return true;
}

bool is_compared(const std::string& name) {
  return name == "logits" || name == "pooled" || name.starts_with("hidden.") ||
         name.starts_with("attention_scores.") || name.starts_with("context.");
}

/// What the comparison of a recording found: the first difference, how many tensors were compared.
struct verdict_of_recording {
  std::string difference;
  std::size_t tensors = 0;
};
verdict_of_recording check_recording(const fs::path& file, const golden_inputs& in, recorder& run) {
  const auto recording = lowbit::safetensors_file::open(file).value();
  verdict_of_recording found;
  for (const lowbit::tensor_view& t : recording.tensors()) {
    if (!is_compared(t.name)) continue;
    const std::vector<float> expected = lowbit::read_f32(t).value();
    const std::vector<float>& actual = run.seen[t.name];
    if (actual.size() != expected.size()) return {t.name + " has other extents"};
    std::vector<float> real_actual;
    std::vector<float> real_expected;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (!is_real(in, t.name, t.shape, i)) continue;
      real_actual.push_back(actual[i]);
      real_expected.push_back(expected[i]);
    }
    if (real_actual.size() < in.sentences.size()) return {t.name + ": nothing to compare"};
    const std::string differs = farther_than(bound, real_actual, real_expected);
    if (!differs.empty() && found.difference.empty()) {
      found.difference = file.filename().string() + " " + t.name + " " + differs;
    }
    ++found.tensors;
  }
  return found;
}

template <class Policy, class Arch>
verdict_of_recording check_folder(const char* name, const char* file, const char* zero) {
  const fs::path folder = fs::path(LOWBIT_TEST_DATA) / name;
  const auto opened = lowbit::open_model(folder, {"", zero}).value();
  CHECK(opened.zero == zero);
  const lowbit::model_shape& shape = opened.config.shape;
  const golden_inputs in(folder);
  using model_type = lowbit::classifier<Policy, Arch>;
  const guarded<std::byte> memory(model_type::model_bytes(opened.weights(), shape));
  lowbit::arena space(memory.data(), memory.size());
  model_type model;
  const lowbit::status loaded = model.load(space, opened.weights(), shape);
  INFO(loaded.message());
  REQUIRE(loaded.ok());

  std::vector<std::size_t> order;
  for (std::size_t b = 0; b < in.sentences.size(); ++b) order.push_back(b);
  const packed_batch batch(in.sentences, order);
  lowbit::serial serial;
  recorder run(in, shape);
  run.seen["logits"] = run_model(model, batch.input(), serial, run);
  // The run that a user makes, without an observer.
  CHECK(difference(run_model(model, batch.input(), serial), run.seen["logits"]) == "");
  return check_recording(folder / file, in, run);
}

const char* const torch_file = "expected.safetensors";
const char* const plus_one_file = "expected_sign0_plus1.safetensors";

}  // namespace

TEMPLATE_LIST_TEST_CASE("recorded PyTorch tensors are reproduced", "[model][golden]", own_arch) {
  need_arch<TestType>();
  using namespace lowbit::policy;
  const auto check = [](const verdict_of_recording& found, std::size_t tensors) {
    CHECK(found.difference == "");
    CHECK(found.tensors == tensors);
  };
  check(check_folder<fp32, TestType>("bert_h128", torch_file, "torch"), 7);
  check(check_folder<fp32, TestType>("tinybert_h96", torch_file, "torch"), 9);
  check(check_folder<bibert, TestType>("bibert_h75", torch_file, "torch"), 9);
  check(check_folder<bibert, TestType>("bibert_h128", torch_file, "torch"), 9);
  check(check_folder<bit, TestType>("bit_h128", torch_file, "torch"), 9);
  check(check_folder<bibert_plus_one, TestType>("bibert_h75", plus_one_file, "plus-one"), 6);
  check(check_folder<bibert_plus_one, TestType>("bibert_h128", plus_one_file, "plus-one"), 6);
}

TEST_CASE("the recording of the other rule for zero is told apart", "[model][golden][mutant]") {
  using lowbit::policy::bibert;
  const auto found = check_folder<bibert, lowbit::scalar>("bibert_h75", plus_one_file, "torch");
  CHECK(found.difference != "");
}
