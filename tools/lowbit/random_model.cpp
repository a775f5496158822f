// SPDX-License-Identifier: Apache-2.0
// A model of random canonical tensors, the names and shapes that an engine loads under a policy.
// Values have the spread of a trained BERT's, so activations stay in its range; what is computed
// takes the same time as with real weights.
#include <cstring>

#include "lowbit/policy/quantized.hpp"
#include "session.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::linear_layout;
using lowbit::model_shape;
using lowbit::result;
using lowbit::site;
using lowbit::status;
using lowbit::stored_type;
namespace activation = lowbit::activation;

namespace {

/// xorshift64* (Vigna, 2016): fast and the same on every machine.
class random_words {
 public:
  explicit random_words(std::uint64_t seed) : state_(seed * 2 + 1) {}  // the state must not be 0
  std::uint64_t operator()() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dULL;
  }

 private:
  std::uint64_t state_;
};

class random_tensors {
 public:
  /// format: of the matrices and the word table, where the policy leaves it to the file.
  random_tensors(lowbit::canonical_model& model, std::string_view format, std::uint64_t seed)
      : model_(model), format_(format), random_(seed) {}

  template <class Policy>
  status fill() {
    const model_shape& s = model_.config.shape;
    LOWBIT_TRY(matrix<typename Policy::embedding>("bert.embeddings.word_embeddings", s.vocabulary,
                                                  s.hidden));
    floats("bert.embeddings.position_embeddings.weight", {s.positions, s.hidden}, 0.0F, 0.04F);
    floats("bert.embeddings.token_type_embeddings.weight", {s.token_types, s.hidden}, 0.0F, 0.02F);
    for (const std::string& norm : lowbit::layer_norms(s)) {
      floats(norm + ".weight", {s.hidden}, 0.85F, 0.15F);
      floats(norm + ".bias", {s.hidden}, 0.0F, 0.1F);
    }
    for (const linear_layout& layer : lowbit::linear_layers(s))
      LOWBIT_TRY(any_linear<Policy>(layer));
    if constexpr (std::is_same_v<typename Policy::attention, lowbit::elastic_attention>) {
      for (std::size_t l = 0; l < s.layers; ++l) {
        const std::string self = "bert.encoder.layer." + std::to_string(l) + ".attention.self.";
        for (const char* part : {"query", "key", "value"})
          floats(self + part + ".output.scale", {1}, 0.5F, 0.05F);
        floats(self + "probability.scale", {1}, 0.02F, 0.002F);
      }
    }
    return {};
  }

 private:
  template <class Policy>
  status any_linear(const linear_layout& layer) {
    using formats = lowbit::site_formats<Policy>;
    switch (layer.at) {
      case site::projection:
        return linear<typename formats::projection>(layer);
      case site::attention_output:
        return linear<typename formats::attention_output>(layer);
      case site::feed_forward_input:
        return linear<typename formats::feed_forward_input>(layer);
      case site::feed_forward_output:
        return linear<typename formats::feed_forward_output>(layer);
      case site::pooler:
        return linear<typename formats::pooler>(layer);
      case site::classifier:
        return linear<lowbit::linear_format<lowbit::f32, activation::f32>>(layer);
    }
    return {};
  }

  template <class Format>
  status linear(const linear_layout& layer) {
    LOWBIT_TRY(matrix<typename Format::weights>(layer.name, layer.n, layer.k));
    floats(layer.name + ".bias", {layer.n}, 0.0F, 0.05F);
    if constexpr (std::is_same_v<typename Format::input, activation::elastic_sign> ||
                  std::is_same_v<typename Format::input, activation::elastic_bool>) {
      floats(layer.name + ".input.shift", {layer.k}, 0.0F, 0.1F);
      floats(layer.name + ".input.scale", {1}, 0.5F, 0.05F);
    }
    return {};
  }

  template <class Codec>
  status matrix(const std::string& name, std::size_t n, std::size_t k) {
    constexpr float spread = 0.07F;  // uniform: standard deviation 0.04, as in trained layers
    if constexpr (lowbit::is_sign<Codec>) {
      codes(name + ".weight.codes", n, k);
      floats(name + ".weight.scale", {Codec::scales(n, k)}, spread / 2, spread / 8);
    } else if constexpr (std::is_same_v<Codec, lowbit::f32>) {
      floats(name + ".weight", {n, k}, 0.0F, spread);
    } else {
      if (format_ == "f32") return matrix<lowbit::f32>(name, n, k);
      return encoded(name + ".weight", n, k, spread);
    }
    return {};
  }

