// SPDX-License-Identifier: Apache-2.0
// lowbit's int8 activations with 8-bit, 4-bit (a codebook of 16 int8 centroids) and 1-bit weights
// and int32 output, the counterpart of oneDNN's u8s8s32. Checked exactly against a plain sum.
#include <cstring>
#include <random>

#include "byte_arch.hpp"
#include "code_kernels.hpp"
#include "contestants.hpp"
#include "lowbit/tensor/arena.hpp"

namespace lowbit_bench {
namespace {

struct format {
  const char* name;
  code_width width;
  unsigned codes;  // number of distinct codes
};
constexpr format formats[] = {
    {"lowbit i8", code_width::eight, 0},
    {"lowbit cb16", code_width::four, 16},
    {"lowbit w1a8", code_width::one, 2},
};

const code_kernels& kernels_of(const std::string& arch) {
#define X(tag) &code_kernels_##tag,
  for (const code_kernels* table : {LOWBIT_BENCH_EACH_ARCH}) {
    if (arch == table->arch) return *table;
  }
#undef X
  return code_kernels_scalar;
}

class code_problem {
 public:
  code_problem(const format& f, const gemm_shape& shape, const code_kernels& table)
      : width_(f.width), shape_(shape), table_(table) {
    std::mt19937 random(1);
    const auto code = [&random] {
      return static_cast<std::int8_t>(static_cast<int>(random() % 255U) - 127);
    };
    const auto [m, n, k] = shape_;
    std::int8_t values[16] = {1, -1};
    if (f.codes > 2) {
      for (std::int8_t& v : values) v = code();
    }
    std::vector<std::uint8_t> codes(n * k);
    weights_.resize(n * k);
    for (std::size_t i = 0; i < n * k; ++i) {
      weights_[i] = f.codes == 0 ? code() : std::int8_t{};
      codes[i] = static_cast<std::uint8_t>(weights_[i]);
      if (f.codes == 0) continue;
      codes[i] = static_cast<std::uint8_t>(random() % f.codes);
      weights_[i] = values[codes[i]];
    }
    a_stride_ = lowbit::round_up(k, lowbit::buffer_alignment);
    a_ = lowbit::aligned_buffer(m * a_stride_);
    std::memset(a_.data(), 0, a_.size());
    for (std::size_t r = 0; r < m; ++r) {
      std::int32_t sum = 0;
      for (std::size_t j = 0; j < k; ++j) sum += a(r, j) = code();
      row_sums_.push_back(sum);
    }
    packed_ = lowbit::aligned_buffer(table_.packed_bytes(width_, n, k));
    std::vector<std::uint8_t> scratch(k);
    table_.pack(width_, values, codes.data(), n, k, packed_.data(), scratch.data());
    out_stride_ = lowbit::float_stride(n);
    out_.resize(m * out_stride_);
  }

  void run() {
    table_.gemm(width_, {shape_.m, shape_.n, shape_.k, a_.data(), a_stride_ / 4, row_sums_.data(),
                         packed_.data(), out_.data(), out_stride_});
  }

  /// The first and the last rows: whole tiles and the tail.
  std::string check() {
    out_.assign(out_.size(), -1);
    run();
    constexpr std::size_t some = 4;
    for (std::size_t r = 0; r < shape_.m; ++r) {
      if (r >= some && r + some < shape_.m) continue;
      for (std::size_t o = 0; o < shape_.n; ++o) {
        std::int32_t sum = 0;
        for (std::size_t j = 0; j < shape_.k; ++j)
          sum += std::int32_t{a(r, j)} * weights_[o * shape_.k + j];
        const std::int32_t found = out_[r * out_stride_ + o];
        if (found != sum) {
          return "element " + std::to_string(r) + "," + std::to_string(o) + " is " +
                 std::to_string(found) + ", expected " + std::to_string(sum);
        }
      }
    }
    return {};
  }

 private:
  std::int8_t& a(std::size_t row, std::size_t col) {
    return reinterpret_cast<std::int8_t*>(a_.data())[row * a_stride_ + col];
  }

  code_width width_;
  gemm_shape shape_;
  const code_kernels& table_;
  std::vector<std::int8_t> weights_;  // (N, K), decoded
  std::vector<std::int32_t> row_sums_, out_;
  lowbit::aligned_buffer a_, packed_;
  std::size_t a_stride_ = 0;  // bytes
  std::size_t out_stride_ = 0;
};

}  // namespace

void add_lowbit_codes(const product_context& context, std::vector<contestant>& entries) {
  for (const format& f : formats) {
    const auto work =
        std::make_shared<code_problem>(f, context.shape, kernels_of(byte_arch(context.table)));
    entries.push_back({f.name, [work] { work->run(); }, [work] { return work->check(); }});
  }
}

}  // namespace lowbit_bench
