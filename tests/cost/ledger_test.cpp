// SPDX-License-Identifier: Apache-2.0
#include "lowbit/cost/ledger.hpp"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "lowbit/cost/named_ledger.hpp"

namespace {

using lowbit::cost;
using lowbit::cost_item;
using lowbit::model_shape;
using lowbit::policy_ledger;
namespace policy = lowbit::policy;

constexpr model_shape bert_base{12, 768, 12, 3072, 30522, 512, 2, 2};
constexpr model_shape tinybert_4l{4, 312, 12, 1200, 30522, 512, 2, 2};

constexpr model_shape albert_base = [] {
  model_shape s{12, 768, 12, 3072, 30000, 512, 2, 2};
  s.embedding = 128;
  s.shared_layers = true;
  return s;
}();

template <class Policy>
constexpr cost total_of(const model_shape& shape, std::size_t tokens) {
  return policy_ledger<Policy>(shape, tokens).total();
}

/// A figure as it is published: rounded to `digits` decimals.
constexpr bool rounds_to(double value, double published, double unit) {
  const double distance = value - published;
  return distance < unit / 2 && distance >= -unit / 2;
}

constexpr double giga = 1e9;
constexpr double mib = 1024.0 * 1024.0;

// A user's own policy is counted without a line of ledger code.
struct sign_feed_forward : policy::fp32 {
  using feed_forward_input = policy::bibert::linear;
};

}  // namespace

TEST_CASE("parameter counts are those of the published models") {
  STATIC_REQUIRE(lowbit::parameter_count(bert_base) == 109'482'240);
  STATIC_REQUIRE(lowbit::parameter_count(tinybert_4l) == 14'350'248);
  // Hugging Face's AlbertModel, and DistilBERT, ELECTRA small and RoBERTa (without its two rows of
  // padding positions) up to the last layer of their classifiers.
  STATIC_REQUIRE(lowbit::parameter_count(albert_base) == 11'683'584);
  STATIC_REQUIRE(lowbit::parameter_count({6, 768, 12, 3072, 30522, 512, 0}) == 66'953'472);
  STATIC_REQUIRE(lowbit::parameter_count({12, 768, 12, 3072, 50265, 512, 1}) ==
                 124'645'632 - 2 * 768);
  constexpr model_shape electra_small = [] {
    model_shape s{12, 256, 4, 1024, 30522, 512, 2};
    s.embedding = 128;
    return s;
  }();
  STATIC_REQUIRE(lowbit::parameter_count(electra_small) == 13'548'800);
}

TEST_CASE("layers that share weights cost as many products as others, and are stored once") {
  model_shape separate = albert_base;
  separate.shared_layers = false;
  model_shape one_layer = albert_base;
  one_layer.layers = 1;
  for (const char* name : {"int8", "pruned50"}) {
    const auto shared = lowbit::ledger_for(name, albert_base, 128).value().total;
    const auto each = lowbit::ledger_for(name, separate, 128).value().total;
    CHECK(shared.defined.macs() == each.defined.macs());
    CHECK(shared.stored.total() == lowbit::ledger_for(name, one_layer, 128)->total.stored.total());
    CHECK(shared.papers_bytes < each.papers_bytes / 4);
  }
  // The map to the hidden size is the only difference in products.
  model_shape wide = albert_base;
  wide.embedding = 0;
  CHECK(total_of<policy::fp32>(albert_base, 128).defined.f32_macs ==
        total_of<policy::fp32>(wide, 128).defined.f32_macs + 128 * 128 * 768);
}

TEST_CASE("fp32 BERT-base at 128 tokens is 22.35 GFLOP and 417.6 MiB by the papers' rule") {
  constexpr cost c = total_of<policy::fp32>(bert_base, 128);
  STATIC_REQUIRE(rounds_to(c.papers_flops / giga, 22.35, 0.01));
  STATIC_REQUIRE(rounds_to(c.papers_bytes / mib, 417.6, 0.1));
  // 12 layers x 128 tokens x (4 D^2 + 2 D I + 2 N D), and one pooled row
  constexpr std::uint64_t encoder = 12ULL * 128 * (4 * 768 * 768 + 2 * 768 * 3072 + 2 * 128 * 768);
  STATIC_REQUIRE(c.defined.f32_macs == encoder + 768 * 768 + 2 * 768);
  STATIC_REQUIRE(c.defined.bit_macs == 0);
  STATIC_REQUIRE(c.defined.int8_macs == 0);
}

