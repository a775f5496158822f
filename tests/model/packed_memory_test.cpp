// SPDX-License-Identifier: Apache-2.0
// A model of codes takes the memory of its codes, and gives the bits of the model that holds the
// decoded floats.
#include <catch2/catch_test_macros.hpp>

#include "lowbit/io/model_layout.hpp"
#include "lowbit/policy/quantized.hpp"
#include "random_model.hpp"

namespace {

using namespace lowbit_test;
namespace policy = lowbit::policy;
using gobo = lowbit::gobo<3>;
using arch = lowbit::native;

/// Weights of uniform distribution have no outliers: every 397th becomes one, exact and far away.
void add_outliers(tensor_store& tensors, const std::string& matrix, std::size_t count) {
  std::vector<float> values;
  std::vector<std::byte> index;
  for (std::size_t at = 5; at < count; at += 397) {
    const auto position = static_cast<std::int32_t>(at);
    const auto bytes = std::as_bytes(std::span(&position, 1));
    index.insert(index.end(), bytes.begin(), bytes.end());
    values.push_back(at % 2 == 0 ? 1.7F : -2.3F);
  }
  tensors.remove(matrix + ".outliers.index");
  tensors.remove(matrix + ".outliers.value");
  tensors.add(matrix + ".outliers.index", {values.size()}, lowbit::element_type::i32,
              std::move(index));
  tensors.add(matrix + ".outliers.value", {values.size()}, values);
}

template <class Policy>
std::vector<float> logits_of(const tensor_store& tensors, const lowbit::model_shape& shape) {
  random_source random(3302);
  const std::vector<sentence> sentences{random_sentence(shape, 7, random),
                                        random_sentence(shape, 66, random)};
  const std::size_t all[] = {0, 1};
  const packed_batch batch(sentences, all);
  const loaded_model<Policy, arch> loaded(tensors, shape);
  lowbit::serial serial;
  return run_model(loaded.model, batch.input(), serial);
}

template <class Policy>
double model_bytes(const tensor_store& tensors, const lowbit::model_shape& shape) {
  return static_cast<double>(
      lowbit::classifier<Policy, arch>::model_bytes(tensors.weights(), shape));
}

}  // namespace

TEST_CASE("a gobo model stays packed in memory and gives the bits of the expanded one", "[model]") {
  lowbit::model_shape shape = ragged_shape();
  shape.hidden = 192;  // whole tiles: nothing is added but tables and indices
  shape.intermediate = 384;
  tensor_store packed = random_model<policy::gobo<3>>(shape, 3300);
  tensor_store expanded = random_model<policy::fp32>(shape, 3301);
  for (const lowbit::stored_tensor& t : packed.weights()) {  // what both have is the same
    if (expanded.weights().find(t.name) == nullptr) continue;
    auto& bytes = expanded.bytes(t.name);
    std::memcpy(bytes.data(), t.data, bytes.size());
  }
  const auto expand = [&](const std::string& matrix, std::size_t n, std::size_t k) {
    gobo::reader reader;
    REQUIRE(reader.open(packed.weights(), lowbit::tensor_name(matrix.c_str()), n, k).ok());
    std::vector<float> floats(n * k);
    for (std::size_t r = 0; r < n; ++r) reader.floats(r, floats.data() + r * k);
    auto& bytes = expanded.bytes(matrix);
    REQUIRE(bytes.size() == n * k * sizeof(float));
    std::memcpy(bytes.data(), floats.data(), bytes.size());
    return reader.outliers();
  };
  std::size_t codes = 0;
  std::size_t floats = 0;
  for (const lowbit::linear_layout& l : lowbit::linear_layers(shape)) {
    if (l.at == lowbit::site::classifier) continue;
    add_outliers(packed, l.name + ".weight", l.n * l.k);
    const std::size_t outliers = expand(l.name + ".weight", l.n, l.k);
    REQUIRE(outliers > 0);
    codes += l.n * gobo::row_bytes(l.k) + outliers * 8;
    floats += l.n * l.k * sizeof(float);
  }
  expand("bert.embeddings.word_embeddings.weight", shape.vocabulary, shape.hidden);

  CHECK(logits_of<policy::gobo<3>>(packed, shape) == logits_of<policy::fp32>(expanded, shape));

  // What is no matrix takes the same in both.
  const double others = model_bytes<policy::fp32>(expanded, shape) - static_cast<double>(floats);
  const double matrices = model_bytes<policy::gobo<3>>(packed, shape) - others;
  INFO(matrices << " bytes in memory, " << codes << " stored, " << floats << " expanded");
  CHECK(others > 0);
  CHECK(matrices < 1.05 * static_cast<double>(codes));
}

TEST_CASE("layers that share weights are packed once and give the bits of copies", "[model]") {
  const lowbit::model_shape separate = ragged_shape();
  lowbit::model_shape shared = separate;
  shared.shared_layers = true;
  tensor_store tensors = random_model<policy::fp32>(separate, 3304);
  const std::string first = lowbit::layer_text(0), second = lowbit::layer_text(1);
  std::vector<std::string> names;
  for (const lowbit::stored_tensor& t : tensors.weights()) {
    if (std::string_view(t.name).starts_with(first)) names.emplace_back(t.name);
  }
  for (const std::string& name : names) {
    const lowbit::stored_tensor t = tensors.descriptor(name);
    std::vector<float> values;
    for (std::size_t i = 0; i < t.elements(); ++i) values.push_back(t.at(i));
    const std::string copy = second + name.substr(first.size());
    tensors.remove(copy);
    tensors.add(copy, std::vector<std::size_t>(t.shape, t.shape + t.rank), values);
  }
  CHECK(logits_of<policy::fp32>(tensors, shared) == logits_of<policy::fp32>(tensors, separate));
  CHECK(model_bytes<policy::fp32>(tensors, shared) <
        0.6 * model_bytes<policy::fp32>(tensors, separate));
}
