// SPDX-License-Identifier: Apache-2.0
// Quantized latent weights for quantization-aware training: exact, by the library's codec, or,
// between two calls of the codec, projected onto the grid that it chose. A grid is the part that
// takes a search (the scales of int4, the centroids of a codebook); the rest is recomputed.
// Independent of layers and gradients.
#pragma once

#include <torch/torch.h>

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/boundary/weights.hpp"
#include "lowbit/codec/any.hpp"
#include "lowbit/core/status.hpp"

namespace lowbit::train {

using at::Tensor;

/// How weights are projected onto a format's grid.
enum class grid_kind {
  none,      ///< f32: unchanged
  bf16,      ///< rounded to the type
  f16,       ///< rounded to the type
  int8,      ///< scale of the row, 255 steps
  ternary,   ///< threshold and scale of the row
  sign,      ///< center and scale of the row
  int4,      ///< grid (N, 1), or (N, K) for groups: scales found by the codec
  levels,    ///< grid (L): sorted centroids
  outliers,  ///< grid (L + 2): sorted centroids, then the bounds beyond which weights are kept
};

/// True if the grid has a row for each row of the matrix.
[[nodiscard]] constexpr bool has_row_grid(grid_kind kind) { return kind == grid_kind::int4; }

/// Errors: unsupported for a format that cannot be trained
inline result<grid_kind> grid_of_format(std::string_view format) {
  struct known {
    std::string_view name;
    grid_kind kind;
  };
  constexpr known all[] = {
      {"f32", grid_kind::none},
      {"bf16", grid_kind::bf16},
      {"f16", grid_kind::f16},
      {"int8", grid_kind::int8},
      {"ternary", grid_kind::ternary},
      {"sign", grid_kind::sign},
      {"int4", grid_kind::int4},
      {"int4g32", grid_kind::int4},
      {"int4g64", grid_kind::int4},
      {"int4g128", grid_kind::int4},
      {"codebook8", grid_kind::levels},
      {"codebook16", grid_kind::levels},
      {"codebook256", grid_kind::levels},
      {"codebook8f", grid_kind::levels},
      {"codebook16f", grid_kind::levels},
      {"codebook256f", grid_kind::levels},
      {"gobo3", grid_kind::outliers},
      {"gobo4", grid_kind::outliers},
  };
  for (const known& k : all) {
    if (k.name == format) return k.kind;
  }
  return status::error(errc::unsupported, "format \"", format,
                       "\" is not one that weights are trained for");
}

/// A matrix encoded by a codec.
struct encoded_weights {
  Tensor values;  // decoded by the codec's reader
  Tensor grid;    // see grid_kind; empty without a search
};

namespace detail {

inline const encoded_tensor* find_suffix(const encoded_matrix& m, std::string_view suffix) {
  for (const encoded_tensor& t : m.tensors) {
    if (t.suffix == suffix) return &t;
  }
  return nullptr;
}

inline Tensor floats_of(const encoded_tensor& t) {
  const auto type = t.type == element_type::i8    ? at::kChar
                    : t.type == element_type::i32 ? at::kInt
                                                  : at::kFloat;
  const auto count = static_cast<std::int64_t>(t.bytes.size() / size_of(t.type));
  const Tensor out = at::empty({count}, type);
  if (count != 0) std::memcpy(out.data_ptr(), t.bytes.data(), t.bytes.size());
  return out.to(at::kFloat);
}

/// The weights that Codec's reader decodes from the tensors of its encoder.
template <class Codec>
result<Tensor> read_back(const encoded_matrix& m, const Tensor& like) {
  std::vector<std::string> names;
  for (const encoded_tensor& t : m.tensors) names.push_back("weight" + t.suffix);
  std::vector<stored_tensor> stored;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const encoded_tensor& t = m.tensors[i];
    stored_tensor s;
    s.name = names[i].c_str(), s.data = t.bytes.data(), s.type = t.type, s.rank = t.shape.size();
    for (std::size_t d = 0; d < t.shape.size() && d < 2; ++d) s.shape[d] = t.shape[d];
    stored.push_back(s);
  }
  const auto n = static_cast<std::size_t>(like.size(0)), k = static_cast<std::size_t>(like.size(1));
  typename Codec::reader reader;
  LOWBIT_TRY(reader.open({stored.data(), stored.size()}, tensor_name("weight"), n, k));
  Tensor out = at::empty_like(like);
  for (std::size_t r = 0; r < n; ++r) reader.floats(r, out.data_ptr<float>() + r * k);
  return out;
}

/// The scales of int4; group scales are repeated for every column.
template <class Codec>
Tensor chosen_scales(const encoded_matrix& m, const Tensor& weights) {
  const Tensor scales = floats_of(*find_suffix(m, ".scale")).view({weights.size(0), -1});
  if constexpr (requires { Codec::reader::group; }) {
    constexpr auto group = static_cast<std::int64_t>(Codec::reader::group);
    if (group > 0) return scales.repeat_interleave(group, 1).narrow(1, 0, weights.size(1));
  }
  return scales;
}

template <class Codec>
Tensor chosen_grid(grid_kind kind, const encoded_matrix& m, const Tensor& weights) {
  if (kind == grid_kind::int4) return chosen_scales<Codec>(m, weights);
  if (kind != grid_kind::levels && kind != grid_kind::outliers) return at::empty({0});
  Tensor levels = floats_of(*find_suffix(m, ".centroids"));
  if (const encoded_tensor* scale = find_suffix(m, ".scale")) levels = levels * floats_of(*scale);
  if (kind == grid_kind::levels) return levels;
  // The codec's bounds lie between the outermost quantized weights and the first outliers.
  Tensor inner = weights.flatten();
  Tensor bounds =
      at::tensor({std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()});
  const Tensor outliers = floats_of(*find_suffix(m, ".outliers.value"));
  if (outliers.numel() != 0) {
    const Tensor kept = at::isin(inner, outliers).logical_not();
    inner = inner.masked_select(kept);
    bounds = at::stack({inner.min(), inner.max()});
  }
  return at::cat({levels, bounds});
}

}  // namespace detail

