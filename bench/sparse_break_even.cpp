// SPDX-License-Identifier: Apache-2.0
// lowbit_sparse_break_even: above which sparsity is a sparse product faster than the dense one of
// the same type? Linear layers of BERT-base, one thread, random weights pruned by magnitude or by
// block; medians of interleaved repetitions, ratios only. Exit code 1 if an output differs from the
// dense product of the same matrix.
#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include <cmath>
#include <deque>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "lowbit/codec/prune.hpp"
#include "lowbit/cost/measure.hpp"
#include "lowbit/gemm/gemm.hpp"
#include "lowbit/gemm/sparse_gemm.hpp"

namespace {

using arch = lowbit::native;
using lowbit::block;
using int8 = lowbit::int8<lowbit::scale::row>;
using lowbit::matrix_view;

constexpr double sparsities[] = {0.2, 0.35, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98};
constexpr std::size_t row_counts[] = {1, 16, 128};
struct layer_shape {
  std::size_t n, k;
};
constexpr layer_shape shapes[] = {{768, 768}, {3072, 768}, {768, 3072}};

/// Activations of both types for every row count, and buffers for the outputs.
struct operands {
  std::size_t k, stride, quad_stride, out_stride;
  std::vector<float> x;
  std::vector<lowbit::quad> codes;
  std::vector<std::int32_t> sums;
  std::vector<float> out, expected;

  operands(std::size_t m, layer_shape s, std::mt19937& random)
      : k(s.k),
        stride(lowbit::float_stride(s.k)),
        quad_stride(lowbit::round_up(lowbit::code_dot<8>::units(s.k), 4)),
        out_stride(lowbit::round_up(s.n, lowbit::virtual_lanes)),
        x(m * stride),
        codes(m * quad_stride),
        sums(m),
        out(m * out_stride),
        expected(out.size()) {
    std::normal_distribution<float> normal;
    for (float& v : x) v = normal(random);
    for (std::size_t i = 0; i < m * s.k; ++i) {
      const auto code = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
      codes[i / s.k * quad_stride + i % s.k / 4].code[i % s.k % 4] = code;
      sums[i / s.k] += code;
    }
  }
  template <class Op>
  [[nodiscard]] lowbit::activation_rows<Op> rows(std::size_t m) const {
    if constexpr (std::is_same_v<Op, lowbit::mul_add>) {
      return {{x.data(), m, k, stride}, k};
    } else {
      return {{codes.data(), m, Op::units(k), quad_stride}, k, sums.data()};
    }
  }
  [[nodiscard]] static auto stage(lowbit::mul_add, matrix_view<float> to) {
    return lowbit::store{to};
  }
  [[nodiscard]] static auto stage(lowbit::code_dot<8>, matrix_view<float> to) {
    return lowbit::to_float{} | lowbit::store{to};
  }
};

/// One pruned matrix in sparse and dense form.
template <class Codec, class Op, template <class, class> class Layout>
class contestant {
 public:
  contestant(const std::vector<float>& w, layer_shape s, double sparsity) : shape_(s) {
    auto kept = lowbit::prune_magnitude<typename Codec::shape>({w.data(), s.n, s.k, s.k}, sparsity);
    auto encoded = encode(Codec{}, matrix_view<const float>{kept.value().data(), s.n, s.k, s.k});
    bytes_ = encoded.value().bytes();
    typename Codec::reader stored;
    open(*encoded, stored);
    lowbit::arena measure;
    sparse_.load(measure, stored.blocks);
    memory_ = lowbit::aligned_buffer(measure.used());
    lowbit::arena space(memory_.data(), memory_.size());
    sparse_.load(space, stored.blocks);
    pack_dense(stored);
  }
  void run_sparse(operands& x, std::size_t m, std::vector<float>& out) const {
    sparse_gemm(x.template rows<Op>(m), sparse_, operands::stage(Op{}, view(x, m, out)), serial_);
  }
  void run_dense(operands& x, std::size_t m, std::vector<float>& out) const {
    lowbit::gemm<Op, arch>(x.template rows<Op>(m), dense_, operands::stage(Op{}, view(x, m, out)),
                           serial_);
  }
  [[nodiscard]] bool is_right(operands& x, std::size_t m) const {
    std::fill(x.out.begin(), x.out.end(), NAN);
    run_sparse(x, m, x.out);
    run_dense(x, m, x.expected);
    for (std::size_t r = 0; r < m; ++r) {
      for (std::size_t o = 0; o < shape_.n; ++o) {
        if (!(x.out[r * x.out_stride + o] == x.expected[r * x.out_stride + o])) return false;
      }
    }
    return true;
  }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  using packed = lowbit::packed_weights<Op, arch>;

