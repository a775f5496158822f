// SPDX-License-Identifier: Apache-2.0
// Random float models, calibrated on random sentences and converted to policy::ibert.
#pragma once

#include "lowbit/io/import_integer.hpp"
#include "lowbit/model/head/integer_sequence.hpp"
#include "random_model.hpp"

namespace lowbit_test {

struct integer_model {
  lowbit::model_shape shape;
  tensor_store floats;
  std::vector<sentence> sentences;  // the ones that calibrated it
  lowbit::canonical_model source, converted;

  integer_model(const lowbit::model_shape& extents, std::uint64_t seed, std::size_t count = 6)
      : shape(extents), floats(random_model<lowbit::policy::fp32>(extents, seed)) {
    soften();
    random_source random(seed + 1);
    for (std::size_t s = 0; s < count; ++s)
      sentences.push_back(random_sentence(shape, 1 + random.below(shape.positions), random));
    source.config.shape = shape;
    source.policy = "fp32";
    for (const lowbit::stored_tensor& t : floats.weights()) {
      std::vector<std::size_t> extent(t.shape, t.shape + t.rank);
      source.borrow(t.name, t.type, extent, {t.data, t.elements() * lowbit::size_of(t.type)});
    }
    auto result = lowbit::import_integer(source, ranges());
    INFO(result.status().message());
    REQUIRE(result.ok());
    converted = std::move(*result);
  }

  /// Random weights give scores tens of units wide: attention of near ties, in which any rounding
  /// decides. Trained ones are a few units wide, as these become.
  void soften() {
    for (std::size_t l = 0; l < shape.layers; ++l) {
      const std::string name =
          "bert.encoder.layer." + std::to_string(l) + ".attention.self.query.weight";
      std::vector<std::byte>& bytes = floats.bytes(name);
      for (std::size_t i = 0; i < bytes.size(); i += sizeof(float)) {
        float w;
        std::memcpy(&w, bytes.data() + i, sizeof w);
        w *= 0.25F;
        std::memcpy(bytes.data() + i, &w, sizeof w);
      }
    }
  }

  [[nodiscard]] lowbit::activation_ranges ranges() const {
    const loaded_model<lowbit::policy::fp32, lowbit::native> model(floats, shape);
    lowbit::activation_ranges found(shape.layers);
    lowbit::serial executor;
    for (std::size_t s = 0; s < sentences.size(); ++s) {
      const std::size_t order[] = {s};
      const packed_batch batch(sentences, order);
      static_cast<void>(
          run_model(model.model, batch.input(), executor, lowbit::range_observer(found)));
    }
    return found;
  }
};

/// A model in memory of exactly model_bytes(), ending at a guard page.
template <class Model>
struct loaded_weights {
  Model model;
  guarded<std::byte> memory;
  loaded_weights(const lowbit::weight_set& weights, const lowbit::model_shape& shape)
      : memory(Model::model_bytes(weights, shape), 0xFF) {
    lowbit::arena space(memory.data(), memory.size());
    const lowbit::status s = model.load(space, weights, shape);
    INFO(s.message());
    REQUIRE(s.ok());
    REQUIRE(space.used() == memory.size());
  }
};
template <class Arch>
using integer_classifier =
    lowbit::bert<lowbit::policy::ibert, lowbit::sequence_head<lowbit::policy::ibert, Arch>, Arch>;

}  // namespace lowbit_test