TEST_CASE("bibert BERT-base reaches the published 0.4 GFLOP, 56x, 13.4 MiB and 31.2x") {
  constexpr cost f = total_of<policy::fp32>(bert_base, 128);
  constexpr cost b = total_of<policy::bibert>(bert_base, 128);
  STATIC_REQUIRE(b.papers_flops >= 0.38 * giga);
  STATIC_REQUIRE(b.papers_flops <= 0.40 * giga);
  STATIC_REQUIRE(rounds_to(f.papers_flops / b.papers_flops, 56, 1));
  STATIC_REQUIRE(rounds_to(b.papers_bytes / mib, 13.4, 0.1));
  STATIC_REQUIRE(rounds_to(f.papers_bytes / b.papers_bytes, 31.2, 0.1));
}

TEST_CASE("bibert BERT-base is 15.4 MiB and 27.1x smaller when everything is counted") {
  constexpr cost f = total_of<policy::fp32>(bert_base, 128);
  constexpr cost b = total_of<policy::bibert>(bert_base, 128);
  STATIC_REQUIRE(rounds_to(static_cast<double>(b.stored.total()) / mib, 15.4, 0.1));
  STATIC_REQUIRE(rounds_to(
      static_cast<double>(f.stored.total()) / static_cast<double>(b.stored.total()), 27.1, 0.1));
  STATIC_REQUIRE(b.stored.scales ==
                 4 * (30522 + 12 * (4 * 768 + 3072 + 768) + 768));  // rows of every matrix
  STATIC_REQUIRE(b.stored.tables == 4 * (512 + 2) * 768);
}

TEST_CASE("TinyBERT-4L is 54.7 MiB and 1.247 GFLOP") {
  constexpr cost c = total_of<policy::fp32>(tinybert_4l, 128);
  STATIC_REQUIRE(rounds_to(c.papers_flops / giga, 1.247, 0.001));
  STATIC_REQUIRE(rounds_to(c.papers_bytes / mib, 54.7, 0.1));
}

TEST_CASE("low-bit policies define the same products as fp32") {
  constexpr auto f = total_of<policy::fp32>(bert_base, 77).defined;
  STATIC_REQUIRE(total_of<policy::bibert>(bert_base, 77).defined.macs() == f.macs());
  STATIC_REQUIRE(total_of<policy::bibert_plus_one>(bert_base, 77).defined.macs() == f.macs());
  STATIC_REQUIRE(total_of<policy::bit>(bert_base, 77).defined.macs() == f.macs());
}

TEST_CASE("a run executes the last layer for first tokens only") {
  constexpr cost c = total_of<policy::fp32>(bert_base, 128);
  // left out: 127 rows of query, attention output, both feed-forward layers, scores and context
  constexpr std::uint64_t saved = 127ULL * (2 * 768 * 768 + 2 * 768 * 3072 + 2 * 128 * 768);
  STATIC_REQUIRE(c.defined.f32_macs - c.executed.f32_macs == saved);
  constexpr cost one = total_of<policy::fp32>(bert_base, 1);
  STATIC_REQUIRE(one.defined == one.executed);
}

TEST_CASE("where a sign follows, bibert executes no float") {
  const auto ledger = lowbit::ledger_for("bibert", bert_base, 128);
  REQUIRE(ledger.ok());
  for (const cost_item item :
       {cost_item::query, cost_item::key, cost_item::value, cost_item::scores, cost_item::context,
        cost_item::feed_forward_input}) {
    INFO(lowbit::name_of(item));
    CHECK(ledger->sum_of(item).executed.f32_operations == 0);
    CHECK(ledger->sum_of(item).executed.bit_macs > 0);
    CHECK(ledger->sum_of(item).executed.f32_macs == 0);
  }
  CHECK(ledger->sum_of(cost_item::attention_output).executed.f32_operations > 0);
}

