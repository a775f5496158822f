// SPDX-License-Identifier: Apache-2.0
// The arithmetic of a search against numbers worked out by hand and against real models.
#include "lowbit/train/recipe/search/shapes.hpp"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <memory>

#include "lowbit/train/model/bert.hpp"
#include "lowbit/train/recipe/search/front_svg.hpp"

using namespace lowbit::train;
using Catch::Approx;

TEST_CASE("W is (1 - p/p_T)(1 - i/i_T)/e, and 0 at every corner that is no gain") {
  CHECK(coefficient(0.25, 0.5, 0.5) == Approx(0.75));  // 0.75 * 0.5 / 0.5
  CHECK(coefficient(0.1, 0.2, 3.0) == Approx(0.24));   // 0.9 * 0.8 / 3
  CHECK(coefficient(0.0, 0.0, 2.0) == Approx(0.5));
  CHECK(coefficient(0.5, 1.0, 1.0) == 0.0);  // as slow as the maximum point
  CHECK(coefficient(1.0, 0.5, 1.0) == 0.0);  // as large
  CHECK(coefficient(1.5, 1.5, 1.0) == 0.0);  // (-0.5)(-0.5) would be a gain
  CHECK(coefficient(0.5, 0.5, 0.0) == 0.0);
  CHECK(coefficient(0.5, 0.5, std::numeric_limits<double>::infinity()) == 0.0);
  CHECK(coefficient(0.5, 0.5, std::numeric_limits<double>::quiet_NaN()) == 0.0);
  CHECK(coefficient(std::numeric_limits<double>::quiet_NaN(), 0.5, 1.0) == 0.0);
}

TEST_CASE("the grid holds every combination whose heads divide the hidden size, once") {
  // 2 depths, 2 intermediate sizes; heads and hidden size: (2, 12) (2, 16) (3, 12) (5, -)
  const shape_grid grid{{1, 2}, {2, 3, 5}, {12, 16}, {24, 32}};
  const auto all = enumerate(grid);
  CHECK(all.size() == 2 * 3 * 2);
  for (const shape_point& x : all) CHECK(x.hidden % x.heads == 0);
  CHECK(std::count(all.begin(), all.end(), shape_point{2, 3, 12, 32}) == 1);
  CHECK(std::count(all.begin(), all.end(), shape_point{2, 3, 16, 32}) == 0);
  CHECK(enumerate({{1, 1}, {2}, {4}, {8}}).size() == 1);
  CHECK(enumerate({{1}, {5}, {12, 16}, {24}}).empty());
  CHECK(enumerate({{}, {2}, {4}, {8}}).empty());
  CHECK(enumerate({{0, 1}, {0, 2}, {4}, {8}}).size() == 1);
}

TEST_CASE("the parameters of a shape are those of the real model") {
  const lowbit::model_shape shapes[] = {
      {1, 8, 2, 12, 30, 16, 2, 3}, {3, 12, 3, 40, 21, 9, 1, 7}, {2, 32, 4, 16, 50, 5, 2, 2}};
  for (lowbit::model_shape s : shapes) {
    for (const auto head :
         {lowbit::head_kind::sequence, lowbit::head_kind::token, lowbit::head_kind::masked_lm}) {
      s.head = head;
      bert model(s, std::make_shared<float_scheme>());
      std::int64_t count = 0;
      for (const auto& [name, tensor] : model.parameters()) count += tensor.numel();
      CHECK(stored_parameters(s) == static_cast<std::uint64_t>(count));
    }
  }
  // BERT-base with pooler: 109,482,240, and a classifier of two labels.
  CHECK(stored_parameters({12, 768, 12, 3072, 30522, 512, 2, 2}) == 109482240 + 2 * 768 + 2);
}

TEST_CASE("every n-th shape in the order of growth is kept, beginning with the least") {
  // growth / 8: <1,..,2,2> 3, <2,..,2,2> 6, <1,..,4,2> 10, <1,..,4,4> 12
  const std::vector<shape_point> points{{1, 2, 4, 4}, {1, 2, 2, 2}, {1, 2, 4, 2}, {2, 2, 2, 2}};
  CHECK(growth(points[1]) == 1 * (4 * 4 + 2 * 4));
  CHECK(growth(points[0]) == 1 * (4 * 16 + 2 * 16));
  using list = std::vector<shape_point>;
  CHECK((every_nth(points, 1) == list{points[1], points[3], points[2], points[0]}));
  CHECK((every_nth(points, 2) == list{points[1], points[2]}));
  CHECK((every_nth(points, 3) == list{points[1], points[0]}));
  CHECK((every_nth(points, 9) == list{points[1]}));

  CHECK(interval_for(0.1, 4, 100) == 3);  // 0.1 * 32
  CHECK(interval_for(0.1, 1, 100) == 1);
  CHECK(interval_for(1.0, 9, 1000) == 243);
  CHECK(interval_for(1.0, 100, 12) == 12);
  CHECK(interval_for(1.0, 100, 0) == 1);
}

TEST_CASE("a ranking sorts by W, and its JSON reads back exactly") {
  const auto candidate = [](shape_point at, std::uint64_t p, double seconds, double error) {
    search_candidate c{at, p, {seconds, 0.004, 77}, {{{0.5, 8}, error}}, 0.0};
    return c;
  };
  search_ranking r;
  r.settings = "these";
  r.maximum = {{4, 4, 64, 128}, 1000, {0.004, 0.004, 900}, {}, 0.0};
  r.candidates = {candidate({1, 2, 8, 8}, 900, 0.001, 0.1),    // 0.1 * 0.75 / 0.1 = 0.75
                  candidate({2, 2, 8, 8}, 500, 0.002, 0.25),   // 0.5 * 0.5 / 0.25 = 1
                  candidate({3, 2, 8, 8}, 100, 0.004, 0.01)};  // as slow as the maximum point
  r.candidates[0].trials.push_back({{0.1, 8}});                // diverged
  r.rank();
  CHECK(r.candidates[0].at.layers == 2);
  CHECK(r.candidates[0].coefficient == Approx(1.0));
  CHECK(r.candidates[1].coefficient == Approx(0.75));
  CHECK(r.candidates[2].coefficient == 0.0);
  CHECK(r.milliseconds(r.candidates[0]) == Approx(2.0));

  const auto json = to_json(r);
  CHECK(json.at("candidates")[1].at("trials")[1].at("lr") == 0.1);
  const auto path = std::filesystem::temp_directory_path() /
                    ("lowbit-ranking-" + std::to_string(::getpid()) + ".json");
  REQUIRE(lowbit::write_file(path, json.dump(), lowbit::existing::replace).ok());
  auto back = read_ranking(path, "these");
  REQUIRE(back.ok());
  back->rank();
  CHECK(to_json(*back).dump() == json.dump());
  CHECK(std::isinf(back->candidates[1].trials[1].error));
  CHECK(read_ranking(path, "others").status().message().find("other options") !=
        std::string_view::npos);
  std::filesystem::remove(path);

  const std::string svg = front_svg(r, "a <b>");
  CHECK(svg.find("a &lt;b&gt;") != std::string::npos);
  CHECK(svg.find("&lt;2,2,8,8&gt; chosen") != std::string::npos);
  std::size_t circles = 0;
  for (std::size_t at = 0; (at = svg.find("<title>", at)) != std::string::npos; ++at) ++circles;
  CHECK(circles == 3);
  CHECK(svg.find("nan") == std::string::npos);
  r.candidates.clear();
  CHECK(front_svg(r, "").find("nan") == std::string::npos);
}
