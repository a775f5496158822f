// SPDX-License-Identifier: Apache-2.0
// A whole classifier as a microcontroller builds it: memory from the caller, no library but memcpy
// and its like (undefined_symbols.cmake).
#include "lowbit/model/classifier.hpp"
#include "lowbit/tensor/arena.hpp"
#include "lowbit/text/ascii_wordpiece.hpp"

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

bool classify_text(const lowbit::packed_image& image, std::byte* objects, std::size_t object_bytes,
                   const lowbit::weight_set& tables, const lowbit::model_shape& shape,
                   const lowbit::ascii_vocabulary& vocabulary, std::string_view text,
                   std::byte* workspace, std::size_t workspace_bytes, float* logits);

bool classify_text(const lowbit::packed_image& image, std::byte* objects, std::size_t object_bytes,
                   const lowbit::weight_set& tables, const lowbit::model_shape& shape,
                   const lowbit::ascii_vocabulary& vocabulary, std::string_view text,
                   std::byte* workspace, std::size_t workspace_bytes, float* logits) {
  model encoder;
  if (!encoder.use_image(image, objects, object_bytes, tables, shape).ok()) return false;
  std::int32_t ids[24];
  const auto encoded = lowbit::encode_ascii(vocabulary, text, ids, 24);
  const std::uint32_t offsets[2] = {0, static_cast<std::uint32_t>(encoded.tokens)};
  lowbit::token_input in;
  in.ids = ids;
  in.batch = {offsets, 1, nullptr};
  lowbit::serial executor;
  return encoder
      .run(in, workspace, workspace_bytes, {logits, 1, shape.labels, shape.labels}, executor)
      .ok();
}
