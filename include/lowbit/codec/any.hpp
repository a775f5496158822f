// SPDX-License-Identifier: Apache-2.0
// A matrix whose codec is named in its file: NAME.format (U8, ASCII) beside that codec's tensors;
// without it, the matrix is plain F32. One compiled encoder can therefore run any mixture of
// formats that share an activation encoding. The lists at the end are what programs offer by name.
#pragma once

#include <tuple>

#include "lowbit/codec/codebook.hpp"
#include "lowbit/codec/concepts.hpp"
#include "lowbit/codec/encode.hpp"
#include "lowbit/codec/gobo.hpp"
#include "lowbit/codec/half.hpp"
#include "lowbit/codec/integer.hpp"
#include "lowbit/codec/prune.hpp"
#include "lowbit/codec/ternary.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Format names in files and on command lines.
template <class Codec>
inline constexpr std::string_view format_name = Codec::name;
template <class Scale>
inline constexpr std::string_view format_name<codebook<8, Scale, centroid::int8>> = "codebook8";
template <class Scale>
inline constexpr std::string_view format_name<codebook<16, Scale, centroid::int8>> = "codebook16";
template <class Scale>
inline constexpr std::string_view format_name<codebook<256, Scale, centroid::int8>> = "codebook256";
template <class Scale>
inline constexpr std::string_view format_name<codebook<8, Scale, centroid::f32>> = "codebook8f";
template <class Scale>
inline constexpr std::string_view format_name<codebook<16, Scale, centroid::f32>> = "codebook16f";
template <class Scale>
inline constexpr std::string_view format_name<codebook<256, Scale, centroid::f32>> = "codebook256f";
template <>
inline constexpr std::string_view format_name<int4<scale::group<32>>> = "int4g32";
template <>
inline constexpr std::string_view format_name<int4<scale::group<64>>> = "int4g64";
template <>
inline constexpr std::string_view format_name<int4<scale::group<128>>> = "int4g128";
template <>
inline constexpr std::string_view format_name<gobo<3>> = "gobo3";
template <>
inline constexpr std::string_view format_name<gobo<4>> = "gobo4";

namespace detail {

/// Calls function(index) until it returns true; false if none did.
template <std::size_t... I, class Function>
constexpr bool any_index(std::index_sequence<I...>, Function function) {
  return (function(std::integral_constant<std::size_t, I>{}) || ...);
}

/// The stored format of matrix `name`; "f32" if there is none.
inline result<std::string_view> stored_format(const weight_set& weights, const tensor_name& name) {
  const tensor_name format = name(".format");
  const stored_tensor* t = weights.find(format.view());
  if (t == nullptr) return std::string_view("f32");
  if (t->type != element_type::u8) {
    return status::error(errc::malformed, "tensor ", format.view(), " is ", name_of(t->type),
                         ", expected U8");
  }
  return std::string_view(reinterpret_cast<const char*>(t->data), t->elements());
}

}  // namespace detail

/// One of Codecs, selected when a file is opened. An integer codec if all of them are, otherwise a
/// float codec.
template <class... Codecs>
struct any_of {
  static constexpr bool integer = (integer_codec<Codecs> && ...);
  using codecs = std::tuple<Codecs...>;
  using indices = std::index_sequence_for<Codecs...>;
  static constexpr const char* name = "any";
  static constexpr double bits_per_weight = 8;  // of the widest integer codec
  static constexpr std::size_t kernel_bits = integer ? 8 : float_kernel_bits;
  static constexpr std::size_t row_bytes(std::size_t k) { return k; }
  /// True if a codec with Bits-bit codes has per-group scales.
  template <std::size_t Bits>
  static constexpr bool has_groups = ((group_of<Codecs> != 0 && kernel_bits_of<Codecs> == Bits) ||
                                      ...);

  /// Calls function(std::type_identity<Codec>) -> status for the codec named `format`.
  /// Errors: unsupported, listing the names
  template <class Function>
  static status with(std::string_view format, Function function) {
    status done;
    const bool known = detail::any_index(indices{}, [&](auto i) {
      using codec = std::tuple_element_t<i, codecs>;
      if (!same_text(format_name<codec>, format)) return false;
      done = function(std::type_identity<codec>{});
      return true;
    });
    if (known) return done;
    tensor_name names("");
    ((names = names(names.view().empty() ? "" : ", ", format_name<Codecs>)), ...);
    return status::error(errc::unsupported, "format \"", format, "\" is not one of ", names.view());
  }

