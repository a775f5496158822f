// SPDX-License-Identifier: Apache-2.0
// A model of random canonical tensors with the names and shapes that an engine loads under a
// policy. Values have the spread of a trained BERT's, so activations stay in the usual range and
// runs take the same time as with real weights.
#include <algorithm>

#include "lowbit/io/import_integer.hpp"
#include "lowbit/io/import_named.hpp"
#include "lowbit/io/import_static.hpp"
#include "random_values.hpp"
#include "session.hpp"

namespace lowbit_tool {

using lowbit::element_type;
using lowbit::errc;
using lowbit::linear_layout;
using lowbit::model_part;
using lowbit::model_shape;
using lowbit::part_text;
using lowbit::result;
using lowbit::site;
using lowbit::status;
namespace activation = lowbit::activation;

namespace {

class random_tensors {
 public:
  /// format: for the matrices and the word embeddings, if the policy leaves it to the file.
  random_tensors(lowbit::canonical_model& model, std::string_view format, std::uint64_t seed)
      : model_(model), format_(format), random_(seed) {}

  template <class Policy>
  status fill() {
    const model_shape& s = model_.config.shape;
    LOWBIT_TRY(matrix<typename Policy::embedding>(part_text(model_part::word_embeddings),
                                                  s.vocabulary, s.embedding_width()));
    for (const lowbit::table_layout& t : lowbit::small_tables(s)) {
      floats(part_text(t.part, 0, ".weight"), {t.rows, t.cols}, 0.0F,
             t.part == model_part::position_embeddings ? 0.04F : 0.02F);
    }
    for (const lowbit::norm_layout& norm : lowbit::layer_norms(s)) {
      floats(norm.name + ".weight", {norm.width}, 0.85F, 0.15F);
      floats(norm.name + ".bias", {norm.width}, 0.0F, 0.1F);
    }
    for (const linear_layout& layer : lowbit::linear_layers(s)) {
      if (!lowbit::is_split<Policy> || layer.at == site::classifier) {
        LOWBIT_TRY(any_linear<Policy>(layer));
        continue;
      }
      for (const char* half : {"_1", "_2"}) {
        linear_layout one = layer;
        one.name += half;
        LOWBIT_TRY(any_linear<Policy>(one));
      }
    }
    if (s.head == lowbit::head_kind::masked_lm)
      floats(part_text(model_part::masked_lm, 0, ".bias"), {s.vocabulary}, 0.0F, 0.05F);
    if constexpr (lowbit::whole_batch_ranges<Policy>) {
      for (std::size_t l = 0; l < s.stored_layers(); ++l) {
        const std::string self = part_text(model_part::attention, l, ".");
        for (const char* part : {"query", "key", "value"})
          range<typename Policy::attention::projected>(self + part + ".output", 0.5F);
        range<typename Policy::attention::probability>(self + "probability", 0.02F);
      }
    }
    if constexpr (std::is_same_v<typename Policy::attention, lowbit::elastic_attention>) {
      for (std::size_t l = 0; l < s.stored_layers(); ++l) {
        const std::string self = part_text(model_part::attention, l, ".");
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
    if constexpr (lowbit::has_batch_range<typename Format::input>)
      range<typename Format::input>(layer.name + ".input", 0.5F);
    if constexpr (std::is_same_v<typename Format::input, activation::elastic_sign> ||
                  std::is_same_v<typename Format::input, activation::elastic_bool>) {
      floats(layer.name + ".input.shift", {layer.k}, 0.0F, 0.1F);
      floats(layer.name + ".input.scale", {1}, 0.5F, 0.05F);
    }
    return {};
  }

  template <class Codec>
  status matrix(const std::string& name, std::size_t n, std::size_t k) {
    if constexpr (lowbit::is_sign<Codec>) {
      model_.own(name + ".weight.codes", element_type::u8, {n, lowbit::bytes_for(k)},
                 random_.codes(n, k));
      floats(name + ".weight.scale", {Codec::scales(n, k)}, spread / 2, spread / 8);
      return {};
    } else if constexpr (std::is_same_v<Codec, lowbit::sign_pair<lowbit::scale::row>>) {
      LOWBIT_TRY(matrix<typename Codec::half>(name + "_1", n, k));
      return matrix<typename Codec::half>(name + "_2", n, k);
    } else if constexpr (std::is_same_v<Codec, lowbit::f32>) {
      floats(name + ".weight", {n, k}, 0.0F, spread);
      return {};
    } else if constexpr (requires { typename Codec::codecs; }) {
      return named_matrix(name, n, k);
    } else {
      return codec_matrix<Codec>(name, n, k);
    }
  }

  /// A matrix whose format is named in the file.
  status named_matrix(const std::string& name, std::size_t n, std::size_t k) {
    const bool table = name == part_text(model_part::word_embeddings);
    const unsigned percent = lowbit::pruned_percent(format_);
    // "sparse" keeps the zeros of a checkpoint; a random one has none.
    const bool sparse_format = percent != 0 || format_ == lowbit::format_name<lowbit::sparse<>>;
    if (format_ == "f32" || (table && sparse_format)) return matrix<lowbit::f32>(name, n, k);
    if (sparse_format) {
      auto rows = random_.weights(std::min(n, most_drawn) * k);
      LOWBIT_TRY_ASSIGN(auto kept, lowbit::prune_magnitude({rows.data(), rows.size() / k, k, k},
                                                           percent / 100.0));
      std::vector<float> all(n * k);
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = kept[i % kept.size()];
      LOWBIT_TRY_ASSIGN(auto sparse, lowbit::encode(lowbit::sparse<>{}, {all.data(), n, k, k}));
      own(name, std::move(sparse));
      return own_format(name, lowbit::format_name<lowbit::sparse<>>);
    }
    return lowbit::any_table::with(format_, [&]<class Codec>(std::type_identity<Codec>) -> status {
      LOWBIT_TRY(codec_matrix<Codec>(name, n, k));
      return own_format(name, format_);
    });
  }

  /// A matrix in Codec: a few rows are drawn and encoded, the others repeat their codes. Encoding
  /// all of them would take longer than the measurement.
  template <class Codec>
  status codec_matrix(const std::string& name, std::size_t n, std::size_t k) {
    const std::vector<float> values = random_.weights(std::min(n, most_drawn) * k);
    const std::size_t rows = values.size() / k;
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
    }
    own(name, *std::move(matrix));
    return {};
  }

  void own(const std::string& name, lowbit::encoded_matrix matrix) {
    for (lowbit::encoded_tensor& t : matrix.tensors)
      model_.own(name + ".weight" + t.suffix, t.type, t.shape, std::move(t.bytes));
  }
  status own_format(const std::string& name, std::string_view format) {
    const auto text = std::as_bytes(std::span(format));
    model_.own(name + ".weight.format", element_type::u8, {text.size()},
               {text.begin(), text.end()});
    return {};
  }

  /// The learned parameter of an activation site: a clipping range or a step size.
  template <class Activation>
  void range(const std::string& name, float step) {
    if constexpr (Activation::dynamic_step) {
      const float clip[] = {-2.5F, 2.5F};
      model_.own(name + ".clip", {2}, clip);
    } else {
      floats(name + ".scale", {1}, step, step / 10);
    }
  }

  /// Uniform in [center - spread, center + spread).
  void floats(const std::string& name, std::vector<std::size_t> shape, float center, float spread) {
    std::size_t count = 1;
    for (const std::size_t extent : shape) count *= extent;
    model_.own(name, element_type::f32, std::move(shape), random_.floats(count, center, spread));
  }

  static constexpr float spread = random_values::spread;
  static constexpr std::size_t most_drawn = 64;  // rows drawn per matrix, the others repeat them

  lowbit::canonical_model& model_;
  std::string_view format_;
  random_values random_;
};

/// A calibrated random float model; the ranges roughly match its activations.
result<lowbit::canonical_model> calibrated(const model_shape& shape, std::string_view policy,
                                           std::uint64_t seed) {
  auto floats = random_model(shape, "fp32", "", seed);
  if (!floats) return floats;
  constexpr float widest = 6.0F;
  lowbit::activation_ranges ranges(shape.layers);
  for (float& range : ranges.hidden) range = widest;
  for (auto& layer : ranges.layers) layer.fill(widest);
  return policy == lowbit::policy::ibert::name ? lowbit::import_integer(*floats, ranges)
                                               : lowbit::import_static(*floats, ranges);
}

}  // namespace

result<lowbit::canonical_model> random_model(const model_shape& shape, const std::string& policy,
                                             const std::string& zero, std::uint64_t seed) {
  LOWBIT_TRY(shape.check());
  if (!zero.empty() && !lowbit::has_zero(policy, zero)) {
    return status::error(errc::invalid_argument, "--zero is \"", zero, "\" with policy ", policy,
                         ", expected torch, or plus-one with ",
                         lowbit::policies_with_zero("plus-one"));
  }
  LOWBIT_TRY_ASSIGN(const auto named, lowbit::find_policy(policy, zero.empty() ? "torch" : zero));
  if (named.ranges) return calibrated(shape, named.name, seed);
  lowbit::canonical_model model;
  model.config.shape = shape;
  model.policy = named.name;
  model.zero = named.zero;
  for (const auto s : {lowbit::scheme::bibert, lowbit::scheme::bit, lowbit::scheme::ternarybert,
                       lowbit::scheme::binarybert}) {
    if (lowbit::scheme_name(s) == named.scheme) model.config.recognised = s;
  }
  random_tensors tensors(model, named.format, seed);
  const status filled = lowbit::with_encoder<lowbit::program_policies>(
      named.encoder, [&]<class Policy>(std::type_identity<Policy>) -> status {
        if constexpr (lowbit::has_stored_ranges<Policy>) {
          return status::error(errc::unsupported, "policy ", named.name, " needs ranges");
        } else {
          model.config.shape.hidden_act = lowbit::usual_act<Policy>;
          return tensors.fill<Policy>();
        }
      });
  if (!filled.ok()) return filled;
  return model;
}

}  // namespace lowbit_tool
