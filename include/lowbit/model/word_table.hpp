// SPDX-License-Identifier: Apache-2.0
// The word embeddings in their stored form; rows are decoded on demand. Used by the embeddings and
// by the tied decoder of a masked language model.
#pragma once

#include "lowbit/boundary/parts.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/codec/concepts.hpp"

namespace lowbit::inline LOWBIT_ISA {

template <class Codec>
class word_table {
 public:
  /// Copies nothing: the memory behind `weights` must outlive the table.
  status load(const weight_set& weights, const model_shape& shape) {
    return rows_.open(weights, part_name(model_part::word_embeddings)(".weight"), shape.vocabulary,
                      shape.embedding_width());
  }
  /// Decodes the embedding of word `id` to out (E).
  void read(std::size_t id, float* out) const { rows_.floats(id, out); }

 private:
  typename Codec::reader rows_;
};

}  // namespace lowbit::inline LOWBIT_ISA
