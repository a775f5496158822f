// SPDX-License-Identifier: Apache-2.0
// Nothing reads memory that nobody wrote: with packed weights, workspace, output and stack full of
// one byte or another, every policy gives the same bits at widths that fill no vector, word or
// tile, on every instruction set.
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <span>

#include "../support/compare.hpp"
#include "lowbit/io/named_policy.hpp"
#include "poisoned_model.hpp"
#include "random_values.hpp"

namespace {

using lowbit::head_kind;
using lowbit_test::poisoned_model;
using lowbit_tool::token_rows;

constexpr unsigned char patterns[] = {0x55, 0xAA};

struct width {
  std::size_t hidden, heads, intermediate;
};
constexpr width widths[] = {{24, 3, 51}, {60, 4, 131}, {75, 5, 150}, {104, 8, 211}, {312, 12, 157}};

struct variant {
  std::string policy;
  std::string zero;
  bool other = false;  // relu for gelu or gelu for relu, and attention narrower than hidden rows
};

std::vector<variant> variants() {
  std::vector<variant> all;
  for (const lowbit::named_policy& p : lowbit::named_policies) {
    all.push_back({std::string(p.name), ""});
    if (p.padded || p.name == "ibert" || p.name == "fp32" || p.name == "int8")
      all.push_back({std::string(p.name), "", true});
  }
  all.push_back({"pruned80", ""});
  all.push_back({"bibert", "plus-one"});
  return all;
}

lowbit::canonical_model make_model(const variant& v, const width& w, head_kind head) {
  lowbit::model_shape shape{2, w.hidden, w.heads, w.intermediate, 97, 70, 2, 3};
  shape.head = head;
  if (head == head_kind::span) shape.labels = 2;
  if (v.other && v.policy != "ibert") shape.attention = w.hidden - w.heads;
  auto model = lowbit_tool::random_model(shape, v.policy, v.zero, 7 + w.hidden);
  INFO(v.policy << ": " << model.status().message());
  REQUIRE(model.ok());
  if (v.other) {
    using enum lowbit::activation_function;
    model->config.shape.hidden_act = model->config.shape.hidden_act == relu ? gelu : relu;
  }
  return *std::move(model);
}

/// Sentences of the given lengths; a masked language model answers two tokens of each.
token_rows make_rows(const std::vector<std::size_t>& lengths, std::uint64_t seed) {
  token_rows rows;
  for (std::size_t s = 0; s < lengths.size(); ++s) {
    lowbit_tool::random_values random(seed + s);
    std::vector<std::int32_t> types(lengths[s], 0);
    for (std::size_t t = lengths[s] / 2; t < lengths[s]; ++t) types[t] = 1;
    rows.masked.push_back(rows.offsets.back());
    if (lengths[s] > 1) rows.masked.push_back(rows.offsets.back() + 1);
    rows.add(random.tokens(lengths[s], 97), types);
  }
  return rows;
}

bool pads(const lowbit::canonical_model& model) {
  return lowbit::find_policy(model.policy)->padded;
}

/// Every sentence alone, then all in one batch, what an observer of that batch sees, and a layer.
std::vector<std::vector<float>> all_runs(const lowbit::canonical_model& model,
                                         const lowbit::engine& engine, unsigned char pattern) {
  const poisoned_model packed(model, engine, pattern);
  const std::vector<std::size_t> lengths{1, 5, 17};
  std::vector<std::vector<float>> runs;
  for (std::size_t s = 0; s < lengths.size(); ++s)
    runs.push_back(packed.run(make_rows({lengths[s]}, s)));
  token_rows batch = make_rows(lengths, 0);
  if (pads(model)) batch = batch.padded();
  runs.push_back(packed.run(batch));
  runs.push_back(packed.run(batch, true));
  runs.push_back(packed.run_layer(batch));
  return runs;
}

std::uint64_t fnv_hash(const std::vector<float>& values) {  // FNV-1a
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
  for (std::size_t i = 0; i < values.size() * sizeof(float); ++i)
    hash = (hash ^ bytes[i]) * 0x100000001b3;
  return hash;
}

constexpr std::array heads = {head_kind::sequence,       head_kind::token,
                              head_kind::span,           head_kind::masked_lm,
                              head_kind::mean_embedding, head_kind::cls_embedding};

void check_width(const width& w, std::span<const head_kind> kinds) {
  for (const variant& v : variants()) {
    for (const head_kind head : kinds) {
      const lowbit::canonical_model model = make_model(v, w, head);
      std::vector<std::vector<float>> expected;
      for (const lowbit::engine* engine : lowbit_test::engines_of(model)) {
        for (const unsigned char pattern : patterns) {
          CAPTURE(v.policy, v.zero, v.other, w.hidden, name_of(head), engine->arch, pattern);
          const auto runs = all_runs(model, *engine, pattern);
          if (expected.empty()) expected = runs;
          for (std::size_t r = 0; r < runs.size(); ++r) {
            CAPTURE(r);
            CHECK(lowbit_test::difference(runs[r], expected[r]).empty());
          }
          std::vector<float> alone = runs[0];
          alone.insert(alone.end(), runs[1].begin(), runs[1].end());
          alone.insert(alone.end(), runs[2].begin(), runs[2].end());
          if (!pads(model)) CHECK(lowbit_test::difference(alone, runs[3]).empty());
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("no run of any head reads memory that nobody wrote", "[poison]") {
  check_width(widths[0], heads);
  check_width(widths[2], heads);
}
TEST_CASE("no run at other widths reads memory that nobody wrote", "[poison]") {
  for (const std::size_t w : {1U, 3U})
    check_width(widths[w], std::array{head_kind::sequence, head_kind::token});
  // Most of the time of all; an encoder's buffers are the same under every head.
  check_width(widths[4], std::array{head_kind::token});
}

TEST_CASE("a thousand runs in poisoned memory have one hash each", "[poison][.long]") {
  for (const width& w : widths) {
    for (const variant& v : variants()) {
      const lowbit::canonical_model model = make_model(v, w, head_kind::sequence);
      token_rows rows = make_rows({2, 1}, 5);
      if (pads(model)) rows = rows.padded();
      for (const lowbit::engine* engine : lowbit_test::engines_of(model)) {
        CAPTURE(v.policy, v.zero, v.other, w.hidden, engine->arch);
        std::uint64_t first = 0;
        for (unsigned load = 0; load < 10; ++load) {
          const auto pattern = static_cast<unsigned char>(0x55 + load * 17);
          const poisoned_model packed(model, *engine, pattern);
          for (unsigned run = 0; run < 100; ++run) {
            const std::uint64_t hash = fnv_hash(packed.run(rows));
            if (load == 0 && run == 0) first = hash;
            if (hash != first) FAIL("run " << load * 100 + run << " has another hash");
          }
        }
        std::printf("%-6s %4zu %s%s%s %016llx\n", engine->arch, w.hidden, v.policy.c_str(),
                    v.zero.empty() ? "" : " plus-one", v.other ? " other" : "",
                    static_cast<unsigned long long>(first));
      }
    }
  }
}
