// SPDX-License-Identifier: Apache-2.0
// One encoder layer on a padded batch against a plain evaluation in double, weights and activations
// decoded: every pair of weights and encodings, ragged sizes, equal bits on every arch and with two
// threads. A value next to the middle of two codes may be rounded the other way: the seeds are
// fixed and have none.
#include "lowbit/nn/padded_layer.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <string>

#include "../support/archs.hpp"
#include "../support/guarded.hpp"
#include "../support/random.hpp"
#include "../support/two_threads.hpp"
#include "../support/weights.hpp"

namespace {

using namespace lowbit_test;
using matrix = std::vector<std::vector<double>>;

struct case_of {
  lowbit::model_shape shape;
  std::vector<std::uint32_t> valid;  // of each sentence
  std::size_t length = 0;            // of all, padded
  [[nodiscard]] std::size_t tokens() const { return valid.size() * length; }
};

case_of ragged(std::size_t hidden, std::size_t heads, std::size_t inner, std::size_t intermediate,
               std::vector<std::uint32_t> valid, std::size_t length) {
  case_of c{{}, std::move(valid), length};
  c.shape.layers = 1;
  c.shape.hidden = hidden;
  c.shape.heads = heads;
  c.shape.attention = inner;
  c.shape.intermediate = intermediate;
  return c;
}

/// Canonical tensors of layer 0, and the plain evaluation on what they decode to.
template <class Policy>
class plain_layer {
 public:
  plain_layer(const case_of& c, std::uint64_t seed) : c_(c), random_(seed) {
    const std::size_t d = c.shape.hidden;
    const std::size_t inner = c.shape.inner();
    for (const char* part : {"query", "key", "value"}) dense(self + part, inner, d);
    dense(layer + ".attention.output.dense", d, inner);
    dense(layer + ".intermediate.dense", c.shape.intermediate, d);
    dense<false>(layer + ".output.dense", d, c.shape.intermediate);
    using attention = typename Policy::attention;
    for (const char* part : {"query", "key", "value"})
      encoding<typename attention::projected>(self + part + ".output");
    encoding<typename attention::probability>(self + "probability", 0.02F);
    norm(layer + ".attention.output.LayerNorm");
    norm(layer + ".output.LayerNorm");
  }
  [[nodiscard]] const tensor_store& tensors() const { return tensors_; }
  [[nodiscard]] tensor_store& tensors() { return tensors_; }

  [[nodiscard]] matrix run(const matrix& h) const {
    using formats = lowbit::site_formats<Policy>;
    using input = typename formats::projection::input;
    const auto q = linear<input>(h, self + "query", c_.shape.inner());
    const auto k = linear<input>(h, self + "key", c_.shape.inner());
    const auto v = linear<input>(h, self + "value", c_.shape.inner());
    const auto context = attend(q, k, v);
    const auto a = normalise(
        add(linear<input>(context, layer + ".attention.output.dense", c_.shape.hidden), h),
        layer + ".attention.output.LayerNorm");
    auto middle = linear<input>(a, layer + ".intermediate.dense", c_.shape.intermediate);
    for (auto& row : middle) {
      for (double& x : row) x = activate(x);
    }
    using last = typename formats::feed_forward_output::input;
    return normalise(add(linear<last>(middle, layer + ".output.dense", c_.shape.hidden), a),
                     layer + ".output.LayerNorm");
  }

 private:
  static constexpr bool split = lowbit::is_split<Policy>;
  const std::string layer = "bert.encoder.layer.0";
  const std::string self = layer + ".attention.self.";

  // Tensors.
  template <bool Signed = true>
  void dense(const std::string& name, std::size_t n, std::size_t k) {
    using formats = lowbit::site_formats<Policy>;
    using format = std::conditional_t<Signed, typename formats::projection,
                                      typename formats::feed_forward_output>;
    for (const char* half : split ? std::vector<const char*>{"_1", "_2"} : std::vector{""}) {
      const std::string weight = name + half + ".weight";
      if constexpr (lowbit::is_sign<typename format::weights>) {
        tensors_.add_random_codes(weight + ".codes", n, k, random_);
      } else {
        std::vector<std::byte> codes(n * ((k + 3) / 4));
        for (std::size_t r = 0; r < n; ++r) {
          for (std::size_t j = 0; j < k; ++j)
            codes[r * ((k + 3) / 4) + j / 4] |=
                static_cast<std::byte>(random_.below(3) << (2 * (j % 4)));
        }
        tensors_.add_codes(weight + ".codes", n, (k + 3) / 4, std::move(codes));
      }
      tensors_.add(weight + ".scale", {1}, {random_.around(0.1F, 0.03F)});
      tensors_.add(name + half + ".bias", {n}, random_.floats(n, 0.0F, 0.2F));
      encoding<typename format::input>(name + half + ".input", 0.25F);
    }
  }
  template <class Activation>
  void encoding(const std::string& name, float step = 0.2F) {
    if (lowbit::has_dynamic_step<Activation>) {
      tensors_.add(name + ".clip", {2}, {random_.around(-1.5F, 0.5F), random_.around(1.5F, 0.5F)});
    } else {
      tensors_.add(name + ".scale", {1}, {random_.around(step, step / 4)});
    }
  }
  void norm(const std::string& name) {
    const std::size_t d = c_.shape.hidden;
    tensors_.add(name + ".weight", {d}, random_.floats(d, 1.0F, 0.3F));
    tensors_.add(name + ".bias", {d}, random_.floats(d, 0.0F, 0.3F));
  }