TEST_CASE("bit stores a shift per input and a scale per encoding") {
  constexpr cost c = total_of<policy::bit>(bert_base, 128);
  constexpr std::uint64_t per_layer = 5 * (768 + 1) + (3072 + 1) + 4;
  STATIC_REQUIRE(c.stored.inputs == 4 * (12 * per_layer + 768 + 1));
  STATIC_REQUIRE(c.stored.scales == 4 * (30522 + 12 * 6 + 1));  // one per matrix, one per word
}

TEST_CASE("a scale per group of 64 columns adds half a bit to four, and two operations per group") {
  constexpr cost rows = total_of<policy::w4a8>(bert_base, 128);
  constexpr cost groups = total_of<policy::w4g64a8>(bert_base, 128);
  STATIC_REQUIRE(groups.stored.weights == rows.stored.weights);
  constexpr std::uint64_t classifier = 4 * 2 * 768;
  STATIC_REQUIRE(groups.stored.scales * 8 == groups.stored.weights - classifier);  // 4 of 32 bytes
  STATIC_REQUIRE(groups.defined.int8_macs == rows.defined.int8_macs);
  STATIC_REQUIRE(groups.defined.f32_macs == rows.defined.f32_macs);
  constexpr std::uint64_t outputs_and_groups =
      128ULL * 12 * ((4 * 768 + 3072) * 12 + 768 * 48) + 768 * 12;
  constexpr std::uint64_t outputs = 128ULL * 12 * (5 * 768 + 3072) + 768;
  STATIC_REQUIRE(groups.defined.f32_operations - rows.defined.f32_operations ==
                 2 * outputs_and_groups - outputs);
}

TEST_CASE("a user's policy is counted from its types") {
  constexpr cost c = total_of<sign_feed_forward>(bert_base, 128);
  STATIC_REQUIRE(c.defined.bit_macs == 12ULL * 128 * 768 * 3072);
  STATIC_REQUIRE(c.stored.weights < total_of<policy::fp32>(bert_base, 128).stored.weights);
}

TEST_CASE("the rows of a ledger add up to its total") {
  for (const char* name : {"fp32", "bibert", "bit"}) {
    const auto ledger = lowbit::ledger_for(name, tinybert_4l, 33);
    REQUIRE(ledger.ok());
    CHECK(ledger->rows.size() == 1 + 4 * 9 + 2);
    cost sum;
    for (std::size_t i = 0; i < lowbit::cost_items; ++i)
      sum += ledger->sum_of(static_cast<cost_item>(i));
    CHECK(sum.defined == ledger->total.defined);
    CHECK(sum.executed == ledger->total.executed);
    CHECK(sum.stored == ledger->total.stored);
  }
}

TEST_CASE("heads that were removed are not counted") {
  model_shape shape = tinybert_4l;  // 312 channels, 12 heads
  shape.heads = 3, shape.attention = 78;
  const auto ledger = lowbit::ledger_for("int8", shape, 16);
  REQUIRE(ledger.ok());
  const auto defined = [&](cost_item item) {
    for (const auto& row : ledger->rows) {
      if (row.layer == 0 && row.item == item) return row.cost;
    }
    FAIL("no such row");
    return ledger->total;
  };
  for (const auto item : {cost_item::query, cost_item::key, cost_item::value}) {
    CHECK(defined(item).defined.int8_macs == 16 * 78 * 312);
    CHECK(defined(item).stored.weights == 78 * 312);
    CHECK(defined(item).stored.biases == 78 * sizeof(float));
  }
  CHECK(defined(cost_item::attention_output).defined.int8_macs == 16 * 78 * 312);
  CHECK(defined(cost_item::attention_output).stored.biases == 312 * sizeof(float));
  CHECK(defined(cost_item::scores).defined.f32_macs == 16 * 16 * 78);
  CHECK(defined(cost_item::context).defined.f32_macs == 16 * 16 * 78);
}

