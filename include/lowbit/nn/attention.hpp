// SPDX-License-Identifier: Apache-2.0
// Code shared by all kinds of attention: which rows attend to which (batches are packed, sentence
// after sentence, without padding), and the keys and values of each head in the kernel layout. The
// kinds are in {softmax,bi,elastic,batch_range}_attention.hpp. The score matrix exists only for one
// head and a block of queries at a time.
#pragma once

#include "lowbit/boundary/batch.hpp"
#include "lowbit/boundary/shape.hpp"
#include "lowbit/gemm/gemm.hpp"
#include "lowbit/nn/linear.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Queries whose scores are in memory at a time.
inline constexpr std::size_t query_block = 64;

/// A block of queries of one sentence.
struct query_span {
  std::size_t sentence = 0;
  std::size_t first = 0;  // row of the query matrix
  std::size_t count = 0;
};

/// The query rows of a batch. With first_token_only the query matrix has one row per sentence,
/// which is all that a classifier reads of the last layer.
struct query_blocks {
  token_batch batch;
  bool first_token_only = false;

  [[nodiscard]] std::size_t tasks() const {
    if (first_token_only) return batch.sentences;
    std::size_t n = 0;
    for (std::size_t s = 0; s < batch.sentences; ++s) n += ceil_div(batch.length(s), query_block);
    return n;
  }
  [[nodiscard]] query_span span(std::size_t task) const {
    if (first_token_only) return {task, task, 1};
    for (std::size_t s = 0; s < batch.sentences; ++s) {
      const std::size_t blocks = ceil_div(batch.length(s), query_block);
      if (task < blocks) {
        const std::size_t at = task * query_block;
        const std::size_t left = batch.length(s) - at;
        return {s, batch.begin(s) + at, left < query_block ? left : query_block};
      }
      task -= blocks;
    }
    return {};
  }
};

/// Keys (T, d) and transposed values (d, T) of every sentence and head, packed as right operands.
template <class KeyOp, class ValueOp, class Arch>
class packed_heads {
 public:
  using keys = packed_weights<KeyOp, Arch>;
  using values = packed_weights<ValueOp, Arch>;

  constexpr void plan(arena& memory, std::size_t heads, std::size_t width,
                      const batch_limits& limits) {
    width_ = width;
    key_rows_ = round_up(limits.tokens, keys::nr) + limits.sentences * keys::nr;
    value_units_ = ValueOp::units(limits.tokens) + limits.sentences;
    keys_ = memory.take<typename KeyOp::weight>(heads * key_rows_ * KeyOp::units(width));
    values_ =
        memory.take<typename ValueOp::weight>(heads * value_units_ * round_up(width, values::nr));
  }

  /// Memory of one head of a sentence that starts at token `begin`. Regions never overlap: rounding
  /// `begin` up and adding one panel per earlier sentence leaves room for each sentence's rounding.
  [[nodiscard]] typename KeyOp::weight* key_memory(std::size_t head, std::size_t sentence,
                                                   std::size_t begin) const {
    const std::size_t row = round_up(begin, keys::nr) + sentence * keys::nr;
    return keys_ + (head * key_rows_ + row) * KeyOp::units(width_);
  }
  [[nodiscard]] typename ValueOp::weight* value_memory(std::size_t head, std::size_t sentence,
                                                       std::size_t begin) const {
    const std::size_t unit = ValueOp::units(begin) + sentence;
    return values_ + (head * value_units_ + unit) * round_up(width_, values::nr);
  }
  [[nodiscard]] keys key_view(std::size_t head, std::size_t sentence,
                              const token_batch& batch) const {
    return {key_memory(head, sentence, batch.begin(sentence)), batch.length(sentence), width_,
            KeyOp::units(width_)};
  }
  [[nodiscard]] values value_view(std::size_t head, std::size_t sentence,
                                  const token_batch& batch) const {
    const std::size_t length = batch.length(sentence);
    return {value_memory(head, sentence, batch.begin(sentence)), width_, length,
            ValueOp::units(length)};
  }
  /// Of key_view and value_view the tokens [first, last) of the sentence; first: a multiple of
  /// keys::nr and of the tokens in a unit.
  [[nodiscard]] keys key_view(std::size_t head, std::size_t sentence, const token_batch& batch,
                              std::size_t first, std::size_t last) const {
    keys view = key_view(head, sentence, batch);
    view.data = view.panel(first / keys::nr);
    view.n = last - first;
    return view;
  }
  [[nodiscard]] values value_view(std::size_t head, std::size_t sentence, const token_batch& batch,
                                  std::size_t first, std::size_t last) const {
    values view = value_view(head, sentence, batch);  // its panels stay as far apart
    view.data += ValueOp::units(first) * values::nr;
    view.k = last - first;
    view.units = ValueOp::units(view.k);
    return view;
  }

