// SPDX-License-Identifier: Apache-2.0
// Pins the product, the bits and the formats that each named policy implies, and that one line of
// an own policy changes one site.
#include "lowbit/policy/per_layer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string_view>

namespace {

using namespace lowbit;

template <class Policy, class Projection, class AttentionOutput, class FeedForwardInput,
          class FeedForwardOutput, class Pooler>
constexpr bool products() {
  using f = site_formats<Policy>;
  return std::is_same_v<typename f::projection::op, Projection> &&
         std::is_same_v<typename f::attention_output::op, AttentionOutput> &&
         std::is_same_v<typename f::feed_forward_input::op, FeedForwardInput> &&
         std::is_same_v<typename f::feed_forward_output::op, FeedForwardOutput> &&
         std::is_same_v<typename f::pooler::op, Pooler>;
}

using b1s = xor_popcount;
static_assert(products<policy::fp32, mul_add, mul_add, mul_add, mul_add, mul_add>());
static_assert(products<policy::bibert, b1s, ternary_popcount, b1s, b1s, b1s>());
static_assert(products<policy::bibert_plus_one, b1s, b1s, b1s, b1s, b1s>());
static_assert(products<policy::bit, b1s, b1s, b1s, and_popcount, b1s>());

static_assert(std::is_same_v<policy::fp32::hidden_act, any_activation>);
static_assert(std::is_same_v<policy::bit::hidden_act, relu>);
static_assert(computes_activation<any_activation>(activation_function::relu));
static_assert(!computes_activation<relu>(activation_function::gelu));
/// No config names it: it stands for the function of any.
static_assert(computes_activation<tanh_activation>(activation_function::gelu));
static_assert(named_activation<relu> && !named_activation<tanh_activation> &&
              !named_activation<any_activation>);
static_assert(std::is_same_v<policy::bibert::zero, zero_is_zero>);
static_assert(std::is_same_v<policy::bibert_plus_one::zero, zero_is_plus_one>);
static_assert(std::is_same_v<policy::bibert::embedding, sign<scale::row, center::row>>);
static_assert(std::is_same_v<policy::bit::weights, sign<scale::tensor, center::tensor>>);
static_assert(std::is_same_v<policy::bit::embedding, sign<scale::row, center::tensor>>);

static_assert(policy::bibert::linear::weight_bits == 1 && policy::bibert::linear::input_bits == 1);
static_assert(policy::bibert::linear::exact && !policy::fp32::linear::exact);
static_assert(policy::fp32::linear::weight_bits == 32);

/// An own policy: a named one with one line changed.
struct mine : policy::bibert {
  using pooler = policy::fp32::linear;
};
static_assert(products<mine, b1s, ternary_popcount, b1s, b1s, mul_add>());

/// A policy that holds for all layers is one segment; one made of others keeps theirs.
struct mixed : per_layer<first<2, mine>, rest<policy::fp32>> {
  static constexpr const char* name = "mixed";
};
static_assert(!is_per_layer<mine> && is_per_layer<mixed>);
static_assert(std::is_same_v<segments_of<mine>, segment_list<rest<mine>>>);
static_assert(std::is_same_v<segments_of<mixed>, segment_list<first<2, mine>, rest<policy::fp32>>>);
static_assert(segments_of<mine>::begin(1, 7) == 7);
static_assert(mixed::begin(1, 7) == 2 && mixed::begin(1, 1) == 1 && mixed::begin(2, 7) == 7);

}  // namespace

TEST_CASE("names of policies and rules are those of the command line", "[policy]") {
  CHECK(std::string_view(policy::fp32::name) == "fp32");
  CHECK(std::string_view(policy::bibert::name) == "bibert");
  CHECK(std::string_view(policy::bit::name) == "bit");
  CHECK(std::string_view(zero_is_zero::name) == "torch");
  CHECK(std::string_view(zero_is_plus_one::name) == "plus-one");
}