  [[nodiscard]] matrix_view<float> view(const operands& x, std::size_t m,
                                        std::vector<float>& out) const {
    return {out.data(), m, shape_.n, x.out_stride};
  }
  void open(const lowbit::encoded_matrix& encoded, typename Codec::reader& stored) const {
    std::deque<std::string> names;
    std::vector<lowbit::stored_tensor> tensors;
    for (const lowbit::encoded_tensor& t : encoded.tensors) {
      names.push_back("w" + t.suffix);
      lowbit::stored_tensor tensor;
      tensor.name = names.back().c_str();
      tensor.data = t.bytes.data();
      tensor.type = t.type;
      tensor.rank = t.shape.size();
      for (std::size_t i = 0; i < t.shape.size(); ++i) tensor.shape[i] = t.shape[i];
      tensors.push_back(tensor);
    }
    const auto opened =
        stored.open({tensors.data(), tensors.size()}, lowbit::tensor_name("w"), shape_.n, shape_.k);
    if (!opened.ok()) throw std::runtime_error(std::string(opened.message()));
  }
  void pack_dense(const typename Codec::reader& stored) {
    dense_memory_ =
        lowbit::aligned_buffer(packed::elements(shape_.n, shape_.k) * sizeof(typename Op::weight));
    auto* memory = reinterpret_cast<typename Op::weight*>(dense_memory_.data());
    if constexpr (std::is_same_v<Op, lowbit::mul_add>) {
      std::vector<float> row(shape_.k);
      dense_ =
          lowbit::pack<Op, arch>(memory, shape_.n, shape_.k, [&](std::size_t o, std::size_t u) {
            if (u == 0) stored.floats(o, row.data());
            return row[u];
          });
    } else {
      std::vector<std::uint8_t> row(shape_.k);
      dense_ = lowbit::pack_codes<Op, arch, std::int8_t>(
          memory, shape_.n, shape_.k, row.data(),
          [&](std::size_t o, std::uint8_t* out) {
            stored.integers(o, reinterpret_cast<std::int8_t*>(out));
          },
          [](std::size_t, std::int8_t(&)[16]) {});
    }
  }

  layer_shape shape_;
  std::size_t bytes_ = 0;
  Layout<Op, arch> sparse_;
  packed dense_;
  lowbit::aligned_buffer memory_, dense_memory_;
  mutable lowbit::serial serial_;
};

constexpr const char* kinds[] = {"csr f32", "block f32", "csr int8", "block int8"};

/// Times for one sparsity: dense f32, dense int8, then the sparse kinds.
struct point {
  double sparsity = 0;
  double dense_milliseconds[2] = {};
  double milliseconds[4] = {};
  std::size_t bytes[4] = {};
  /// dense: 0 for f32, 1 for int8
  [[nodiscard]] double ratio(std::size_t kind, std::size_t dense) const {
    return dense_milliseconds[dense] / milliseconds[kind];
  }
  [[nodiscard]] double ratio(std::size_t kind) const { return ratio(kind, kind / 2); }
};

/// Sparsity at which the ratio crosses 1, linearly interpolated between measured points.
std::string break_even(const std::vector<point>& points, std::size_t kind, std::size_t dense) {
  for (std::size_t i = points.size(); i-- > 0;) {
    const double below = points[i].ratio(kind, dense);
    if (below >= 1) continue;
    if (i + 1 == points.size()) return fmt::format("above {:.0f} %", 100 * points[i].sparsity);
    const double share = (1 - below) / (points[i + 1].ratio(kind, dense) - below);
    return fmt::format("{:.0f} %", 100 * (points[i].sparsity +
                                          share * (points[i + 1].sparsity - points[i].sparsity)));
  }
  return fmt::format("below {:.0f} %", 100 * points[0].sparsity);
}

/// Empty if all outputs are correct, otherwise the kind that is not.
std::string measure(const std::vector<float>& w, layer_shape s, double sparsity,
                    std::size_t repetitions, std::vector<operands>& inputs,
                    std::vector<std::vector<point>>& points) {
  using namespace lowbit;
  const contestant<sparse<>, mul_add, row_slices> csr(w, s, sparsity);
  const contestant<sparse<f32, block<16, 1>>, mul_add, panel_blocks> blocks(w, s, sparsity);
  const contestant<sparse<int8>, code_dot<8>, row_slices> csr_codes(w, s, sparsity);
  const contestant<sparse<int8, block<16, 4>>, code_dot<8>, panel_blocks> code_blocks(w, s,
                                                                                      sparsity);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    operands& x = inputs[i];
    const std::size_t m = row_counts[i];
    if (!csr.is_right(x, m)) return kinds[0];
    if (!blocks.is_right(x, m)) return kinds[1];
    if (!csr_codes.is_right(x, m)) return kinds[2];
    if (!code_blocks.is_right(x, m)) return kinds[3];
    const auto t = measure_interleaved(
        {[&] { csr.run_dense(x, m, x.out); }, [&] { csr_codes.run_dense(x, m, x.out); },
         [&] { csr.run_sparse(x, m, x.out); }, [&] { blocks.run_sparse(x, m, x.out); },
         [&] { csr_codes.run_sparse(x, m, x.out); }, [&] { code_blocks.run_sparse(x, m, x.out); }},
        {repetitions, 0.001, thread_seconds, {}});
    point p{
        sparsity, {}, {}, {csr.bytes(), blocks.bytes(), csr_codes.bytes(), code_blocks.bytes()}};
    for (std::size_t d = 0; d < 2; ++d) p.dense_milliseconds[d] = 1e3 * t[d].median;
    for (std::size_t c = 0; c < 4; ++c) p.milliseconds[c] = 1e3 * t[2 + c].median;
    points[i].push_back(p);
  }
  return {};
}

