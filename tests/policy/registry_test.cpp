// SPDX-License-Identifier: Apache-2.0
// What files, programs and the trainer know of each policy by name, and a list of a program's own.
#include "lowbit/policy/registry.hpp"

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>
#include <string_view>

#include "lowbit/io/named_policy.hpp"

namespace {

using namespace lowbit;

struct expected_row {
  const char* name;
  const char* format;
  const char* table;
  bool integers;
};
constexpr expected_row by_format[] = {
    {"fp32", "f32", "f32", false},
    {"bf16", "bf16", "bf16", false},
    {"f16", "f16", "f16", false},
    {"gobo3", "gobo3", "gobo3", false},
    {"gobo4", "gobo4", "gobo4", false},
    {"sparse", "sparse", "f32", false},
    {"int8", "int8", "int8", true},
    {"w4a8", "int4", "int4", true},
    {"w4g32a8", "int4g32", "int4g32", true},
    {"w4g64a8", "int4g64", "int4g64", true},
    {"w4g128a8", "int4g128", "int4g128", true},
    {"w2a8", "ternary", "ternary", true},
    {"w1a8", "sign", "sign", true},
    {"codebook8", "codebook8", "codebook8", true},
    {"codebook16", "codebook16", "codebook16", true},
    {"codebook256", "codebook256", "codebook256", true},
    {"mixed", "int8", "int8", true},
};

struct mine : policy::bibert {
  static constexpr const char* name = "mine";
};
using own_list = joined_policies<library_policies, policy_list<named<mine>>>;
static_assert(own_list::size == library_policies::size + 1);
static_assert(encoders_of<own_list>::size == encoders_of<library_policies>::size + 1);
static_assert(encoders_of<policy_list<named<mine>, named<policy::fp32, policy::any_float>,
                                      named<policy::bf16, policy::any_float>>>::size == 2);
struct with_own_act : policy::fp32 {
  static constexpr const char* name = "with_own_act";
  using hidden_act = tanh_activation;
};
static_assert(!detail::row_of<named<with_own_act>>(0).hidden_act.has_value());
static_assert(usual_act<with_own_act> == activation_function::gelu);

}  // namespace

TEST_CASE("policies that encode a float checkpoint name their formats", "[policy][registry]") {
  std::size_t found = 0;
  for (const named_policy& p : named_policies) found += p.encodes_floats() ? 1 : 0;
  CHECK(found == std::size(by_format));
  for (const expected_row& e : by_format) {
    CAPTURE(e.name);
    const auto p = find_policy(e.name);
    REQUIRE(p.ok());
    CHECK(p->name == e.name);
    CHECK(p->format == e.format);
    CHECK(p->table == e.table);
    CHECK(p->integers == e.integers);
    CHECK_FALSE(p->ranges);
    CHECK_FALSE(p->own_training);
    CHECK_FALSE(p->hidden_act.has_value());
  }
  CHECK(find_policy("pruned73")->format == "pruned73");
  CHECK(find_policy("pruned73")->table == "f32");
}

TEST_CASE("policies with codecs of their own say what they need", "[policy][registry]") {
  CHECK(find_policy("q8bert")->ranges);
  CHECK(find_policy("ibert")->ranges);
  CHECK_FALSE(find_policy("bibert")->own_training);
  CHECK(find_policy("bit")->own_training);
  CHECK(find_policy("ternarybert_w2a4")->padded);
  CHECK(find_policy("bit")->hidden_act == activation_function::relu);
  CHECK(find_policy("bibert")->hidden_act == activation_function::gelu);
  CHECK_FALSE(find_policy("binarybert_w1a4")->hidden_act.has_value());
}

TEST_CASE("a derived policy reads the checkpoints of its base", "[policy][registry]") {
  CHECK(std::string_view(training_scheme<mine>) == "bibert");
  CHECK(find_policy("int8")->scheme == "fp32");
  CHECK(find_policy("q8bert")->scheme == "q8bert");
  CHECK(find_policy("ternarybert_w2a4")->scheme == "ternarybert");
  CHECK(find_policy("binarybert_split_w1a8")->scheme == "binarybert");
}

TEST_CASE("one name with two rules for sign(0) is two encoders", "[policy][registry]") {
  const auto zero = find_policy("bibert");
  const auto plus_one = find_policy("bibert", "plus-one");
  CHECK(zero->zero == "torch");
  CHECK(plus_one->zero == "plus-one");
  CHECK(zero->encoder != plus_one->encoder);
  CHECK(has_zero("bibert", "plus-one"));
  CHECK_FALSE(has_zero("bit", "plus-one"));
  CHECK(policies_with_zero("plus-one") == "bibert");
  std::set<std::string_view> names;
  for (const named_policy& p : named_policies) CHECK(names.insert(p.name).second);
  CHECK(names.size() + 1 == program_policies::size);
}

TEST_CASE("an index gives the type of its row, and no other", "[policy][registry]") {
  for (const named_policy& p : named_policies) {
    CHECK(p.name == with_policy<program_policies>(p.row, []<class P>(std::type_identity<P>) {
            return std::string(P::name);
          }));
    const bool integers =
        with_encoder<program_policies>(p.encoder, []<class E>(std::type_identity<E>) {
          return has_formats_by_name<E> && is_int8_input<typename E::linear::input>;
        });
    CHECK(integers == p.integers);
  }
  CHECK(with_policy<own_list>(
      own_list::size - 1, []<class P>(std::type_identity<P>) { return std::is_same_v<P, mine>; }));
}

TEST_CASE("an unknown policy is refused with the known ones", "[policy][registry]") {
  const auto unknown = find_policy("int3");
  REQUIRE_FALSE(unknown.ok());
  const std::string message(unknown.status().message());
  CHECK(message.find("\"int3\"") != std::string::npos);
  for (const named_policy& p : named_policies)
    CHECK(message.find(std::string(p.name)) != std::string::npos);
}
