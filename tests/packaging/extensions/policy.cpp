// SPDX-License-Identifier: Apache-2.0
// Policy toy by name: it encodes a float model, and the encoder of its row runs that. It is w4a8
// with another word table, so w4a8 with that table has its logits, and plain w4a8 has not.
#include "lowbit/io/encode_model.hpp"
#include "lowbit/model/classifier.hpp"
#include "toy_model.hpp"

using namespace toy_test;

constexpr bool is_listed() {
  for (const lowbit::named_policy& p : lowbit::named_policies) {
    if (p.name == "toy") return true;
  }
  return false;
}
static_assert(is_listed(), "policy toy is not among those with a name");

template <class... Encoders>
constexpr bool is_any_integer(std::size_t encoder, lowbit::encoder_list<Encoders...>) {
  constexpr bool is[] = {std::is_same_v<Encoders, lowbit::policy::any_integer>...};
  return is[encoder];
}

int main() {
  const auto toy = lowbit::find_policy("toy");
  need(toy.status());
  TOY_CHECK(toy->name == "toy" && toy->scheme == "fp32" && toy->integers && !toy->own_training);
  TOY_CHECK(toy->format == "int4" && toy->table == "int8");
  TOY_CHECK(is_any_integer(toy->encoder, lowbit::encoders_of<lowbit::program_policies>{}));
  const auto unknown = lowbit::find_policy("toys");
  TOY_CHECK(std::string_view(unknown.status().message()).find(" toy, ") != std::string_view::npos);

  const lowbit_test::tensor_store floats = float_model();
  lowbit::canonical_model source;
  source.config.shape = shape();
  for (const lowbit::stored_tensor& t : floats.weights())
    source.borrow(t.name, t.type, {t.shape, t.shape + t.rank}, {t.data, t.bytes()});
  const auto run = [&](const lowbit::named_policy& p,
                       const std::vector<lowbit::format_override>& overrides = {}) {
    const auto encoded = lowbit::encode_model(source, p, overrides);
    need(encoded.status());
    TOY_CHECK(encoded->policy == p.name);
    return logits_of<lowbit::classifier<lowbit::policy::any_integer, lowbit::scalar>>(
        encoded->weights(), shape());
  };
  const auto w4a8 = lowbit::find_policy("w4a8");
  need(w4a8.status());
  const std::vector<float> logits = run(*toy);
  TOY_CHECK(logits == run(*w4a8, {{"word_embeddings", "int8"}}));
  TOY_CHECK(logits != run(*w4a8));
}
