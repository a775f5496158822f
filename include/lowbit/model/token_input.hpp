// SPDX-License-Identifier: Apache-2.0
// A batch of tokens, and whether it fits a model: what every encoder asks before it runs.
#pragma once

#include "lowbit/model/shape.hpp"
#include "lowbit/nn/attention.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// The tokens of a batch. Null type_ids means all 0; null positions means 0, 1, 2 .. in every
/// sentence.
struct token_input {
  const std::int32_t* ids = nullptr;        // (T)
  const std::int32_t* type_ids = nullptr;   // (T) or null
  const std::int32_t* positions = nullptr;  // (T) or null
  token_batch batch;
  /// Token rows (below T) whose words a masked language model is asked for; other heads ignore it.
  vector_view<const std::uint32_t> asked{};
};

namespace detail {
inline status in_table(const char* what, std::size_t t, std::int32_t value, std::size_t size) {
  if (value >= 0 && static_cast<std::size_t>(value) < size) return {};
  return status::error(errc::invalid_argument, what, " ", value, " at token ", t,
                       ", expected 0 to ", size - 1);
}
}  // namespace detail

/// Only policies whose ranges span a batch take sentences with padding; others would attend to it.
[[nodiscard]] inline status check_unpadded(const token_input& in) {
  if (in.batch.valid == nullptr) return {};
  return status::error(errc::invalid_argument,
                       "a padded batch, this policy takes sentences without padding");
}

/// Every id, type and position within its table, every sentence within 1 .. positions tokens.
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
  for (std::size_t t = 0; t < in.batch.tokens(); ++t) {
    LOWBIT_TRY(detail::in_table("token id", t, in.ids[t], shape.vocabulary));
    if (in.type_ids != nullptr)
      LOWBIT_TRY(detail::in_table("token type", t, in.type_ids[t], shape.token_types));
    if (in.positions != nullptr)
      LOWBIT_TRY(detail::in_table("position", t, in.positions[t], shape.positions));
  }
  return {};
}

}  // namespace lowbit::inline LOWBIT_ISA
