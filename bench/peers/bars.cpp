// SPDX-License-Identifier: Apache-2.0
#include "bars.hpp"

#include "contests.hpp"

namespace lowbit_bench {
namespace {

struct product_bar {
  std::size_t m;
  const char* ours;
  const char* rival;
  double least;
};
constexpr product_bar product_bars[] = {
    {16, "lowbit f32", "oneDNN f32", 0.95},    {128, "lowbit f32", "oneDNN f32", 0.95},
    {1, "lowbit i8", "oneDNN u8s8s32", 1.3},   {128, "lowbit i8", "oneDNN u8s8s32", 1.0},
    {1, "lowbit cb16", "oneDNN u8s8s32", 1.5}, {128, "lowbit cb16", "oneDNN u8s8s32", 0.8},
    {1, "lowbit w1a8", "oneDNN u8s8s32", 1.7}, {128, "lowbit w1a8", "oneDNN u8s8s32", 1.0},
};

struct encoder_bar {
  const char* shape;
  const char* input;
  std::size_t threads;
  const char* ours;
  const char* rival;
  double least;
};
constexpr const char* ort_f32 = "ONNX Runtime fp32";
constexpr const char* ort_int8 = "ONNX Runtime int8";
constexpr encoder_bar encoder_bars[] = {
    {"bert-base", "S=16", 1, "lowbit int8", ort_int8, 1.5},
    {"bert-base", "S=128", 1, "lowbit int8", ort_int8, 1.5},
    {"bert-base", "S=16", 2, "lowbit int8", ort_int8, 1.5},
    {"bert-base", "S=128", 2, "lowbit int8", ort_int8, 1.5},
    {"bert-base", "S=16", 1, "lowbit bibert", ort_f32, 28},
    {"bert-base", "S=128", 1, "lowbit bibert", ort_f32, 18},
    {"bert-base", "S=16", 1, "lowbit bibert", ort_int8, 8},
    {"bert-base", "S=128", 1, "lowbit bibert", ort_int8, 7},
    {"bert-base", "S=16", 1, "lowbit w1a8", ort_int8, 2.5},
    {"tinybert-4l", "S=16", 1, "lowbit int8", ort_int8, 2},
    {"bert-base", "8 sentences", 1, "lowbit int8", ort_int8, 2.5},
    {"bert-base", "S=128", 2, "lowbit int8", "lowbit int8, 1 thread", 1.8},
    {"bert-base", "S=128", 2, "lowbit bibert", "lowbit bibert, 1 thread", 1.8},
};

}  // namespace

std::vector<bar> all_bars() {
  std::vector<bar> bars;
  for (const product_bar& b : product_bars) {
    for (const product_size& size : product_sizes)
      bars.push_back({product_contest(b.m, size), b.ours, b.rival, b.least});
  }
  for (const encoder_bar& b : encoder_bars)
    bars.push_back({encoder_contest(b.shape, b.input, b.threads), b.ours, b.rival, b.least});
  return bars;
}

std::vector<bar_result> judge(const std::vector<bar>& bars, const peer_report& report,
                              const std::string& arch) {
  std::vector<bar_result> results;
  for (const bar& b : bars) {
    bar_result r{b, 0, ""};
    const measurement* ours = report.find(b.contest, b.ours);
    const measurement* rival = report.find(b.contest, b.rival);
    if (ours != nullptr && rival != nullptr) {
      r.ratio = rival->seconds() / ours->seconds();
    } else {
      r.why = std::string("no measurement of ") + (ours == nullptr ? b.ours : b.rival);
    }
    if (arch != "avx512") r.why = "defined for AVX-512, this CPU has " + arch;
    results.push_back(std::move(r));
  }
  return results;
}

}  // namespace lowbit_bench
