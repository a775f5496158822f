// SPDX-License-Identifier: Apache-2.0
// A run of an integer-only classifier and nothing else: no load, no observer. Every function of
// this object is one that a run calls (integer_only.cmake looks at its instructions). With MUTANT a
// float stands among them.
#include "lowbit/model/bert.hpp"
#include "lowbit/model/head/integer_sequence.hpp"

using head = lowbit::sequence_head<lowbit::policy::ibert, lowbit::RUN_ARCH>;
using model = lowbit::bert<lowbit::policy::ibert, head, lowbit::RUN_ARCH>;

lowbit::status run_integer_model(const model& encoder, const lowbit::token_input& in,
                                 std::byte* workspace, std::size_t bytes,
                                 lowbit::matrix_view<float> logits);

lowbit::status run_integer_model(const model& encoder, const lowbit::token_input& in,
                                 std::byte* workspace, std::size_t bytes,
                                 lowbit::matrix_view<float> logits) {
#if defined(MUTANT)
  // A workspace of 1.5 times the tokens: plausible, and a float product.
  bytes = static_cast<std::size_t>(static_cast<float>(bytes) * 1.5F);
#endif
  lowbit::serial executor;
  return encoder.run(in, workspace, bytes, logits, executor);
}
