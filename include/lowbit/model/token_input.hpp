// SPDX-License-Identifier: Apache-2.0
// Checks that a batch of tokens fits a model, run before every encoder.
#pragma once

#include "lowbit/boundary/batch.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/core/executor.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Calls function(t, id, position, type) for every token t.
template <executor Executor, class Function>
void for_each_token(const token_input& in, Executor& executor, const Function& function) {
  executor.run(in.batch.sentences, [&](std::size_t s, std::size_t) {
    const std::size_t begin = in.batch.begin(s);
    for (std::size_t t = begin; t < begin + in.batch.length(s); ++t) {
      function(t, static_cast<std::size_t>(in.ids[t]),
               in.positions != nullptr ? static_cast<std::size_t>(in.positions[t]) : t - begin,
               in.type_ids != nullptr ? static_cast<std::size_t>(in.type_ids[t]) : 0);
    }
  });
}

namespace detail {
inline status in_table(const char* what, std::size_t t, std::int32_t value, std::size_t size) {
  if (value >= 0 && static_cast<std::size_t>(value) < size) return {};
  return status::error(errc::invalid_argument, what, " ", value, " at token ", t,
                       ", expected 0 to ", size - 1);
}

/// Rotary positions are computed, not looked up: they count from 0.
inline status check_counted(const token_input& in) {
  for (std::size_t s = 0; s < in.batch.sentences; ++s) {
    for (std::size_t i = 0; i < in.batch.length(s); ++i) {
      const std::size_t t = in.batch.begin(s) + i;
      if (in.positions[t] >= 0 && static_cast<std::size_t>(in.positions[t]) == i) continue;
      return status::error(errc::invalid_argument, "position ", in.positions[t], " at token ", t,
                           ", expected ", i, ": rotary positions count from 0");
    }
  }
  return {};
}
}  // namespace detail

/// Rejects padding: only policies whose ranges span a batch support it; others would attend to it.
[[nodiscard]] inline status check_unpadded(const token_input& in) {
  if (in.batch.valid == nullptr) return {};
  return status::error(errc::invalid_argument,
                       "a padded batch, this policy takes sentences without padding");
}

/// Checks that all sentences have the same length and at least one unpadded token each.
[[nodiscard]] inline status check_padded(const token_input& in, const char* policy) {
  const token_batch& batch = in.batch;
  for (std::size_t s = 0; s < batch.sentences; ++s) {
    if (batch.length(s) != batch.length(0)) {
      return status::error(errc::invalid_argument, "sentence ", s, " has ", batch.length(s),
                           " tokens, sentence 0 has ", batch.length(0), ": policy ", policy,
                           " needs sentences that are padded to the same length");
    }
    const std::size_t valid = batch.valid_length(s);
    if (valid == 0 || valid > batch.length(s)) {
      return status::error(errc::invalid_argument, "sentence ", s, " has ", valid,
                           " valid tokens, expected 1 to ", batch.length(s));
    }
  }
  return {};
}

/// Checks that every id, type and position is within its table and every sentence has 1 ..
/// positions tokens. A model without token types ignores them.
[[nodiscard]] LOWBIT_NOINLINE inline status check_tokens(const token_input& in,
                                                         const model_shape& shape) {
  for (std::size_t s = 0; s < in.batch.sentences; ++s) {
    const std::size_t length = in.batch.length(s);
    if (length == 0) return status::error(errc::invalid_argument, "sentence ", s, " has no tokens");
    if (length > shape.positions) {
      return status::error(errc::invalid_argument, "sentence ", s, " has ", length,
                           " tokens, the model takes at most ", shape.positions);
    }
  }
  if (in.positions != nullptr && shape.pre_norm()) LOWBIT_TRY(detail::check_counted(in));
  for (std::size_t t = 0; t < in.batch.tokens(); ++t) {
    LOWBIT_TRY(detail::in_table("token id", t, in.ids[t], shape.vocabulary));
    if (in.type_ids != nullptr && shape.token_types != 0)
      LOWBIT_TRY(detail::in_table("token type", t, in.type_ids[t], shape.token_types));
    if (in.positions != nullptr)
      LOWBIT_TRY(detail::in_table("position", t, in.positions[t], shape.positions));
  }
  return {};
}

}  // namespace lowbit::inline LOWBIT_ISA
