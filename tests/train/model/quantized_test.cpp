// SPDX-License-Identifier: Apache-2.0
// Quantization-aware training: what is evaluated is what runs, activations are the runtime's,
// gradients are straight-through, and grids change when they should.
#include "lowbit/train/model/quantized.hpp"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <string>

#include "lowbit/nn/encoded.hpp"
#include "support/runtime.hpp"

using namespace lowbit::train;
using train_test::random_model;
using train_test::small_shape;

namespace {

std::shared_ptr<quantized_scheme> scheme_named(const char* policy) {
  return std::make_shared<quantized_scheme>(*lowbit::find_policy(policy));
}

}  // namespace

TEST_CASE("the packed folder gives the logits of libtorch's evaluation") {
  const train_test::scratch_folder s("quantized");
  const char* name = GENERATE("int8", "w4a8", "w4g32a8", "w2a8", "w1a8", "codebook8", "codebook16",
                              "mixed", "gobo3", "gobo4", "bf16", "f16");
  INFO(name);
  const auto how = scheme_named(name);
  bert model = random_model(small_shape(), how, 21);
  std::vector<lowbit::format_override> formats;
  if (how->name() == "mixed") formats = {{"layer.1.*dense", "sign"}, {"query", "int4"}};
  REQUIRE(how->bind(model, formats).ok());
  train_test::write_folder(s.path / "latent", model);
  const auto source = lowbit::open_model(s.path / "latent", {name, {}, formats});
  REQUIRE(source.ok());
  REQUIRE(
      lowbit::save_packed(*source, s.path / "packed", s.path / "latent", lowbit::existing::replace)
          .ok());
  const auto packed = lowbit::open_model(s.path / "packed");
  REQUIRE(packed.ok());
  const bool integers = lowbit::find_policy(name)->integers;
  const auto d = integers
                     ? train_test::compare_with_runtime<lowbit::policy::any_integer>(model, *packed)
                     : train_test::compare_with_runtime<lowbit::policy::any_float>(model, *packed);
  INFO("largest difference " << d.largest);
  // The hidden floats of the two differ in the last bits. About one activation in 10^5 then lies on
  // the other side of a rounding: one quantum, a few 1e-3 in a logit.
  CHECK(d.sentences <= (integers ? 2U : 0U));
  CHECK(d.largest < 0.05);

  // The latent weights themselves give other logits: the comparison can fail.
  bert floats(model.shape(), std::make_shared<float_scheme>());
  REQUIRE(load_parameters(s.path / "latent", floats.exported()).ok());
  if (how->name() != "f16") {
    const auto other =
        integers ? train_test::compare_with_runtime<lowbit::policy::any_integer>(floats, *packed)
                 : train_test::compare_with_runtime<lowbit::policy::any_float>(floats, *packed);
    CHECK(other.sentences >= 20);
  }
}

TEST_CASE("activations are the codes and scales of the runtime, bit for bit") {
  using format = lowbit::policy::int8::linear;
  torch::manual_seed(5);
  Tensor x = at::randn({6, 40}) * at::pow(10.0, at::arange(6).unsqueeze(1) - 3.0);
  x = x.to(at::kFloat).contiguous();
  x[2].fill_(0.0);
  x[3].fill_(0.0), x[3][1] = 127.0, x[3][2] = 0.5, x[3][3] = 1.5, x[3][4] = -2.5;  // halves
  const Tensor found = int8_per_token(x);
  lowbit::arena measure;
  lowbit::encoded_rows<format> rows;
  rows.plan(measure, 6, 40);
  const lowbit::aligned_buffer memory(measure.used());
  lowbit::arena space(memory.data(), memory.size());
  rows.plan(space, 6, 40);
  for (std::size_t r = 0; r < 6; ++r) {
    rows.encode<lowbit::native>(x.data_ptr<float>() + r * 40, r, {});
    const auto* codes = reinterpret_cast<const std::int8_t*>(rows.rows.row(r));
    for (std::size_t j = 0; j < 40; ++j) {
      INFO(r << ", " << j);
      CHECK(found.data_ptr<float>()[r * 40 + j] == static_cast<float>(codes[j]) * rows.scales[r]);
    }
  }
  CHECK(found[3][2].item<float>() == 0.0F);
  CHECK(found[3][3].item<float>() == 2.0F);
  CHECK(found[3][4].item<float>() == -2.0F);
}

