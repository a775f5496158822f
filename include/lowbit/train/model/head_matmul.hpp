// SPDX-License-Identifier: Apache-2.0
// Products of very many very small matrices: the scores, contexts and similarities of every
// sentence and head. For ten tokens by 64 channels libtorch's bmm spends most of its time slicing,
// which took a quarter of a training step; here each product is a plain loop over register blocks.
// Other devices use libtorch's product.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "lowbit/train/model/every_cpu.hpp"
#include "lowbit/train/model/straight_through.hpp"

namespace lowbit::train {

namespace detail {

/// Sixteen floats; the compiler maps them to the available registers.
using lanes = float __attribute__((vector_size(64)));
inline constexpr std::int64_t lane_count = 16;

/// One matrix as the scalar operand of an update: element (i, k) at data[i * row + k * column].
struct scalar_matrix {
  const float* data;
  std::int64_t row, column;
};

/// out (M, N) = a (M, K) b (K, N), b and out row-major. Tiles of 4 x 16 are summed in registers;
/// columns after the last full sixteen (head widths that are no multiple of 16) one by one.
LOWBIT_EVERY_CPU inline void small_product(const scalar_matrix& a, const float* b, float* out,
                                           std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t tile = 4;
  const std::int64_t whole = n - n % lane_count;
  for (std::int64_t i = 0; i < m; i += tile) {
    const std::int64_t rows = std::min(tile, m - i);
    // Rows past the end repeat the last one and are not stored.
    const float* scalars[tile];
    for (std::int64_t r = 0; r < tile; ++r) scalars[r] = a.data + std::min(i + r, m - 1) * a.row;
    for (std::int64_t begin = 0; begin < whole; begin += lane_count) {
      lanes sum[tile] = {};
      for (std::int64_t j = 0; j < k; ++j) {
        lanes row;
        std::memcpy(&row, b + j * n + begin, sizeof row);
        for (std::int64_t r = 0; r < tile; ++r) sum[r] += scalars[r][j * a.column] * row;
      }
      for (std::int64_t r = 0; r < rows; ++r) {
        std::memcpy(out + (i + r) * n + begin, &sum[r], sizeof sum[r]);
      }
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = whole; c < n; ++c) {
        float sum = 0.0F;
        for (std::int64_t j = 0; j < k; ++j) sum += scalars[r][j * a.column] * b[j * n + c];
        out[(i + r) * n + c] = sum;
      }
    }
  }
}

/// out (M, N) = a (M, K) b^T for b (N, K): dot products in 16 partial sums, four at a time.
LOWBIT_EVERY_CPU inline void small_dots(const float* a, const float* b, float* out, std::int64_t m,
                                        std::int64_t n, std::int64_t k) {
  constexpr std::int64_t tile = 4;
  const std::int64_t whole = k - k % lane_count;
  for (std::int64_t i = 0; i < m; ++i) {
    const float* x = a + i * k;
    for (std::int64_t j = 0; j < n; j += tile) {
      const std::int64_t columns = std::min(tile, n - j);
      lanes sums[tile] = {};
      for (std::int64_t begin = 0; begin < whole; begin += lane_count) {
        lanes left, right;
        std::memcpy(&left, x + begin, sizeof left);
        for (std::int64_t c = 0; c < tile; ++c) {
          std::memcpy(&right, b + std::min(j + c, n - 1) * k + begin, sizeof right);
          sums[c] += left * right;
        }
      }
      for (std::int64_t c = 0; c < columns; ++c) {
        float parts[lane_count];
        std::memcpy(parts, &sums[c], sizeof parts);
        for (std::int64_t step = lane_count / 2; step > 0; step /= 2) {
          for (std::int64_t l = 0; l < step; ++l) parts[l] += parts[l + step];
        }
        float sum = parts[0];
        for (std::int64_t l = whole; l < k; ++l) sum += x[l] * b[(j + c) * k + l];
        out[i * n + j + c] = sum;
      }
    }
  }
}

/// Calls body(g) for each matrix of the two leading dimensions.
template <class Body>
void for_each_matrix(const Tensor& t, const Body& body) {
  const std::int64_t count = t.size(0) * t.size(1);
  for (std::int64_t g = 0; g < count; ++g) body(g);
}

}  // namespace detail

/// (B, A, M, K) x (B, A, K, N)
inline Tensor batched_nn(const Tensor& a, const Tensor& b) {
  if (!a.is_cpu()) return at::matmul(a, b);
  const Tensor x = a.contiguous(), y = b.contiguous();
  const std::int64_t m = x.size(2), k = x.size(3), n = y.size(3);
  Tensor out = at::empty({x.size(0), x.size(1), m, n}, x.options());
  const float *from = x.data_ptr<float>(), *with = y.data_ptr<float>();
  float* to = out.data_ptr<float>();
  detail::for_each_matrix(x, [&](std::int64_t g) {
    detail::small_product({from + g * m * k, k, 1}, with + g * k * n, to + g * m * n, m, n, k);
  });
  return out;
}

/// (B, A, K, M)^T x (B, A, K, N)
inline Tensor batched_tn(const Tensor& a, const Tensor& b) {
  if (!a.is_cpu()) return at::matmul(a.transpose(2, 3), b);
  const Tensor x = a.contiguous(), y = b.contiguous();
  const std::int64_t k = x.size(2), m = x.size(3), n = y.size(3);
  Tensor out = at::empty({x.size(0), x.size(1), m, n}, x.options());
  const float *from = x.data_ptr<float>(), *with = y.data_ptr<float>();
  float* to = out.data_ptr<float>();
  detail::for_each_matrix(x, [&](std::int64_t g) {
    detail::small_product({from + g * m * k, 1, m}, with + g * k * n, to + g * m * n, m, n, k);
  });
  return out;
}

/// (B, A, M, K) x (B, A, N, K)^T
inline Tensor batched_nt(const Tensor& a, const Tensor& b) {
  if (!a.is_cpu()) return at::matmul(a, b.transpose(2, 3));
  const Tensor x = a.contiguous(), y = b.contiguous();
  const std::int64_t m = x.size(2), k = x.size(3), n = y.size(2);
  Tensor out = at::empty({x.size(0), x.size(1), m, n}, x.options());
  const float *from = x.data_ptr<float>(), *with = y.data_ptr<float>();
  float* to = out.data_ptr<float>();
  detail::for_each_matrix(x, [&](std::int64_t g) {
    detail::small_dots(from + g * m * k, with + g * n * k, to + g * m * n, m, n, k);
  });
  return out;
}

/// scores = a b^T per sentence and head: a (B, A, M, d), b (B, A, N, d). The operands may be the
/// same tensor.
struct head_scores_function : torch::autograd::Function<head_scores_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& a,
                        const Tensor& b) {
    context->save_for_backward({a, b});
    return batched_nt(a, b);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {batched_nn(gradients[0], saved[1]), batched_tn(gradients[0], saved[0])};
  }
};

/// context = p v per sentence and head: p (B, A, M, N), v (B, A, N, d).
struct head_context_function : torch::autograd::Function<head_context_function> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& p,
                        const Tensor& v) {
    context->save_for_backward({p, v});
    return batched_nn(p, v);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    return {batched_nt(gradients[0], saved[1]), batched_tn(saved[0], gradients[0])};
  }
};

inline Tensor head_scores(const Tensor& a, const Tensor& b) {
  return head_scores_function::apply(a, b);
}
inline Tensor head_context(const Tensor& p, const Tensor& v) {
  return head_context_function::apply(p, v);
}

}  // namespace lowbit::train
