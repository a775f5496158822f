// SPDX-License-Identifier: Apache-2.0
// The word embeddings where they are stored: a row is decoded when it is needed. Both ends of a
// masked language model read it: the embeddings, and the decoder that is tied to them.
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
                      shape.hidden);
  }
  /// The embedding of word `id` into out (D).
  void read(std::size_t id, float* out) const { rows_.floats(id, out); }

 private:
  typename Codec::reader rows_;
};

}  // namespace lowbit::inline LOWBIT_ISA