 private:
  std::size_t width_ = 0;
  std::size_t key_rows_ = 0;
  std::size_t value_units_ = 0;
  typename KeyOp::weight* keys_ = nullptr;
  typename ValueOp::weight* values_ = nullptr;
};

/// Packs one head of one-bit keys and values. Values are transposed 64 tokens at a time: bit t of a
/// channel row is token t.
template <class Arch>
void pack_bit_head(const packed_heads<xor_popcount, and_popcount, Arch>& heads,
                   matrix_view<const word> k, matrix_view<const word> v, const token_batch& batch,
                   std::size_t sentence, std::size_t head, std::size_t width) {
  const std::size_t begin = batch.begin(sentence);
  const std::size_t length = batch.length(sentence);
  const std::size_t first = head * width;
  const auto part = [&](std::size_t u) {
    return width - u * word_bits < word_bits ? width - u * word_bits : word_bits;
  };
  pack<xor_popcount, Arch>(heads.key_memory(head, sentence, begin), length, width,
                           [&](std::size_t t, std::size_t u) {
                             return extract_bits(k.row(begin + t), first + u * word_bits, part(u));
                           });
  word* out = heads.value_memory(head, sentence, begin);
  const std::size_t units = words_for(length);
  constexpr std::size_t nr = packed_weights<and_popcount, Arch>::nr;
  for (std::size_t u = 0; u < units; ++u) {
    for (std::size_t c = 0; c < round_up(width, nr); c += word_bits) {
      word block[word_bits] = {};
      if (c < width) {
        const std::size_t left = length - u * word_bits;
        const std::size_t tokens = left < word_bits ? left : word_bits;
        for (std::size_t t = 0; t < tokens; ++t) {
          block[t] = extract_bits(v.row(begin + u * word_bits + t), first + c, part(c / word_bits));
        }
        transpose_64x64(block, tokens);
      }
      for (std::size_t j = 0; j < word_bits && c + j < round_up(width, nr); ++j) {
        const std::size_t n = c + j;
        out[(n / nr) * units * nr + u * nr + n % nr] = block[j];
      }
    }
  }
}

/// One-bit query rows of one head: in place if the head fills whole words, otherwise copied to
/// scratch.
inline activation_rows<xor_popcount> bit_queries(matrix_view<const word> q, const query_span& span,
                                                 std::size_t head, std::size_t width,
                                                 word* scratch) {
  const std::size_t words = words_for(width);
  if (width % word_bits == 0) {
    return {{q.row(span.first) + head * words, span.count, words, q.stride}, width, nullptr};
  }
  for (std::size_t r = 0; r < span.count; ++r) {
    for (std::size_t u = 0; u < words; ++u) {
      const std::size_t left = width - u * word_bits;
      scratch[r * words + u] = extract_bits(q.row(span.first + r), head * width + u * word_bits,
                                            left < word_bits ? left : word_bits);
    }
  }
  return {{scratch, span.count, words, words}, width, nullptr};
}

/// Observes intermediate results of a run; this default observes nothing and costs nothing. An
/// enabled observer has hidden(layer, rows), rows (T, D); scores(span, head, rows), rows (queries,
/// T); context(span, head, rows), rows (queries, d); and must run with the serial executor.
struct no_observer {
  static constexpr bool enabled = false;
};

/// Buffer for float copies of scores and context for an observer; empty without one.
template <bool Observed>
struct observation_rows {
  float* data = nullptr;
  std::size_t stride = 0;

  constexpr void plan(arena& memory, const model_shape& shape, const batch_limits& limits) {
    if (!Observed) return;
    const std::size_t width = shape.head_width();
    stride = round_up(limits.longest > width ? limits.longest : width, virtual_lanes);
    data = memory.take<float>(query_block * stride);
  }
  [[nodiscard]] matrix_view<float> rows(std::size_t count, std::size_t cols) const {
    return {data, count, cols, stride};
  }
};

}  // namespace lowbit::inline LOWBIT_ISA
