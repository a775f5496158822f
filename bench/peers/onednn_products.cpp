// SPDX-License-Identifier: Apache-2.0
// oneDNN's matmul: weights in its preferred layout, reordered once. f32, and u8 x s8 to s32.
// Supports both API versions: version 2 has separate operation descriptors, version 3 does not.
#include <cmath>
#include <random>

#include "contestants.hpp"

#ifdef LOWBIT_BENCH_ONEDNN
#include <dnnl.hpp>
#endif

namespace lowbit_bench {

#ifdef LOWBIT_BENCH_ONEDNN

namespace {

using dnnl::memory;
using data_type = memory::data_type;

memory::dims dims(std::size_t rows, std::size_t cols) {
  return {static_cast<memory::dim>(rows), static_cast<memory::dim>(cols)};
}

/// out (M, N) = a (M, K) w^T with w stored as (N, K).
class matmul {
 public:
  matmul(const gemm_shape& s, data_type a, data_type w, data_type out, void* a_data, void* w_data,
         void* out_data)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const memory::desc source(dims(s.m, s.k), a, memory::format_tag::ab);
    const memory::desc stored(dims(s.k, s.n), w, memory::format_tag::ba);
    const memory::desc wanted(dims(s.k, s.n), w, memory::format_tag::any);
    const memory::desc result(dims(s.m, s.n), out, memory::format_tag::ab);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc plan(engine_, source, wanted, result);
#else
    const dnnl::matmul::primitive_desc plan(dnnl::matmul::desc(source, wanted, result), engine_);
#endif
    memory plain(stored, engine_, w_data);
    memory weights(plan.weights_desc(), engine_);
    dnnl::reorder(plain, weights).execute(stream_, plain, weights);
    stream_.wait();
    arguments_ = {{DNNL_ARG_SRC, memory(source, engine_, a_data)},
                  {DNNL_ARG_WEIGHTS, weights},
                  {DNNL_ARG_DST, memory(result, engine_, out_data)}};
    primitive_ = dnnl::matmul(plan);
    implementation_ = plan.impl_info_str();
  }
  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }
  [[nodiscard]] const std::string& implementation() const { return implementation_; }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul primitive_;
  std::unordered_map<int, memory> arguments_;
  std::string implementation_;
};

struct f32_problem {
  std::vector<float> a, weights, out;
  matmul product;

  explicit f32_problem(const problem& f32)
      : a(f32.a()),
        weights(f32.weights()),
        out(f32.shape().m * f32.shape().n),
        product(f32.shape(), data_type::f32, data_type::f32, data_type::f32, a.data(),
                weights.data(), out.data()) {}
};

struct int8_problem {
  gemm_shape shape;
  std::vector<std::uint8_t> a;       // (M, K)
  std::vector<std::int8_t> weights;  // (N, K)
  std::vector<std::int32_t> out;     // (M, N)
  std::unique_ptr<matmul> product;

  explicit int8_problem(const gemm_shape& s)
      : shape(s), a(s.m * s.k), weights(s.n * s.k), out(s.m * s.n) {
    std::mt19937 random(1);
    for (auto& v : a) v = static_cast<std::uint8_t>(random() & 255U);
    for (auto& v : weights) v = static_cast<std::int8_t>(static_cast<int>(random() % 255U) - 127);
    product = std::make_unique<matmul>(s, data_type::u8, data_type::s8, data_type::s32, a.data(),
                                       weights.data(), out.data());
  }
  /// Checks the first and the last rows, exactly.
  std::string check() {
    out.assign(out.size(), -1);
    product->run();
    constexpr std::size_t some = 4;
    for (std::size_t m = 0; m < shape.m; ++m) {
      if (m >= some && m + some < shape.m) continue;
      for (std::size_t n = 0; n < shape.n; ++n) {
        std::int32_t sum = 0;
        for (std::size_t k = 0; k < shape.k; ++k)
          sum += std::int32_t{a[m * shape.k + k]} * weights[n * shape.k + k];
        if (out[m * shape.n + n] != sum) {
          return "element " + std::to_string(m) + "," + std::to_string(n) + " is " +
                 std::to_string(out[m * shape.n + n]) + ", expected " + std::to_string(sum);
        }
      }
    }
    return {};
  }
};

}  // namespace

void add_onednn(const product_context& context, std::vector<contestant>& entries) {
  try {
    const auto f32 = std::make_shared<f32_problem>(context.f32);
    entries.push_back({"oneDNN f32", [f32] { f32->product.run(); },
                       [f32, &context] {
                         f32->out.assign(f32->out.size(), NAN);
                         f32->product.run();
                         return compare_floats(context.f32, f32->out);
                       }});
    const auto int8 = std::make_shared<int8_problem>(context.shape);
    entries.push_back(
        {"oneDNN u8s8s32", [int8] { int8->product->run(); }, [int8] { return int8->check(); }});
  } catch (const dnnl::error& e) {
    context.report.note_absent("oneDNN", e.what());
  }
}

std::string onednn_description() {
  const dnnl_version_t* v = dnnl_version();
  std::string text =
      std::to_string(v->major) + "." + std::to_string(v->minor) + "." + std::to_string(v->patch);
  try {
    text += ", u8s8s32 by " + int8_problem({128, 768, 768}).product->implementation();
  } catch (const dnnl::error& e) {
    text += std::string(", no u8s8s32: ") + e.what();
  }
  return text;
}

#else

void add_onednn(const product_context& context, std::vector<contestant>&) {
  context.report.note_absent("oneDNN", onednn_description());
}
std::string onednn_description() { return "none: built without oneDNN"; }

#endif

}  // namespace lowbit_bench
