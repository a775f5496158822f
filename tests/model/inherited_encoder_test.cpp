// SPDX-License-Identifier: Apache-2.0
// A whole encoder on an arch that states a few odd tiles and inherits everything else: the logits
// have the bits of the scalar arch.
#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/odd_arch.hpp"
#include "../support/two_threads.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/policy/quantized.hpp"
#include "random_model.hpp"

namespace {

using namespace lowbit_test;

template <class Policy, class Arch>
std::vector<float> logits_of(const tensor_store& tensors, const packed_batch& batch) {
  const lowbit::model_shape shape = ragged_shape();
  const loaded_model<Policy, Arch> loaded(tensors, shape);
  two_threads executor;
  return run_model(loaded.model, batch.input(), executor);
}

template <class Policy, class Arch>
void check_logits(std::uint64_t seed) {
  const lowbit::model_shape shape = ragged_shape();
  const tensor_store tensors = random_model<Policy>(shape, seed);
  random_source random(seed + 1);
  const sentence sentences[] = {random_sentence(shape, 9, random),
                                random_sentence(shape, 1, random),
                                random_sentence(shape, 33, random)};
  const std::size_t order[] = {0, 1, 2};
  const packed_batch batch(sentences, order);
  const std::vector<float> expected = logits_of<Policy, lowbit::scalar>(tensors, batch);
  for (const float y : expected) CHECK(std::isfinite(y));
  INFO(Policy::name);
  CHECK(difference(logits_of<Policy, odd<Arch>>(tensors, batch), expected) == "");
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("an encoder on an inherited arch has the logits of every other",
                        "[model][inherited]", own_arch) {
  need_arch<TestType>();
  SECTION("fp32") { check_logits<lowbit::policy::fp32, TestType>(160); }
  SECTION("bibert") { check_logits<lowbit::policy::bibert, TestType>(162); }
  SECTION("int8") { check_logits<lowbit::policy::int8, TestType>(164); }
  SECTION("int4 in groups") { check_logits<lowbit::policy::w4g32a8, TestType>(166); }
}