void print(layer_shape s, std::size_t m, const std::vector<point>& points) {
  fmt::print("\nM {} N {} K {}: speedup over dense of the same type\n{:>8}", m, s.n, s.k, "zeros");
  for (const char* kind : kinds) fmt::print("{:>12}", kind);
  fmt::print("{:>16}{:>16}\n", "dense f32 ms", "dense int8 ms");
  for (const point& p : points) {
    fmt::print("{:>6.0f} %", 100 * p.sparsity);
    for (std::size_t c = 0; c < 4; ++c) fmt::print("{:>12.2f}", p.ratio(c));
    fmt::print("{:>16.4f}{:>16.4f}\n", p.dense_milliseconds[0], p.dense_milliseconds[1]);
  }
  fmt::print("{:>8}", "even at");
  for (std::size_t c = 0; c < 4; ++c) fmt::print("{:>12}", break_even(points, c, c / 2));
  fmt::print("\n{:>8}", "int8");
  for (std::size_t c = 0; c < 2; ++c) fmt::print("{:>12}", break_even(points, c, 1));
  fmt::print("   even with dense int8\n");
}

nlohmann::json json_of(layer_shape s, std::size_t m, const std::vector<point>& points) {
  nlohmann::json out = {{"m", m}, {"n", s.n}, {"k", s.k}, {"points", nlohmann::json::array()}};
  for (std::size_t c = 0; c < 4; ++c) out["break_even"][kinds[c]] = break_even(points, c, c / 2);
  for (std::size_t c = 0; c < 2; ++c) {
    out["break_even_with_dense_int8"][kinds[c]] = break_even(points, c, 1);
  }
  for (const point& p : points) {
    nlohmann::json row = {{"sparsity", p.sparsity},
                          {"dense_f32_milliseconds", p.dense_milliseconds[0]},
                          {"dense_int8_milliseconds", p.dense_milliseconds[1]}};
    for (std::size_t c = 0; c < 4; ++c) {
      row[kinds[c]] = {
          {"milliseconds", p.milliseconds[c]}, {"ratio", p.ratio(c)}, {"stored_bytes", p.bytes[c]}};
    }
    out["points"].push_back(std::move(row));
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t repetitions = 11;
  std::string path;
  CLI::App program("Sparsity above which a sparse product is faster than the dense one");
  program.add_option("--repetitions", repetitions, "repetitions per product")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  program.add_option("--json", path, "also write the results to this file");
  CLI11_PARSE(program, argc, argv);

  fmt::print("arch {}, one thread, medians of {} interleaved repetitions\n", arch::name,
             repetitions);
  nlohmann::json report = {{"arch", arch::name}, {"tables", nlohmann::json::array()}};
  std::mt19937 random(1);
  for (const layer_shape& s : shapes) {
    std::normal_distribution<float> normal(0.0F, 0.03F);
    std::vector<float> w(s.n * s.k);
    for (float& v : w) v = normal(random);
    std::vector<operands> inputs;
    for (const std::size_t m : row_counts) inputs.emplace_back(m, s, random);
    std::vector<std::vector<point>> points(std::size(row_counts));
    for (const double sparsity : sparsities) {
      const std::string wrong = measure(w, s, sparsity, repetitions, inputs, points);
      if (wrong.empty()) continue;
      fmt::print("WRONG RESULT: {} {}x{}, {:.0f} % zeros\n", wrong, s.n, s.k, 100 * sparsity);
      return 1;
    }
    for (std::size_t i = 0; i < points.size(); ++i) {
      print(s, row_counts[i], points[i]);
      report["tables"].push_back(json_of(s, row_counts[i], points[i]));
    }
  }
  if (path.empty()) return 0;
  std::ofstream out(path);
  out << report.dump(2) << '\n';
  out.close();
  if (out) return 0;
  fmt::print(stderr, "lowbit_sparse_break_even: {}: cannot write\n", path);
  return 1;
}