  // The evaluation.
  [[nodiscard]] double value(const std::string& name, std::size_t i) const {
    return static_cast<double>(tensors_.weights().find(name)->at(i));
  }
  template <class Activation>
  [[nodiscard]] matrix quantized(matrix x, const std::string& name) const {
    constexpr bool is_signed = lowbit::has_signed_codes<Activation>;
    const double bits = Activation::bits;
    double low = 1e30;
    double high = -1e30;
    for (auto& row : x) {
      for (double& v : row) {
        if (lowbit::has_dynamic_step<Activation>)
          v = std::min(std::max(v, value(name + ".clip", 0)), value(name + ".clip", 1));
        low = std::min(low, v);
        high = std::max(high, v);
      }
    }
    for (auto& row : x) {
      for (double& v : row) {
        if constexpr (lowbit::has_dynamic_step<Activation>) {
          const double levels = is_signed ? std::pow(2.0, bits - 1) - 1 : std::pow(2.0, bits) - 1;
          const double step = (is_signed ? std::max(-low, high) : high - low + 1e-8) / levels;
          const double origin = is_signed ? 0.0 : low;
          v = std::nearbyint((v - origin) / step) * step + origin;
        } else {
          const double step = value(name + ".scale", 0);
          const double origin = is_signed ? 0.0 : low;
          const double first = is_signed ? -std::pow(2.0, bits - 1) : 0.0;
          const double last = first + std::pow(2.0, bits) - 1;
          v = std::min(std::max(std::nearbyint((v - origin) / step), first), last) * step + origin;
        }
      }
    }
    return x;
  }
  [[nodiscard]] double weight(const std::string& name, std::size_t row, std::size_t j,
                              std::size_t k) const {
    const lowbit::stored_tensor* codes = tensors_.weights().find(name + ".codes");
    const double scale = value(name + ".scale", 0);
    if (codes->shape[1] == (k + 7) / 8 && lowbit::is_sign<typename Policy::linear::weights>) {
      const auto byte = static_cast<unsigned>(codes->data[row * codes->shape[1] + j / 8]);
      return (byte >> (j % 8) & 1U) != 0 ? -scale : scale;
    }
    const auto byte = static_cast<unsigned>(codes->data[row * codes->shape[1] + j / 4]);
    const unsigned code = byte >> (2 * (j % 4)) & 3U;
    return code == 0 ? 0.0 : code == 1 ? scale : -scale;
  }
  template <class Activation>
  [[nodiscard]] matrix linear(const matrix& x, const std::string& name, std::size_t n) const {
    matrix y(x.size(), std::vector<double>(n));
    const std::size_t k = x[0].size();
    for (const char* half : split ? std::vector<const char*>{"_1", "_2"} : std::vector{""}) {
      const std::string part = name + half;
      const matrix codes = quantized<Activation>(x, part + ".input");
      for (std::size_t o = 0; o < n; ++o) {
        std::vector<double> w(k);
        for (std::size_t j = 0; j < k; ++j) w[j] = weight(part + ".weight", o, j, k);
        for (std::size_t t = 0; t < x.size(); ++t) {
          double sum = value(part + ".bias", o);
          for (std::size_t j = 0; j < k; ++j) sum += codes[t][j] * w[j];
          y[t][o] += sum;
        }
      }
    }
    return y;
  }
  [[nodiscard]] matrix attend(const matrix& q_in, const matrix& k_in, const matrix& v_in) const {
    using attention = typename Policy::attention;
    const auto q = quantized<typename attention::projected>(q_in, self + "query.output");
    const auto k = quantized<typename attention::projected>(k_in, self + "key.output");
    const auto v = quantized<typename attention::projected>(v_in, self + "value.output");
    const std::size_t width = c_.shape.head_width();
    const std::size_t heads = c_.shape.heads;
    const std::size_t n = c_.length;
    matrix p;  // (sentence, head, query) rows of n keys: one tensor
    for (std::size_t s = 0; s < c_.valid.size(); ++s) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t i = 0; i < n; ++i) {
          std::vector<double> row(n);
          double top = -1e30;
          for (std::size_t j = 0; j < n; ++j) {
            for (std::size_t c = 0; c < width; ++c)
              row[j] += q[s * n + i][h * width + c] * k[s * n + j][h * width + c];
            row[j] =
                row[j] / std::sqrt(static_cast<double>(width)) + (j < c_.valid[s] ? 0.0 : -10000.0);
            top = std::max(top, row[j]);
          }
          double sum = 0;
          for (double& e : row) sum += e = std::exp(e - top);
          for (double& e : row) e /= sum;
          p.push_back(row);
        }
      }
    }
    p = quantized<typename attention::probability>(p, self + "probability");
    matrix out(c_.tokens(), std::vector<double>(heads * width));
    for (std::size_t s = 0; s < c_.valid.size(); ++s) {
      for (std::size_t h = 0; h < heads; ++h) {
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t c = h * width; c < (h + 1) * width; ++c) {
            for (std::size_t j = 0; j < n; ++j)
              out[s * n + i][c] += p[(s * heads + h) * n + i][j] * v[s * n + j][c];
          }
        }
      }
    }
    return out;
  }
  [[nodiscard]] static double activate(double x) {
    if (std::is_same_v<typename Policy::activation, lowbit::relu>) return std::max(x, 0.0);
    return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
  }
  [[nodiscard]] static matrix add(matrix a, const matrix& b) {
    for (std::size_t r = 0; r < a.size(); ++r) {
      for (std::size_t c = 0; c < a[r].size(); ++c) a[r][c] += b[r][c];
    }
    return a;
  }
  [[nodiscard]] matrix normalise(matrix x, const std::string& name) const {
    for (auto& row : x) {
      const auto d = static_cast<double>(row.size());
      double mean = 0;
      for (const double v : row) mean += v / d;
      double variance = 0;
      for (const double v : row) variance += (v - mean) * (v - mean) / d;
      for (std::size_t c = 0; c < row.size(); ++c)
        row[c] = (row[c] - mean) / std::sqrt(variance + 1e-12) * value(name + ".weight", c) +
                 value(name + ".bias", c);
    }
    return x;
  }

  case_of c_;
  random_source random_;
  tensor_store tensors_;
};

