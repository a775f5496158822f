// SPDX-License-Identifier: Apache-2.0
#include "pareto.hpp"

#include <catch2/catch_test_macros.hpp>
#include <set>
#include <string>

namespace {

using lowbit_tool::pareto_front;
using lowbit_tool::trade_off;

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a model is on the front when no other is nowhere worse and somewhere better",
          "[pareto]") {
  const std::vector<trade_off> all = {
      {"big", 100, 2, 0.92},          {"small", 10, 1, 0.90},  {"worse", 20, 2, 0.89},
      {"twin of small", 10, 1, 0.90}, {"fast", 200, 0.5, 0.5}, {"same but slow", 10, 3, 0.90},
  };
  CHECK(pareto_front(all) == std::vector<bool>{true, true, false, true, true, false});
  CHECK(pareto_front({all[2]}) == std::vector<bool>{true});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("the picture has a point and a name for each model", "[pareto]") {
  const std::string one = lowbit_tool::pareto_svg({{"only", 5e6, 0.001, 0.9}}, "accuracy");
  CHECK(count(one, "<circle") == 1);
  CHECK(count(one, "nan") == 0);
  const std::string svg = lowbit_tool::pareto_svg(
      {{"a<b&c", 1e6, 0.001, 0.9}, {"beaten", 2e6, 0.002, 0.8}, {"best", 4e6, 0.002, 0.95}}, "f1");
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count(svg, "<circle") == 3);
  CHECK(count(svg, "fill=\"white\"/>\n<text") == 1);  // one is not on the front
  CHECK(count(svg, "a&lt;b&amp;c (1.00 ms)") == 1);
  CHECK(count(svg, "nan") == 0);
}

TEST_CASE("labels of models that lie together do not", "[pareto]") {
  std::vector<trade_off> twins;
  for (int i = 0; i < 12; ++i) twins.push_back({"twin", 1e6, 0.001, 0.9});
  const std::string svg = lowbit_tool::pareto_svg(twins, "accuracy");
  std::set<std::string> heights;
  for (std::size_t at = svg.find("\">twin ("); at != std::string::npos;
       at = svg.find("\">twin (", at + 1)) {
    heights.insert(svg.substr(svg.rfind("y=", at), at - svg.rfind("y=", at)));
  }
  CHECK(heights.size() == 12);
}

TEST_CASE("sizes have round ticks", "[pareto]") {
  constexpr double mib = 1024 * 1024;
  const std::string svg = lowbit_tool::pareto_svg(
      {{"small", 0.349 * mib, 0.001, 0.9}, {"large", 4.83 * mib, 0.002, 0.95}}, "accuracy");
  for (const char* tick : {">0.2<", ">0.5<", ">1<", ">2<", ">5<", ">10<"})
    CHECK(count(svg, tick) == 1);
  CHECK(count(svg, ">0.349<") == 0);
}
