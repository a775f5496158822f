// SPDX-License-Identifier: Apache-2.0
// Codec toy by name: --format gives it to matrices of a model, the report says so, readers and
// layers find it in the file, and it multiplies as the f32 matrix that it stands for.
#include "lowbit/io/encode_model.hpp"
#include "lowbit/nn/encoded.hpp"
#include "toy_model.hpp"

using namespace toy_test;

constexpr const char* dense = "bert.encoder.layer.0.intermediate.dense";
constexpr const char* words = "bert.embeddings.word_embeddings.weight";

/// Multiples of 2^-9 up to 127 of them, the largest among them: what the codec keeps exactly.
std::vector<float> kept_exactly(std::size_t count, std::uint64_t seed) {
  lowbit_test::random_source random(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(static_cast<int>(random.below(255)) - 127) / 512;
  values[count / 2] = -127.0F / 512;
  return values;
}

/// Rows 0 .. n - 1 of a stored matrix, read by a codec that the file names.
template <class Codec>
std::vector<float> decoded(const lowbit::weight_set& weights, const char* name, std::size_t n,
                           std::size_t k) {
  typename Codec::reader reader;
  need(reader.open(weights, lowbit::tensor_name(name), n, k));
  std::vector<float> out(n * k);
  for (std::size_t r = 0; r < n; ++r) reader.floats(r, &out[r * k]);
  return out;
}

/// x (3, K) times the layer `dense`.
template <class Format, class Arch>
std::vector<float> product(const lowbit::weight_set& weights, const std::vector<float>& x) {
  const std::size_t n = shape().intermediate, k = shape().hidden;
  lowbit::linear<Format, Arch> layer;
  lowbit::encoded_rows<Format> rows;
  const auto plan = [&](lowbit::arena& arena) {
    need(layer.load(arena, weights, lowbit::tensor_name(dense), n, k));
    rows.plan(arena, 3, k);
  };
  lowbit::arena measure;
  plan(measure);
  const memory space(measure.used());
  lowbit::arena arena(space.data(), measure.used());
  plan(arena);
  for (std::size_t r = 0; r < 3; ++r)
    TOY_CHECK(rows.template encode<Arch>(&x[r * k], r, layer.input()));
  const std::size_t stride = lowbit::float_stride(n);
  std::vector<float> out(3 * stride);
  lowbit::serial executor;
  layer.run(rows.first(3),
            layer.to_output(rows.scales) |
                lowbit::store{lowbit::matrix_view<float>{out.data(), 3, n, stride}},
            executor);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i % stride < n ? out[i] : 0.0F;
  return out;
}

template <class Arch>
void check_product(const lowbit::weight_set& encoded, const lowbit::weight_set& floats) {
  // Integers up to 127 in every row: int8 with a scale of 1 per token.
  lowbit_test::random_source random(9);
  std::vector<float> x(3 * shape().hidden);
  for (float& v : x) v = static_cast<float>(static_cast<int>(random.below(255)) - 127);
  for (std::size_t r = 0; r < 3; ++r) x[r * shape().hidden + r] = 127.0F;
  using by_name = lowbit::linear_format<lowbit::any_integer, lowbit::activation::int8_per_token>;
  using plain = lowbit::policy::fp32::linear;
  TOY_CHECK((product<by_name, Arch>(encoded, x) == product<plain, Arch>(floats, x)));
}

int main() {
  const lowbit::model_shape s = shape();
  const std::size_t n = s.intermediate, k = s.hidden;
  lowbit_test::tensor_store floats = float_model();
  const std::string weight = std::string(dense) + ".weight";
  const std::vector<float> matrix = kept_exactly(n * k, 1), table = kept_exactly(31 * k, 2);
  std::memcpy(floats.bytes(weight).data(), matrix.data(), floats.bytes(weight).size());
  std::memcpy(floats.bytes(words).data(), table.data(), floats.bytes(words).size());
  lowbit::canonical_model source;
  source.config.shape = s;
  for (const lowbit::stored_tensor& t : floats.weights())
    source.borrow(t.name, t.type, {t.shape, t.shape + t.rank}, {t.data, t.bytes()});

  const auto int8 = lowbit::find_policy("int8");
  need(int8.status());
  const auto model =
      lowbit::encode_model(source, *int8, {{"intermediate", "toy"}, {"word_embeddings", "toy"}});
  need(model.status());
  std::size_t reported = 0;
  for (const lowbit::tensor_report& t : model->report) reported += t.format == "toy" ? 1 : 0;
  TOY_CHECK(reported == 2);
  TOY_CHECK(decoded<lowbit::any_integer>(model->weights(), weight.c_str(), n, k) == matrix);
  TOY_CHECK(decoded<lowbit::any_table>(model->weights(), words, s.vocabulary, k) == table);
  check_product<lowbit::scalar>(model->weights(), floats.weights());
  check_product<lowbit::native>(model->weights(), floats.weights());

  const auto unknown = lowbit::encode_model(source, *int8, {{"intermediate", "toys"}});
  TOY_CHECK(std::string_view(unknown.status().message()).find(" toy,") != std::string_view::npos);
}
