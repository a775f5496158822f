// SPDX-License-Identifier: Apache-2.0
#include "layer_errors.hpp"

#include <cmath>
#include <limits>

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

double signal_error::decibels() const {
  return noise == 0 ? std::numeric_limits<double>::infinity() : -10.0 * std::log10(noise);
}

void error_sum::add(const std::vector<float>& reference, const std::vector<float>& other) {
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const auto a = static_cast<double>(reference[i]);
    const auto b = static_cast<double>(other[i]);
    dot_ += a * b;
    reference_ += a * a;
    other_ += b * b;
    difference_ += (a - b) * (a - b);
    largest_ = std::max(largest_, std::abs(a - b));
  }
}

signal_error error_sum::get() const {
  signal_error e;
  const double norms = std::sqrt(reference_) * std::sqrt(other_);
  e.cosine = norms == 0 ? 0 : dot_ / norms;
  e.largest = largest_;
  e.noise = reference_ == 0 ? 0 : difference_ / reference_;
  return e;
}

result<std::vector<std::vector<float>>> hidden_rows_of(session& model, const token_rows& rows) {
  struct recorder {
    std::vector<std::vector<float>> hidden;
    static void take(void* self, std::size_t index, lowbit::run_observer::rows values) {
      auto& hidden = static_cast<recorder*>(self)->hidden;
      hidden.resize(std::max(hidden.size(), index + 1));
      for (std::size_t r = 0; r < values.rows; ++r) {
        const float* row = values.row(r);
        hidden[index].insert(hidden[index].end(), row, row + values.cols);
      }
    }
  };
  recorder seen;
  const lowbit::run_observer watch{&seen, recorder::take};
  LOWBIT_TRY_ASSIGN(const auto out, model.run(rows, &watch));
  return std::move(seen.hidden);
}

result<layer_errors> compare_layers(session& reference, session& other,
                                    const std::vector<token_rows>& batches) {
  const lowbit::model_shape& a = reference.shape();
  const lowbit::model_shape& b = other.shape();
  if (a.layers != b.layers || a.hidden != b.hidden || a.vocabulary != b.vocabulary) {
    return status::error(errc::invalid_argument, "models have different shapes: ", a.layers,
                         " layers, hidden size ", a.hidden, ", vocabulary ", a.vocabulary, " and ",
                         b.layers, " layers, hidden size ", b.hidden, ", vocabulary ",
                         b.vocabulary);
  }
  std::vector<error_sum> accumulated(a.layers + 1);
  std::vector<error_sum> alone(a.layers + 1);
  for (const token_rows& rows : batches) {
    LOWBIT_TRY_ASSIGN(auto first, hidden_rows_of(reference, rows));
    LOWBIT_TRY_ASSIGN(const auto second, hidden_rows_of(other, rows));
    for (std::size_t l = 0; l <= a.layers; ++l) accumulated[l].add(first[l], second[l]);
    alone[0].add(first[0], second[0]);
    for (std::size_t l = 0; l < a.layers; ++l) {
      std::vector<float> hidden = first[l];
      LOWBIT_TRY(other.run_layer(l, rows, hidden));
      alone[l + 1].add(first[l + 1], hidden);
    }
  }
  layer_errors out;
  for (const error_sum& e : accumulated) out.accumulated.push_back(e.get());
  for (const error_sum& e : alone) out.alone.push_back(e.get());
  return out;
}

}  // namespace lowbit_tool
