// SPDX-License-Identifier: Apache-2.0
// Elements of tensors as plain numbers, for expected values that are worked out by loops.
#pragma once

#include <torch/torch.h>

#include <cmath>
#include <vector>

namespace train_test {

inline std::vector<double> double_values(const at::Tensor& t) {
  const at::Tensor plain = t.detach().to(at::kDouble).contiguous();
  return {plain.data_ptr<double>(), plain.data_ptr<double>() + plain.numel()};
}
inline std::vector<float> float_values(const at::Tensor& t) {
  const at::Tensor plain = t.detach().to(at::kFloat).contiguous();
  return {plain.data_ptr<float>(), plain.data_ptr<float>() + plain.numel()};
}
/// The only element.
inline double value_of(const at::Tensor& t) { return t.detach().to(at::kDouble).item<double>(); }

inline bool near(double a, double b, double bound = 1e-6) { return std::abs(a - b) <= bound; }

}  // namespace train_test
