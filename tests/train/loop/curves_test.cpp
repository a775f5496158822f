// SPDX-License-Identifier: Apache-2.0
// Curves: points stand where the numbers put them, texts do not meet, names are escaped.
#include "lowbit/train/loop/curves.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

using namespace lowbit::train;

namespace {

run_state some_run() {
  run_state run;
  for (int i = 1; i <= 40; ++i) {
    history_point p{i * 50, 3.0 / i + 0.2, {}};
    p.measures["masked accuracy"] = 0.4 * (1 - 1.0 / i);
    if (i > 20) p.measures["q < \"4\" & more"] = 17.0;
    run.history.push_back(p);
  }
  for (int e = 1; e <= 4; ++e) run.scores.push_back({e * 500, e, 0.5 + 0.1 * e - 0.03 * e * e});
  run.best_epoch = 2;
  return run;
}

struct text_box {
  double left, right, top, bottom;
  std::string text;
};

double attribute(const std::string& tag, const std::string& name) {
  const auto at = tag.find(" " + name + "=\"");
  REQUIRE(at != std::string::npos);
  return std::strtod(tag.c_str() + at + name.size() + 3, nullptr);
}

/// The room that each text takes, with letters as wide as a sans-serif has them.
std::vector<text_box> texts_of(const std::string& svg) {
  std::vector<text_box> out;
  for (auto at = svg.find("<text"); at != std::string::npos; at = svg.find("<text", at + 1)) {
    const auto open = svg.find('>', at), close = svg.find("</text>", at);
    const std::string tag = svg.substr(at, open - at),
                      text = svg.substr(open + 1, close - open - 1);
    const double size = attribute(tag, "font-size"), x = attribute(tag, "x"),
                 y = attribute(tag, "y");
    const double width = 0.55 * size * static_cast<double>(text.size());
    const double left = tag.find("\"end\"") != std::string::npos      ? x - width
                        : tag.find("\"middle\"") != std::string::npos ? x - width / 2
                                                                      : x;
    out.push_back({left, left + width, y - 0.75 * size, y + 0.2 * size, text});
  }
  return out;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a picture has a panel for loss, score and each measure, and no two texts meet") {
  const std::string svg = curves_svg(some_run(), "a <b> & c", "validation accuracy");
  CHECK(svg.starts_with("<svg "));
  CHECK(svg.ends_with("</svg>\n"));
  const auto texts = texts_of(svg);
  const auto has = [&texts](const std::string& wanted) {
    for (const text_box& t : texts) {
      if (t.text == wanted) return true;
    }
    return false;
  };
  for (const char* wanted : {"a &lt;b&gt; &amp; c", "loss", "validation accuracy (%)",
                             "masked accuracy", "q &lt; &quot;4&quot; &amp; more", "steps",
                             "training, a mean over steps", "validation", "best", "2000"}) {
    INFO(wanted);
    CHECK(has(wanted));
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const text_box &a = texts[i], &b = texts[j];
      INFO(a.text << " and " << b.text);
      CHECK((a.right <= b.left || b.right <= a.left || a.bottom <= b.top || b.bottom <= a.top));
    }
    CHECK(texts[i].left >= 0);
    CHECK(texts[i].right <= lowbit::train::detail::curves_width);
    CHECK(texts[i].bottom <= attribute(svg.substr(0, svg.find('>')), "height"));
  }
  CHECK(count(svg, "<circle") == 4 + 2 + 1);  // scores, legend, the best
}

TEST_CASE("a point stands where its number puts it on the axes") {
  run_state run;
  run.history = {{5, 1.0, {}}, {10, 0.0, {}}};
  const std::string svg = curves_svg(run, "t", "s");
  // Steps 0 to 10 between the edges; loss 0 to 1 between top and bottom.
  const double right = lowbit::train::detail::curves_width - lowbit::train::detail::curves_right;
  const double middle = (lowbit::train::detail::curves_left + right) / 2;
  char path[96];
  std::snprintf(path, sizeof path, "d=\"M%.1f %.1fL%.1f %.1f\"", middle,
                lowbit::train::detail::curves_top, right,
                lowbit::train::detail::curves_top + lowbit::train::detail::panel_height);
  INFO(svg);
  CHECK(svg.find(path) != std::string::npos);
}

TEST_CASE("runs without points, with one, or with values that are not finite are drawn, too") {
  run_state run;
  CHECK(curves_svg(run, "t", "s").find("no value") != std::string::npos);
  run.history = {{3, 0.7, {}}};
  CHECK(count(curves_svg(run, "t", "s"), "<circle") == 1);
  run.history.push_back({4, std::numeric_limits<double>::quiet_NaN(), {}});
  run.history.push_back({5, std::numeric_limits<double>::infinity(), {}});
  run.history.push_back({6, 0.8, {}});
  const std::string svg = curves_svg(run, std::string("\x01\n", 2), "s");
  CHECK(svg.find("nan") == std::string::npos);
  CHECK(svg.find("inf") == std::string::npos);
  CHECK(svg.find('\x01') == std::string::npos);
  const auto line = svg.substr(svg.find("fill=\"none\""));
  CHECK(count(line.substr(0, line.find("/>")), "M") == 2);  // broken where values are missing
}