TEST_CASE("without labels the ledger has no classifier") {
  model_shape shape = tinybert_4l;
  shape.labels = 0;
  const auto ledger = lowbit::ledger_for("fp32", shape, 16);
  REQUIRE(ledger.ok());
  CHECK(ledger->rows.back().item == cost_item::pooler);
}

TEST_CASE("ledger_for names what it was given and what it expects") {
  const auto unknown = lowbit::ledger_for("int3", bert_base, 128);
  REQUIRE_FALSE(unknown.ok());
  CHECK(std::string(unknown.status().message()) ==
        "policy is \"int3\", expected one of fp32, bf16, f16, gobo3, gobo4, int8, w4a8, "
        "w4g32a8, w4g64a8, w4g128a8, w2a8, w1a8, codebook8, codebook16, codebook256, q8bert, "
        "bibert, bit");
  for (const std::size_t tokens : {std::size_t{0}, std::size_t{513}}) {
    const auto wrong = lowbit::ledger_for("fp32", bert_base, tokens);
    REQUIRE_FALSE(wrong.ok());
    CHECK(std::string(wrong.status().message()) ==
          "tokens is " + std::to_string(tokens) + ", expected 1 to 512");
  }
  model_shape ragged = bert_base;
  ragged.heads = 7;
  CHECK_FALSE(lowbit::ledger_for("fp32", ragged, 128).ok());
}

TEST_CASE("a pruned policy counts the products and bytes of the weights that are kept") {
  constexpr cost c = total_of<policy::pruned<80>>(bert_base, 128);
  constexpr cost f = total_of<policy::fp32>(bert_base, 128);
  STATIC_REQUIRE(c.defined.dense_macs == f.defined.f32_macs);
  STATIC_REQUIRE(c.executed.dense_macs == f.executed.f32_macs);
  // 117965 of 768 x 768 weights are a fifth, 471859 of 768 x 3072
  constexpr std::uint64_t kept = 4 * 117965 + 2 * 471859;
  constexpr std::uint64_t attention = 12ULL * 128 * (2 * 128 * 768);
  STATIC_REQUIRE(c.defined.f32_macs == 12ULL * 128 * kept + attention + 117965 + 2 * 768);
  // four bytes per value, a bit per weight, an offset per row and one more
  constexpr std::uint64_t square = 4 * 117965 + 768 * 96 + 4 * 769;
  constexpr std::uint64_t wide = 4 * 471859 + 3072 * 96 + 4 * 3073;
  constexpr std::uint64_t narrow = 4 * 471859 + 768 * 384 + 4 * 769;
  STATIC_REQUIRE(c.stored.weights ==
                 12 * (4 * square + wide + narrow) + square + 4 * (2 * 768 + 30522ULL * 768));
  STATIC_REQUIRE(c.papers_flops == 2.0 * (12.0 * 128 * kept + attention + 117965));
}

TEST_CASE("every share of zeros has a ledger by its name") {
  const auto by_name = lowbit::ledger_for("pruned80", tinybert_4l, 33);
  REQUIRE(by_name.ok());
  const cost typed = total_of<policy::pruned<80>>(tinybert_4l, 33);
  CHECK(by_name->policy == "pruned80");
  CHECK(by_name->total.defined == typed.defined);
  CHECK(by_name->total.executed == typed.executed);
  CHECK(by_name->total.stored == typed.stored);
  CHECK(by_name->total.papers_flops == typed.papers_flops);
  CHECK(by_name->total.papers_bytes == typed.papers_bytes);
  const auto sparser = lowbit::ledger_for("pruned81", tinybert_4l, 33);
  REQUIRE(sparser.ok());
  CHECK(sparser->total.defined.macs() < typed.defined.macs());
  CHECK_FALSE(lowbit::ledger_for("pruned00", tinybert_4l, 33).ok());
  CHECK_FALSE(lowbit::ledger_for("pruned8", tinybert_4l, 33).ok());
}