/// Hidden rows after the layer.
template <class Policy, class Arch, class Executor>
std::vector<float> run_layer(const case_of& c, const plain_layer<Policy>& plain, const matrix& h,
                             Executor& executor) {
  lowbit::padded_layer<Policy, Arch> layer;
  lowbit::arena measure;
  REQUIRE(layer.load(measure, plain.tensors().weights(), 0, c.shape).ok());
  const guarded<std::byte> memory(measure.used(), 0xFF);
  lowbit::arena space(memory.data(), memory.size());
  const lowbit::status loaded = layer.load(space, plain.tensors().weights(), 0, c.shape);
  INFO(loaded.message());
  REQUIRE(loaded.ok());
  const lowbit::batch_limits limits{c.tokens(), c.valid.size(), c.length, executor.workers()};
  lowbit::arena measured;
  lowbit::padded_workspace<Policy, Arch, false> w;
  w.plan(measured, c.shape, limits);
  const guarded<std::byte> work(measured.used(), 0xFF);
  lowbit::arena planned(work.data(), work.size());
  w.plan(planned, c.shape, limits);
  for (std::size_t t = 0; t < h.size(); ++t) {
    for (std::size_t k = 0; k < h[t].size(); ++k) w.hidden(t, k) = static_cast<float>(h[t][k]);
  }
  std::vector<std::uint32_t> offsets{0};
  for (std::size_t s = 0; s < c.valid.size(); ++s)
    offsets.push_back(static_cast<std::uint32_t>((s + 1) * c.length));
  lowbit::no_observer observer;
  layer.run(w, {offsets.data(), c.valid.size(), c.valid.data()}, executor, observer);
  std::vector<float> out;
  for (std::size_t t = 0; t < h.size(); ++t)
    out.insert(out.end(), w.hidden.row(t), w.hidden.row(t) + c.shape.hidden);
  return out;
}

