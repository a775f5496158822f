// SPDX-License-Identifier: Apache-2.0
// Packed weights as stored bytes: what loading a model leaves in an arena, behind a header that
// says for what it was packed. A microcontroller uses them where they lie in flash. Like every
// kernel layout they may change between versions of the library: an image is made again from the
// model (lowbit convert), never kept as the model.
#pragma once

#include <cstring>
#include <string_view>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/boundary/weights.hpp"

namespace lowbit {

/// The first 64 bytes of an image, so that the weights behind it keep their alignment.
struct image_header {
  static constexpr char expected_magic[8] = {'l', 'o', 'w', 'b', 'i', 't', 'p', '1'};

  char magic[8] = {};
  char layout[12] = {};         ///< the arch whose kernels read it, padded with zeros
  char policy[32] = {};         ///< padded with zeros
  std::uint32_t shape_sum = 0;  ///< of the dimensions
  std::uint32_t bytes = 0;      ///< of the image
  std::uint32_t reserved = 0;

  [[nodiscard]] LOWBIT_INLINE static constexpr image_header of(std::string_view policy_name,
                                                               std::string_view layout_name,
                                                               const model_shape& s,
                                                               std::size_t image_bytes) {
    image_header h;
    for (std::size_t i = 0; i < sizeof h.magic; ++i) h.magic[i] = expected_magic[i];
    for (std::size_t i = 0; i < layout_name.size() && i < sizeof h.layout; ++i)
      h.layout[i] = layout_name[i];
    for (std::size_t i = 0; i < policy_name.size() && i < sizeof h.policy; ++i)
      h.policy[i] = policy_name[i];
    h.shape_sum = 2166136261U;  // FNV-1a over the dimensions
    for (const std::size_t v :
         {s.layers, s.hidden, s.heads, s.intermediate, s.vocabulary, s.positions, s.token_types,
          s.labels, s.attention, s.embedding, static_cast<std::size_t>(s.head),
          static_cast<std::size_t>(s.shared_layers), s.pooling}) {
      h.shape_sum = (h.shape_sum ^ static_cast<std::uint32_t>(v)) * 16777619U;
    }
    h.bytes = static_cast<std::uint32_t>(image_bytes);
    return h;
  }
};
static_assert(sizeof(image_header) == buffer_alignment);

struct packed_image {
  const std::byte* data = nullptr;  ///< aligned to buffer_alignment
  std::size_t bytes = 0;

  /// Errors: malformed, naming what differs from the header that a model expects
  [[nodiscard]] LOWBIT_INLINE status check(const image_header& expected) const;
};

inline namespace LOWBIT_ISA {
namespace detail {

template <std::size_t N>
[[nodiscard]] std::string_view padded_text(const char (&text)[N]) {
  std::size_t n = 0;
  while (n < N && text[n] != 0) ++n;
  return {text, n};
}

LOWBIT_COLD inline status check_image(const packed_image& image, const image_header& expected) {
  image_header h;
  if (image.data == nullptr || image.bytes < sizeof h) {
    return status::error(errc::malformed, "image of ", image.bytes, " bytes, expected ",
                         expected.bytes);
  }
  std::memcpy(&h, image.data, sizeof h);
  if (std::memcmp(h.magic, image_header::expected_magic, sizeof h.magic) != 0)
    return status::error(errc::malformed, "not an image of packed weights");
  if (std::memcmp(h.layout, expected.layout, sizeof h.layout) != 0) {
    return status::error(errc::malformed, "image packed for ", padded_text(h.layout),
                         ", this program runs on ", padded_text(expected.layout));
  }
  if (std::memcmp(h.policy, expected.policy, sizeof h.policy) != 0) {
    return status::error(errc::malformed, "image of policy ", padded_text(h.policy), ", expected ",
                         padded_text(expected.policy));
  }
  if (h.shape_sum != expected.shape_sum)
    return status::error(errc::malformed, "image of a model with another shape");
  if (h.bytes != expected.bytes || image.bytes != expected.bytes) {
    return status::error(errc::malformed, "image of ", image.bytes, " bytes whose header says ",
                         h.bytes, ", expected ", expected.bytes);
  }
  return {};
}

}  // namespace detail
}  // namespace LOWBIT_ISA

LOWBIT_INLINE status packed_image::check(const image_header& expected) const {
  return detail::check_image(*this, expected);
}

}  // namespace lowbit