  struct reader_base {
    status open(const weight_set& weights, const tensor_name& name, std::size_t n, std::size_t k) {
      LOWBIT_TRY_ASSIGN(const auto format, detail::stored_format(weights, name));
      const status opened = with(format, [&]<class Codec>(std::type_identity<Codec>) {
        bits_ = integer || decodable_codec<Codec> ? kernel_bits_of<Codec> : float_kernel_bits;
        group_ = group_of<Codec>;
        return std::get<typename Codec::reader>(readers_).open(weights, name, n, k);
      });
      format_ = format;
      return opened.code() == errc::unsupported ? opened.in(name.view()) : opened;
    }
    /// Bits per code in the narrowest kernel layout of this matrix.
    [[nodiscard]] std::size_t kernel_bits() const { return bits_; }
    /// Columns of a row that share a scale; 0: all.
    [[nodiscard]] std::size_t columns_per_scale() const { return group_; }
    void floats(std::size_t row, float* out) const {
      visit([&](const auto& r) { r.floats(row, out); });
    }

   protected:
    template <class Function>
    void visit(Function function) const {
      static_cast<void>(with(format_, [&]<class Codec>(std::type_identity<Codec>) -> status {
        function(std::get<typename Codec::reader>(readers_));
        return {};
      }));
    }
    std::tuple<typename Codecs::reader...> readers_;
    std::string_view format_;
    std::size_t bits_ = any_of::kernel_bits;
    std::size_t group_ = 0;
  };
  struct float_reader : reader_base {
    void codes(std::size_t row, std::uint16_t* out) const {
      this->visit([&](const auto& r) {
        if constexpr (requires { r.codes(row, out); }) r.codes(row, out);
      });
    }
    void values(code_values& out) const {
      this->visit([&](const auto& r) {
        if constexpr (requires { r.values(out); }) r.values(out);
      });
    }
    [[nodiscard]] std::size_t outliers() const {
      std::size_t count = 0;
      this->visit([&](const auto& r) {
        if constexpr (requires { r.outliers(); }) count = r.outliers();
      });
      return count;
    }
    template <class Visit>
    void each_outlier(std::size_t row, Visit function) const {
      this->visit([&](const auto& r) {
        if constexpr (requires { r.each_outlier(row, function); }) r.each_outlier(row, function);
      });
    }
  };
  struct integer_reader : reader_base {
    void integers(std::size_t row, std::int8_t* out) const {
      this->visit([&](const auto& r) { r.integers(row, out); });
    }
    [[nodiscard]] float scale(std::size_t row, std::size_t group_index = 0) const {
      float value = 0.0F;
      this->visit([&](const auto& r) {
        if constexpr (requires { r.scale(row, group_index); }) {
          value = r.scale(row, group_index);
        } else {
          value = r.scale(row);
        }
      });
      return value;
    }
    void codes(std::size_t row, std::uint8_t* out) const {
      this->visit([&](const auto& r) {
        if constexpr (requires { r.codes(row, out); }) r.codes(row, out);
      });
    }
    void table(std::int8_t (&values)[16]) const {
      this->visit([&](const auto& r) {
        if constexpr (requires { r.table(values); }) r.table(values);
      });
    }
  };
  using reader = std::conditional_t<integer, integer_reader, float_reader>;
};

/// Weight formats for int8 activations.
using any_integer =
    any_of<int8<scale::row>, int4<scale::row>, int4<scale::group<32>>, int4<scale::group<64>>,
           int4<scale::group<128>>, ternary<scale::row>, sign<scale::row, center::row>,
           codebook<8, scale::tensor, centroid::int8>, codebook<16, scale::tensor, centroid::int8>,
           codebook<256, scale::tensor, centroid::int8>, sparse<int8<scale::row>>,
           sparse<int8<scale::row>, block<16, 4>>>;
/// Weight formats for f32 activations.
using any_float = any_of<f32, bf16, f16, codebook<8>, codebook<16>, codebook<256>, gobo<3>, gobo<4>,
                         sparse<>, sparse<f32, block<16, 1>>>;

/// Formats for embedding tables.
using any_table = any_of<f32, bf16, f16, int8<scale::row>, int4<scale::row>, int4<scale::group<32>>,
                         int4<scale::group<64>>, int4<scale::group<128>>, ternary<scale::row>,
                         sign<scale::row, center::row>, codebook<8, scale::tensor, centroid::int8>,
                         codebook<16, scale::tensor, centroid::int8>,
                         codebook<256, scale::tensor, centroid::int8>, codebook<8>, codebook<16>,
                         codebook<256>, gobo<3>, gobo<4>>;

}  // namespace lowbit::inline LOWBIT_ISA
