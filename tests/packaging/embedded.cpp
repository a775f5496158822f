// SPDX-License-Identifier: Apache-2.0
// A whole classifier as a microcontroller builds it: memory from the caller, no library but memcpy
// and its like (undefined_symbols.cmake).
#include "lowbit/model/classifier.hpp"
#include "lowbit/tensor/arena.hpp"

using model = lowbit::classifier<lowbit::policy::bibert, lowbit::scalar>;

bool classify(std::byte* memory, std::size_t memory_bytes, std::byte* workspace,
              std::size_t workspace_bytes, const lowbit::stored_tensor* tensors, std::size_t count,
              const lowbit::model_shape& shape, const lowbit::token_input& input, float* logits);

bool classify(std::byte* memory, std::size_t memory_bytes, std::byte* workspace,
              std::size_t workspace_bytes, const lowbit::stored_tensor* tensors, std::size_t count,
              const lowbit::model_shape& shape, const lowbit::token_input& input, float* logits) {
  lowbit::arena space(memory, memory_bytes);
  model encoder;
  if (!encoder.load(space, {tensors, count}, shape).ok()) return false;
  lowbit::serial executor;
  return encoder
      .run(input, workspace, workspace_bytes,
           {logits, input.batch.sentences, shape.labels, shape.labels}, executor)
      .ok();
}