/// Weights (N, K) encoded by the codec of that name; results on their device.
/// Errors: those of the codec (a non-finite weight, fewer distinct weights than centroids)
inline result<encoded_weights> encode_weights(const Tensor& weights, std::string_view format) {
  LOWBIT_TRY_ASSIGN(const auto kind, grid_of_format(format));
  const Tensor w = weights.detach().to(at::kCPU).contiguous();
  const auto n = static_cast<std::size_t>(w.size(0)), k = static_cast<std::size_t>(w.size(1));
  const matrix_view<const float> view{w.data_ptr<float>(), n, k, k};
  encoded_weights out;
  LOWBIT_TRY(any_table::with(format, [&]<class Codec>(std::type_identity<Codec>) -> status {
    LOWBIT_TRY_ASSIGN(const auto encoded, encode(Codec{}, view));
    LOWBIT_TRY_ASSIGN(const auto values, detail::read_back<Codec>(encoded, w));
    out.values = values.to(weights.device());
    out.grid = detail::chosen_grid<Codec>(kind, encoded, w).to(weights.device());
    return {};
  }));
  return out;
}

namespace detail {

/// scale * clamp(round half even(w / scale), -limit, limit); 0 if the scale is 0. Divides in
/// double, as the codec does.
inline Tensor project_steps(const Tensor& w, const Tensor& scale, double limit) {
  const Tensor steps = (w.to(at::kDouble) / scale.to(at::kDouble)).round().clamp(-limit, limit);
  return at::where(scale.eq(0), at::zeros_like(w), steps.to(at::kFloat) * scale);
}

/// 0 where |w| <= 0.7 mean |w| of the row, else +- the mean magnitude of the other weights.
inline Tensor project_ternary(const Tensor& w) {
  const Tensor magnitude = w.abs().to(at::kDouble);
  const Tensor large = magnitude.gt(magnitude.mean(1, true) * 0.7);
  const Tensor count = large.sum(1, true).clamp_min(1);
  const Tensor scale = ((magnitude * large).sum(1, true) / count).to(at::kFloat);
  return w.sign() * large * scale;
}

/// +- mean |w| of the row with the sign of w - mean; a weight equal to the mean is +1, a constant
/// row is 0.
inline Tensor project_sign(const Tensor& w) {
  const Tensor centered = w - w.mean(1, true, at::kDouble).to(at::kFloat);
  const Tensor scale = w.abs().mean(1, true, at::kDouble).to(at::kFloat);
  const Tensor varies = centered.ne(0).any(1, true);
  return (1 - 2 * centered.lt(0).to(at::kFloat)) * (scale * varies);
}

/// The nearest of sorted levels; ties go to the lower one.
inline Tensor project_levels(const Tensor& w, const Tensor& levels) {
  const Tensor l = levels.to(at::kDouble);
  const auto last = l.size(0) - 1;
  const Tensor middles = (l.narrow(0, 0, last) + l.narrow(0, 1, last)) / 2;
  const Tensor nearest = at::bucketize(w.to(at::kDouble), middles);
  return levels.index_select(0, nearest.flatten()).view(w.sizes());
}

}  // namespace detail

/// Projects weights (N, K) onto a grid chosen earlier by the codec. For the weights that the grid
/// was chosen for, this equals the codec's result. No gradient.
inline Tensor project(grid_kind kind, const Tensor& w, const Tensor& grid) {
  torch::NoGradGuard no_gradients;
  switch (kind) {
    case grid_kind::none:
      break;
    case grid_kind::bf16:
      return w.to(at::kBFloat16).to(at::kFloat);
    case grid_kind::f16:
      return w.to(at::kHalf).to(at::kFloat);
    case grid_kind::int8:
      return detail::project_steps(w, w.abs().amax(1, true) / 127.0, 127);
    case grid_kind::ternary:
      return detail::project_ternary(w);
    case grid_kind::sign:
      return detail::project_sign(w);
    case grid_kind::int4:
      return detail::project_steps(w, grid, 7);
    case grid_kind::levels:
      return detail::project_levels(w, grid);
    case grid_kind::outliers: {
      const auto count = grid.size(0) - 2;
      const Tensor coded = detail::project_levels(w, grid.narrow(0, 0, count));
      return at::where(w.lt(grid[count]).logical_or(w.gt(grid[count + 1])), w, coded);
    }
  }
  return w;
}

}  // namespace lowbit::train
