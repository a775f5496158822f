// SPDX-License-Identifier: Apache-2.0
// Reads SentencePiece's .model files: protocol buffers of pieces with scores, the settings of the
// trainer and the normalizer. Only the fields that a Unigram tokenizer needs are kept. No protobuf
// or SentencePiece library: the algorithm is needed for tokenizer.json anyway, and would otherwise
// exist twice (docs/decisions.md).
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/foreign_file.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The fields of a message one by one. Wire format: a varint of number and type, then a varint (0),
/// eight bytes (1), a varint of a size and as many bytes (2), or four bytes (5).
class protobuf_reader {
 public:
  struct field {
    std::uint64_t number = 0;
    unsigned type = 0;
    std::uint64_t value = 0;  // of types 0, 1, 5
    std::string_view bytes;   // of type 2
  };

  /// `start`: the offset of `message` in the file, for messages.
  explicit protobuf_reader(std::string_view message, std::size_t start = 0)
      : message_(message), start_(start) {}

  [[nodiscard]] bool done() const { return at_ == message_.size(); }
  /// Offset of the next field in the file.
  [[nodiscard]] std::size_t position() const { return start_ + at_; }
  [[nodiscard]] std::size_t position_of(std::string_view bytes) const {
    return start_ + static_cast<std::size_t>(bytes.data() - message_.data());
  }

  /// Requires: !done()
  /// Errors: malformed if the field is cut off, or of another type
  result<field> next() {
    const std::size_t begin = position();
    field f;
    LOWBIT_TRY_ASSIGN(const std::uint64_t tag, varint());
    f.number = tag >> 3;
    f.type = static_cast<unsigned>(tag & 7);
    if (f.number == 0)
      return status::error(errc::malformed, "byte ", begin,
                           ": field number 0, expected at least 1");
    switch (f.type) {
      case 0: {
        LOWBIT_TRY_ASSIGN(f.value, varint());
        return f;
      }
      case 1:
      case 5: {
        LOWBIT_TRY_ASSIGN(const std::string_view raw, take(f.type == 1 ? 8 : 4));
        for (std::size_t i = raw.size(); i-- > 0;)
          f.value = f.value << 8 | static_cast<unsigned char>(raw[i]);
        return f;
      }
      case 2: {
        LOWBIT_TRY_ASSIGN(const std::uint64_t size, varint());
        LOWBIT_TRY_ASSIGN(f.bytes, take(size));
        return f;
      }
      default:
        return status::error(errc::malformed, "byte ", begin, ": field ", f.number,
                             " has wire type ", f.type, ", expected 0, 1, 2 or 5");
    }
  }

 private:
  result<std::uint64_t> varint() {
    std::uint64_t value = 0;
    const std::size_t begin = position();
    for (unsigned shift = 0; shift < 70; shift += 7) {
      if (done())
        return status::error(errc::malformed, "byte ", position(), ": the file ends in a number");
      const auto byte = static_cast<unsigned char>(message_[at_++]);
      if (shift < 64) value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    return status::error(errc::malformed, "byte ", begin,
                         ": a number of more than 10 bytes, the limit");
  }

  result<std::string_view> take(std::uint64_t size) {
    if (size > message_.size() - at_)
      return status::error(errc::malformed, "byte ", position(), ": a field of ", size,
                           " bytes, expected at most the ", message_.size() - at_,
                           " that are left");
    const std::string_view taken = message_.substr(at_, static_cast<std::size_t>(size));
    at_ += taken.size();
    return taken;
  }

  std::string_view message_;
  std::size_t start_, at_ = 0;
};

/// What SentencePiece calls the type of a piece; others are byte, unused, and normal.
enum class piece_kind : std::uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4 };

struct sentencepiece_model {
  std::vector<std::string> pieces;  ///< by id, as are the two below
  std::vector<double> scores;
  std::vector<piece_kind> kinds;
  std::string charsmap;  ///< precompiled; empty: the text is not normalized
};