template <class Policy>
void check(const case_of& c, std::uint64_t seed) {
  const plain_layer<Policy> plain(c, seed);
  random_source random(seed + 1000);
  matrix h(c.tokens(), std::vector<double>(c.shape.hidden));
  for (auto& row : h) {
    for (double& v : row) v = static_cast<double>(random.around(0.0F, 1.6F));
  }
  const matrix expected = plain.run(h);
  std::vector<float> first;
  const auto on_arch = [&]<class Arch>(Arch) {
    if (!lowbit::cpu_runs(Arch::name)) return;
    two_threads one{1};
    const auto found = run_layer<Policy, Arch>(c, plain, h, one);
    if (first.empty()) {
      first = found;
      double largest = 0;
      for (std::size_t t = 0; t < h.size(); ++t) {
        for (std::size_t k = 0; k < c.shape.hidden; ++k) {
          const double d =
              std::abs(static_cast<double>(found[t * c.shape.hidden + k]) - expected[t][k]);
          if (!(d <= largest)) largest = d;
        }
      }
      INFO(Policy::name << " hidden " << c.shape.hidden << " seed " << seed);
      CHECK(largest <= 5e-6);
    }
    CAPTURE(Arch::name, Policy::name, seed);
    CHECK(found == first);
    two_threads both;
    CHECK(run_layer<Policy, Arch>(c, plain, h, both) == first);
  };
  std::apply([&](auto... archs) { (on_arch(archs), ...); }, compiled_archs{});
}

template <class Policy>
void check_shapes(std::uint64_t seed) {
  check<Policy>(ragged(45, 3, 30, 83, {9, 4}, 9), seed);
  check<Policy>(ragged(33, 1, 21, 17, {1}, 1), seed + 1);
  check<Policy>(ragged(64, 2, 0, 130, {70, 1}, 70), seed + 2);  // two blocks of queries
}

}  // namespace

TEST_CASE("a TernaryBERT layer equals its plain evaluation", "[nn]") {
  check_shapes<lowbit::policy::ternarybert<8>>(200);
  check_shapes<lowbit::policy::ternarybert<4>>(406);
}

TEST_CASE("a BinaryBERT layer equals its plain evaluation", "[nn]") {
  check_shapes<lowbit::policy::binarybert<8>>(61);
  check_shapes<lowbit::policy::binarybert<4>>(71);
  check_shapes<lowbit::policy::binarybert_ternary<4>>(81);
}

TEST_CASE("a split BinaryBERT layer equals its plain evaluation", "[nn]") {
  check_shapes<lowbit::policy::binarybert_split<8>>(91);
  check_shapes<lowbit::policy::binarybert_split<4>>(101);
}

TEST_CASE("a padded layer refuses clips and steps that are none", "[nn]") {
  const case_of c = ragged(12, 2, 0, 9, {3}, 3);
  const auto message = [&]<class Policy>(plain_layer<Policy>& plain) {
    lowbit::padded_layer<Policy, lowbit::scalar> layer;
    lowbit::arena measure;
    REQUIRE(layer.load(measure, plain.tensors().weights(), 0, c.shape).ok());
    const guarded<std::byte> memory(measure.used());
    lowbit::arena space(memory.data(), memory.size());
    return std::string(layer.load(space, plain.tensors().weights(), 0, c.shape).message());
  };
  const std::string self = "bert.encoder.layer.0.attention.self.";
  const auto set = [](tensor_store& tensors, const std::string& name, float v) {
    std::memcpy(tensors.bytes(name).data(), &v, sizeof v);
  };
  plain_layer<lowbit::policy::ternarybert<8>> ternary(c, 5);
  CHECK(message(ternary).empty());
  set(ternary.tensors(), self + "key.input.clip", 7.0F);
  CHECK(message(ternary) ==
        "tensor " + self + "key.input.clip is not an interval, expected its lower end first");
  ternary.tensors().remove(self + "key.input.clip");
  CHECK(message(ternary) == "tensor " + self + "key.input.clip is missing");

  plain_layer<lowbit::policy::binarybert_split<4>> split(c, 6);
  CHECK(message(split).empty());
  set(split.tensors(), self + "probability.scale", 0.0F);
  CHECK(message(split) == "tensor " + self + "probability.scale is not above 0");
  set(split.tensors(), self + "probability.scale", std::nanf(""));
  CHECK(message(split) == "tensor " + self + "probability.scale element 0 is not finite");
  split.tensors().remove(self + "value_2.bias");
  set(split.tensors(), self + "probability.scale", 1.0F);
  CHECK(message(split) == "tensor " + self + "value_2.bias is missing");
}
