// SPDX-License-Identifier: Apache-2.0
// BiT, TernaryBERT and BinaryBERT after its split as their authors' PyTorch code computed them
// (tests/golden), through scheme_of, the folder reader and the trainer's encoder; and every
// hidden_act as Hugging Face's BertForMaskedLM computed it.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>

#include "lowbit/io/json.hpp"
#include "lowbit/train/model/folder.hpp"
#include "lowbit/train/model/schemes.hpp"
#include "support/scratch.hpp"

using namespace lowbit::train;
namespace fs = std::filesystem;

namespace {

Tensor rows_of(const nlohmann::json& rows) {
  const auto columns = static_cast<std::int64_t>(rows.at(0).size());
  std::vector<std::int64_t> all;
  for (const auto& row : rows) {
    for (const auto& value : row) all.push_back(value.get<std::int64_t>());
  }
  return at::tensor(all, at::kLong).view({-1, columns});
}

/// inputs.json
batch inputs_of(const fs::path& folder) {
  const nlohmann::json json = lowbit::read_json(folder / "inputs.json").value();
  batch in;
  in.ids = rows_of(json.at("input_ids"));
  in.types = rows_of(json.at("token_type_ids"));
  in.mask = rows_of(json.at("attention_mask")).to(at::kFloat);
  in.labels = at::zeros({in.ids.size(0)}, at::kLong);
  return in;
}

/// The largest |found - expected| of a recorded tensor; of scores, only where no key is masked.
double farthest_from_recorded(const lowbit::safetensors_file& file, const std::string& name,
                              const Tensor& found) {
  const lowbit::tensor_view* recorded = file.find(name);
  REQUIRE(recorded != nullptr);
  Tensor expected = at::empty_like(found);
  REQUIRE(copy_into(*recorded, expected).ok());
  const Tensor difference = (found - expected).abs();
  return difference.masked_fill(expected.lt(-100.0), 0.0).max().item<double>();
}

void check(const std::string& model_name, const std::string& scheme_name, double bound) {
  const fs::path folder = fs::path(LOWBIT_TEST_DATA) / model_name;
  const auto config = load_training_config(folder);
  REQUIRE(config.ok());
  const auto how = scheme_of(*config, folder);
  REQUIRE(how.ok());
  CHECK((*how)->name() == scheme_name);
  bert model(config->shape, *how);
  const lowbit::status loaded = load_parameters(folder, model.exported());
  INFO(loaded.message());
  REQUIRE(loaded.ok());

  torch::NoGradGuard no_gradients;
  const trace out = model.forward(inputs_of(folder), {});
  const auto file = lowbit::safetensors_file::open(folder / "expected.safetensors").value();
  const auto near = [&](const std::string& name, const Tensor& found) {
    const double difference = farthest_from_recorded(file, name, found);
    INFO(name << ' ' << difference);
    CHECK(difference <= bound);
  };
  near("logits", out.logits);
  for (std::size_t l = 0; l < out.hidden.size(); ++l) {
    near("hidden." + std::to_string(l), out.hidden[l]);
  }
  for (std::size_t l = 0; l < out.attention.size(); ++l) {
    near("attention_scores." + std::to_string(l), out.attention[l].scores);
  }
}

}  // namespace

TEST_CASE("BiT in libtorch gives the recorded tensors", "[golden]") {
  check("bit_h128", "bit", 1e-4);
}

TEST_CASE("TernaryBERT W2A8 in libtorch gives the recorded tensors", "[golden]") {
  check("ternarybert_w2a8_h96", "ternarybert_w2a8", 1e-2);
}

TEST_CASE("BinaryBERT W1A4 after its split in libtorch gives the recorded tensors", "[golden]") {
  check("binarybert_split_w1a4", "binarybert_split_w1a4", 1e-2);
}

TEST_CASE("every hidden_act in libtorch gives Hugging Face's masked-LM logits", "[golden]") {
  const fs::path golden = LOWBIT_TEST_DATA;
  const auto file =
      lowbit::safetensors_file::open(golden / "hidden_act_logits.safetensors").value();
  const train_test::scratch_folder scratch("hidden-act");
  fs::copy(golden / "hidden_act.safetensors", scratch.path / "model.safetensors");
  batch in;
  in.ids =
      at::tensor(lowbit::read_f32(*file.find("input_ids")).value()).to(at::kLong).view({1, -1});
  in.mask = at::ones_like(in.ids).to(at::kFloat);
  in.labels = at::zeros_like(in.ids);  // all tokens

  torch::NoGradGuard no_gradients;
  std::size_t compared = 0;
  for (const lowbit::tensor_view& t : file.tensors()) {
    if (t.name == "input_ids") continue;
    INFO(t.name);
    nlohmann::json fields = lowbit::read_json(golden / "hidden_act.json").value();
    fields["hidden_act"] = std::string(t.name);
    scratch.write("config.json", fields.dump());
    auto config = load_training_config(scratch.path);
    INFO(config.status().message());
    REQUIRE(config.ok());
    config->shape.head = lowbit::head_kind::masked_lm;
    bert model(config->shape, scheme_of(*config, scratch.path).value());
    REQUIRE(load_parameters(scratch.path, model.exported()).ok());
    const Tensor logits = model.forward(in, {}).logits;
    CHECK(farthest_from_recorded(file, std::string(t.name), logits) <= 1e-4);
    ++compared;
  }
  CHECK(compared == 11);
}

TEST_CASE("a scheme with an activation function of its own refuses models with another") {
  const train_test::scratch_folder scratch("own-act");
  nlohmann::json fields =
      lowbit::read_json(fs::path(LOWBIT_TEST_DATA) / "bibert_h75" / "config.json").value();
  for (const char* act : {"relu", "silu"}) {
    fields["hidden_act"] = act;
    scratch.write("config.json", fields.dump());
    const auto config = load_training_config(scratch.path);
    REQUIRE(config.ok());
    const auto how = scheme_of(*config, scratch.path);
    CHECK(train_test::mentions(
        how.status(), std::string("hidden_act is ") + act + ", expected gelu in a bibert model"));
  }
}