namespace sentencepiece {

inline constexpr std::size_t max_pieces = std::size_t{1} << 22;

[[nodiscard]] inline status wrong_wire_type(std::string_view name, unsigned found,
                                            unsigned expected) {
  return status::error(errc::malformed, name, ": wire type ", found, ", expected ", expected);
}

inline status add_piece(std::string_view message, std::size_t start, sentencepiece_model& model) {
  protobuf_reader fields(message, start);
  std::string_view piece;
  float score = 0;
  auto kind = piece_kind::normal;
  while (!fields.done()) {
    LOWBIT_TRY_ASSIGN(const auto f, fields.next());
    if (f.number == 1) {
      if (f.type != 2) return wrong_wire_type("piece", f.type, 2);
      piece = f.bytes;
    } else if (f.number == 2) {
      if (f.type != 5) return wrong_wire_type("score", f.type, 5);
      score = std::bit_cast<float>(static_cast<std::uint32_t>(f.value));
    } else if (f.number == 3) {
      if (f.type != 0) return wrong_wire_type("type", f.type, 0);
      if (f.value < 1 || f.value > 6)
        return status::error(errc::malformed, "type: ", f.value, ", expected 1 to 6");
      kind = static_cast<piece_kind>(f.value);
    }
  }
  model.pieces.emplace_back(piece);
  model.scores.push_back(score);
  model.kinds.push_back(kind);
  return {};
}

inline status read_trainer(std::string_view message, std::size_t start) {
  constexpr std::string_view kinds[] = {"none", "unigram", "bpe", "word", "char"};
  protobuf_reader fields(message, start);
  std::uint64_t kind = 1;
  while (!fields.done()) {
    LOWBIT_TRY_ASSIGN(const auto f, fields.next());
    if (f.number != 3) continue;
    if (f.type != 0) return wrong_wire_type("model_type", f.type, 0);
    kind = f.value;
  }
  if (kind == 1) return {};
  return status::error(errc::unsupported, "model_type: ", kind, " (",
                       kind < std::size(kinds) ? kinds[kind] : std::string_view("unknown"),
                       "), expected 1 (unigram)");
}

inline status read_normalizer(std::string_view message, std::size_t start,
                              sentencepiece_model& model) {
  protobuf_reader fields(message, start);
  while (!fields.done()) {
    LOWBIT_TRY_ASSIGN(const auto f, fields.next());
    if (f.number != 2) continue;
    if (f.type != 2) return wrong_wire_type("precompiled_charsmap", f.type, 2);
    model.charsmap = f.bytes;
  }
  return {};
}

}  // namespace sentencepiece

/// Reads the bytes of a .model file.
///
/// Source: sentencepiece_model.proto: pieces (1: piece, score, type), trainer_spec (2: model_type),
///         normalizer_spec (3: precompiled_charsmap)
/// Errors: malformed for bytes that are no such message, no piece, more than 2^22 pieces;
///         unsupported for a model that is not Unigram
[[nodiscard]] inline result<sentencepiece_model> read_sentencepiece_model(std::string_view bytes) {
  if (const auto kind = foreign_kind(bytes, expected_file::sentencepiece); !kind.empty())
    return status::error(errc::malformed, "this is ", kind);
  sentencepiece_model model;
  protobuf_reader fields(bytes);
  while (!fields.done()) {
    LOWBIT_TRY_ASSIGN(const auto f, fields.next());
    if (f.number < 1 || f.number > 3) continue;
    if (f.type != 2)
      return sentencepiece::wrong_wire_type(f.number == 1   ? "pieces"
                                            : f.number == 2 ? "trainer_spec"
                                                            : "normalizer_spec",
                                            f.type, 2);
    const std::size_t start = fields.position_of(f.bytes);
    if (f.number == 1) {
      if (model.pieces.size() == sentencepiece::max_pieces)
        return status::error(errc::malformed, "more than ", sentencepiece::max_pieces,
                             " pieces, the limit");
      const std::size_t id = model.pieces.size();
      if (auto s = sentencepiece::add_piece(f.bytes, start, model); !s.ok())
        return s.in("piece " + std::to_string(id));
    } else if (f.number == 2) {
      LOWBIT_TRY(sentencepiece::read_trainer(f.bytes, start).in("trainer_spec"));
    } else {
      LOWBIT_TRY(sentencepiece::read_normalizer(f.bytes, start, model).in("normalizer_spec"));
    }
  }
  if (model.pieces.empty())
    return status::error(errc::malformed, "no pieces, expected a SentencePiece model");
  return model;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