TEST_CASE("gradients pass through the quantizers of weights and activations unchanged") {
  const auto how = scheme_named(GENERATE("int8", "w4a8", "w2a8", "w1a8", "codebook8", "gobo3"));
  INFO(how->name());
  bert model = random_model(small_shape(), how, 22);
  REQUIRE(how->bind(model).ok());
  Tensor weight;
  for (const auto& [name, p] : model.parameters()) {
    if (name == "bert.encoder.layer.0.intermediate.dense.weight") weight = p;
  }
  linear_part part{weight, at::zeros({80}).requires_grad_(true), {}};
  const forward_options step{.training = true};
  const Tensor x = (at::randn({5, 48}) * 2).requires_grad_(true);
  const Tensor read = how->input(part, lowbit::site::feed_forward_input, x, step);
  const Tensor y = how->multiply(part, lowbit::site::feed_forward_input, read, step);
  const Tensor dy = at::randn({5, 80});
  y.backward(dy);
  const Tensor w_hat = how->quantized(weight, true);
  // y = x_hat W_hat^T + b, and both estimates are the identity.
  CHECK(at::allclose(y, at::mm(read, w_hat.t()), 1e-4, 1e-5));
  CHECK(at::allclose(x.grad(), at::mm(dy, w_hat), 1e-4, 1e-5));
  CHECK(at::allclose(weight.grad(), at::mm(dy.t(), read.detach()), 1e-4, 1e-5));
  CHECK(!at::equal(w_hat, weight));
}

TEST_CASE("a row of the word table gets the gradient of the rows that were read of it") {
  const auto how = scheme_named(GENERATE("int8", "w4a8", "codebook8"));
  bert model = random_model(small_shape(), how, 23);
  REQUIRE(how->bind(model).ok());
  const Tensor table = model.parameters().front().second;
  const Tensor ids = torch::tensor(std::vector<std::int64_t>{7, 2, 7});
  const Tensor rows = how->embed(table, ids, {.training = true});
  CHECK(at::equal(rows, how->quantized(table, true).index_select(0, ids)));
  CHECK(at::equal(how->embed(table, ids, {}), how->quantized(table, false).index_select(0, ids)));
  const Tensor g = at::randn({3, 48});
  how->embed(table, ids, {.training = true}).backward(g);
  CHECK(at::allclose(table.grad()[7], g[0] + g[2]));
  CHECK(at::equal(table.grad()[2], g[1]));
  CHECK(table.grad().ne(0).any(1).sum().item<std::int64_t>() == 2);
}

TEST_CASE("a grid stays while weights change and is the codec's again after a refresh") {
  const auto how = scheme_named(GENERATE("w4a8", "codebook16", "gobo3"));
  INFO(how->name());
  bert model = random_model(small_shape(), how, 24);
  REQUIRE(how->bind(model).ok());
  const Tensor w = model.parameters()[5].second;
  REQUIRE(w.dim() == 2);
  const auto grids = how->grids();
  CHECK(grids.size() == 14);  // 2 layers of 6 matrices, pooler and word table
  const auto levels = [&] { return std::get<0>(at::_unique(how->quantized(w, true))); };
  CHECK(at::equal(how->quantized(w, true), how->quantized(w, false)));
  const Tensor before = levels(), first = how->quantized(w, false);
  {
    torch::NoGradGuard no_gradients;
    w.mul_(1.5);
  }
  CHECK(!at::equal(how->quantized(w, true), how->quantized(w, false)));
  CHECK(!at::equal(how->quantized(w, false), first));  // the cache sees the new version
  if (how->name() == "codebook16") CHECK(at::isin(levels(), before).all().item<bool>());
  how->refresh();
  CHECK(at::equal(how->quantized(w, true), how->quantized(w, false)));
}

TEST_CASE("policies and formats that cannot be trained are one message") {
  const auto refused = [](const char* policy, const std::vector<lowbit::format_override>& formats,
                          const char* text) {
    const auto how = scheme_named(policy);
    bert model = random_model(small_shape(), how, 25);
    const auto s = how->bind(model, formats);
    INFO(s.message());
    CHECK(!s.ok());
    CHECK(s.message().find(text) != std::string_view::npos);
  };
  refused("bibert", {}, "own recipe");
  refused("q8bert", {}, "own recipe");
  refused("pruned50", {}, "pruned50");
  refused("int8", {{"query", "gobo3"}}, "query.weight");  // needs float activations
  refused("int8", {{"query", "sparse_int8"}}, "sparse_int8");
  refused("int8", {{"nothing", "int4"}}, "matches no matrix");
  refused("codebook256", {{"word_embeddings", "int2"}}, "word_embeddings");
}
