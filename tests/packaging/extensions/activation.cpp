// SPDX-License-Identifier: Apache-2.0
// Activation function toy by name: config.json gives it, policies that take the model's function
// run it, its values are softsign's, and policies that have another one refuse it.
#include "lowbit/io/config.hpp"
#include "lowbit/io/import_integer.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/nn/integer/integer_layer.hpp"
#include "toy_model.hpp"

using namespace toy_test;
using lowbit::activation_function;

/// The same function, written by its type.
struct softsign : lowbit::policy::fp32 {
  using hidden_act = lowbit::toy;
};

lowbit::result<lowbit::model_config> config_with(const char* hidden_act) {
  return lowbit::parse_config({{"model_type", "bert"},
                               {"num_hidden_layers", 1},
                               {"hidden_size", 45},
                               {"num_attention_heads", 3},
                               {"intermediate_size", 83},
                               {"vocab_size", 31},
                               {"max_position_embeddings", 16},
                               {"num_labels", 3},
                               {"hidden_act", hidden_act}},
                              "config.json");
}

int main() {
  const auto config = config_with("toy");
  need(config.status());
  const activation_function named = config->shape.hidden_act;
  TOY_CHECK(std::string_view(lowbit::name_of(named)) == "toy");
  TOY_CHECK(config_with("relu")->shape.hidden_act == activation_function::relu);
  const auto unknown = config_with("toys");
  TOY_CHECK(std::string_view(unknown.status().message()).find(", toy") != std::string_view::npos);

  lowbit::with_activation<lowbit::any_activation>(
      named, []<class Activation>(std::type_identity<Activation>) {
        using lanes = lowbit::f32x16<lowbit::native>;
        for (int i = -400; i <= 400; ++i) {
          const float x = static_cast<float>(i) / 16;
          float y[lowbit::virtual_lanes];
          Activation::apply(lanes::broadcast(x)).store(y);
          const double exact = static_cast<double>(x) / (1.0 + std::fabs(static_cast<double>(x)));
          TOY_CHECK(std::fabs(static_cast<double>(y[15]) - exact) <= 1.2e-7 * std::fabs(exact));
        }
      });

  const lowbit_test::tensor_store floats = float_model();
  const auto logits = [&]<class Policy>(Policy, activation_function f) {
    lowbit::model_shape s = config->shape;
    s.hidden_act = f;
    return logits_of<lowbit::classifier<Policy, lowbit::scalar>>(floats.weights(), s);
  };
  const std::vector<float> by_name = logits(lowbit::policy::fp32{}, named);
  TOY_CHECK(by_name == logits(softsign{}, named));
  TOY_CHECK(by_name != logits(lowbit::policy::fp32{}, activation_function::gelu));
  TOY_CHECK(by_name != logits(lowbit::policy::fp32{}, activation_function::relu));

  TOY_CHECK(lowbit::computes_activation<lowbit::any_activation>(named));
  TOY_CHECK(!lowbit::computes_activation<lowbit::gelu_erf>(named));
  TOY_CHECK(!lowbit::computes_activation<lowbit::toy>(activation_function::gelu));

  // I-BERT has no integer form of it.
  const auto is_refused = [](const lowbit::status& s) {
    return s.message() == "policy ibert needs hidden_act gelu or relu, found toy";
  };
  lowbit::canonical_model model;
  model.config = *config;
  TOY_CHECK(is_refused(lowbit::import_integer(model, lowbit::activation_ranges(1)).status()));
  lowbit::integer_layer<lowbit::policy::ibert, lowbit::scalar> layer;
  lowbit::arena measure;
  TOY_CHECK(is_refused(layer.load(measure, {}, 0, config->shape)));
}