  /// A matrix in the format of the policy: some rows are drawn and encoded, the others repeat their
  /// codes. Encoding all would take longer than what is measured.
  status encoded(const std::string& name, std::size_t n, std::size_t k, float spread) {
    constexpr std::size_t drawn = 64;
    const std::size_t rows = n < drawn ? n : drawn;
    std::vector<float> values(rows * k);
    for (float& v : values) v = spread * (static_cast<float>(random_() >> 40) / 8388608.0F - 1.0F);
    return lowbit::any_table::with(format_, [&]<class Codec>(std::type_identity<Codec>) -> status {
      auto matrix =
          lowbit::encode(Codec{}, lowbit::matrix_view<const float>{values.data(), rows, k, k});
      if (!matrix) return matrix.status().in(name);
      for (lowbit::encoded_tensor& t : matrix->tensors) {
        if (t.shape[0] == rows && rows < n) {
          const std::size_t row_bytes = t.bytes.size() / rows;
          t.bytes.resize(n * row_bytes);
          for (std::size_t at = rows * row_bytes; at < t.bytes.size(); ++at)
            t.bytes[at] = t.bytes[at - rows * row_bytes];
          t.shape[0] = n;
        }
        model_.own(name + t.suffix, t.type, t.shape, std::move(t.bytes));
      }
      const auto text = std::as_bytes(std::span(format_));
      model_.own(name + ".format", stored_type::u8, {text.size()}, {text.begin(), text.end()});
      return {};
    });
  }

  /// Uniform in [center - spread, center + spread).
  void floats(const std::string& name, std::vector<std::size_t> shape, float center, float spread) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    std::vector<std::byte> bytes(count * sizeof(float));
    const float unit = spread / 8388608.0F;  // 2^-23 of the spread: 24 random bits, signed
    for (std::size_t i = 0; i < count; i += 2) {
      const std::uint64_t r = random_();
      const float pair[2] = {
          center + unit * static_cast<float>(static_cast<std::int32_t>(r >> 40) - 8388608),
          center +
              unit * static_cast<float>(static_cast<std::int32_t>(r >> 8 & 0xffffff) - 8388608)};
      std::memcpy(bytes.data() + i * sizeof(float), pair, (count - i < 2 ? 1 : 2) * sizeof(float));
    }
    model_.own(name, stored_type::f32, std::move(shape), std::move(bytes));
  }

  void codes(const std::string& name, std::size_t n, std::size_t k) {
    const std::size_t row_bytes = lowbit::bytes_for(k);
    std::vector<std::byte> bytes(n * row_bytes);
    for (std::size_t i = 0; i < bytes.size(); i += sizeof(std::uint64_t)) {
      const std::uint64_t r = random_();
      const std::size_t left = bytes.size() - i;
      std::memcpy(bytes.data() + i, &r, left < sizeof r ? left : sizeof r);
    }
    if (k % 8 != 0) {
      const auto kept = static_cast<std::byte>((1U << (k % 8)) - 1U);
      for (std::size_t row = 0; row < n; ++row) bytes[(row + 1) * row_bytes - 1] &= kept;
    }
    model_.own(name, stored_type::u8, {n, row_bytes}, std::move(bytes));
  }

  lowbit::canonical_model& model_;
  std::string_view format_;
  random_words random_;
};

}  // namespace

result<lowbit::canonical_model> random_model(const model_shape& shape, const std::string& policy,
                                             const std::string& zero, std::uint64_t seed) {
  LOWBIT_TRY(shape.check());
  if (!zero.empty() && zero != "torch" && !(zero == "plus-one" && policy == "bibert")) {
    return status::error(errc::invalid_argument, "--zero is \"", zero, "\" with policy ", policy,
                         ", expected torch, or plus-one with bibert");
  }
  const auto named = lowbit::find_policy(policy);
  if (!named) return named.status();
  lowbit::canonical_model model;
  model.config.shape = shape;
  model.policy = named->name;
  model.zero = zero.empty() ? "torch" : zero;
  random_tensors tensors(model, named->format, seed);
  status filled;
  switch (named->family) {
    case lowbit::policy_family::floats:
      filled = tensors.fill<lowbit::policy::any_float>();
      break;
    case lowbit::policy_family::integers:
      filled = tensors.fill<lowbit::policy::any_integer>();
      break;
    case lowbit::policy_family::bibert:
      model.config.recognised = lowbit::scheme::bibert;
      filled = tensors.fill<lowbit::policy::bibert>();
      break;
    case lowbit::policy_family::static_integers:
    case lowbit::policy_family::integer_only:
    case lowbit::policy_family::quantized_bert:
      return lowbit::status::error(lowbit::errc::unsupported, "policy ", policy,
                                   " has no random models, expected a checkpoint");
    case lowbit::policy_family::bit:
      model.config.recognised = lowbit::scheme::bit;
      model.config.activation = lowbit::hidden_activation::relu;
      filled = tensors.fill<lowbit::policy::bit>();
      break;
  }
  if (!filled.ok()) return filled;
  return model;
}

}  // namespace lowbit_tool
