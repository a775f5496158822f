// SPDX-License-Identifier: Apache-2.0
// Encodes matrices of a canonical model with a codec given as a type or by name, and float models
// under a named policy. Nothing is chosen silently: the model's report lists every tensor and its
// format.
#pragma once

#include <set>

#include "lowbit/io/canonical_model.hpp"
#include "lowbit/io/model_layout.hpp"
#include "lowbit/io/name_pattern.hpp"
#include "lowbit/io/named_policy.hpp"
#include "lowbit/policy/policy.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// --format REGEX=FORMAT: overrides the format of matrices whose names match; the last match wins.
struct format_override {
  std::string pattern;
  std::string format;

  /// Errors: invalid_argument for text without '=', or a pattern rejected by name_pattern
  static result<format_override> parse(const std::string& text) {
    const std::size_t at = text.rfind('=');
    if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
      return status::error(errc::invalid_argument, "format override ", detail::quote_name(text),
                           ", expected PATTERN=FORMAT");
    }
    format_override out{text.substr(0, at), text.substr(at + 1)};
    LOWBIT_TRY(name_pattern::parse(out.pattern).status().in("format override"));
    return out;
  }
};

/// The format of each matrix.
class format_choice {
 public:
  /// Errors: invalid_argument for a pattern that is not a regular expression
  static result<format_choice> of_overrides(std::vector<format_override> overrides) {
    format_choice out;
    for (const format_override& o : overrides) {
      auto pattern = name_pattern::parse(o.pattern);
      if (!pattern) return pattern.status().in("format override");
      out.patterns_.push_back(*std::move(pattern));
    }
    out.matched_.resize(overrides.size());
    out.overrides_ = std::move(overrides);
    return out;
  }
  /// The format of a matrix; `otherwise` if no override matches.
  [[nodiscard]] std::string of(const std::string& weight_name, std::string_view otherwise) {
    std::string format(otherwise);
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      if (!patterns_[i].matches(weight_name)) continue;
      matched_[i] = true;
      format = overrides_[i].format;
    }
    return format;
  }
  /// An override that matches no matrix is a caller's mistake.
  [[nodiscard]] status check_all_matched() const {
    for (std::size_t i = 0; i < matched_.size(); ++i) {
      if (matched_[i]) continue;
      return status::error(errc::invalid_argument, "format override ",
                           detail::quote_name(overrides_[i].pattern), " matches no matrix");
    }
    return {};
  }

 private:
  std::vector<format_override> overrides_;
  std::vector<name_pattern> patterns_;
  std::vector<bool> matched_;
};

namespace detail {

/// Adds the encoded w as `weight` (tensors named weight + suffix). `named`: also adds NAME.format,
/// for encoders that read the codec from the file.
template <class Codec>
status add_encoded(canonical_model& model, const std::string& weight, matrix_view<const float> w,
                   result<encoded_matrix> encoded, bool named) {
  if (!encoded) return encoded.status().in(weight);
  const std::string format(format_name<Codec>);
  model.report.push_back({weight,
                          format,
                          {w.rows, w.cols},
                          w.rows * w.cols * sizeof(float),
                          encoded->bytes(),
                          encoded->report.ties});
  for (encoded_tensor& t : encoded->tensors) {
    model.own(weight + t.suffix, t.type, std::move(t.shape), std::move(t.bytes));
  }
  if (named && !std::is_same_v<Codec, f32>) {
    const auto text = std::as_bytes(std::span(format));
    model.own(weight + ".format", element_type::u8, {text.size()}, {text.begin(), text.end()});
  }
  return {};
}

template <class Codec>
status add_matrix(canonical_model& model, const std::string& weight, matrix_view<const float> w,
                  bool named) {
  return add_encoded<Codec>(model, weight, w, encode(Codec{}, w), named);
}

/// Like add_matrix, for a format given by name: one of List's codecs or, if List has the resulting
/// sparse codec, prunedPP.
template <class List>
status add_matrix_as(canonical_model& model, const std::string& weight, matrix_view<const float> w,
                     std::string_view format) {
  if (const unsigned percent = pruned_percent(format);
      percent != 0 && std::is_same_v<List, any_float>) {
    const auto kept = prune_magnitude(w, percent / 100.0);
    if (!kept) return kept.status().in(weight);
    return add_matrix<sparse<>>(model, weight, {kept->data(), w.rows, w.cols, w.cols}, true);
  }
  return List::with(format, [&]<class Codec>(std::type_identity<Codec>) {
    return add_matrix<Codec>(model, weight, w, true);
  });
}

/// Copies a float model, except that encode(name, matrix) must add each of `matrices` to `out`.
template <class Encode>
status encode_matrices(const canonical_model& source, const std::set<std::string>& matrices,
                       canonical_model& out, Encode encode) {
  for (const stored_tensor& t : source.tensors()) {
    const std::vector<std::size_t> shape(t.shape, t.shape + t.rank);
    if (!matrices.contains(t.name)) {
      const std::span bytes(t.data, t.bytes());
      out.own(t.name, t.type, shape, {bytes.begin(), bytes.end()});
      out.report.push_back({t.name, f32::name, shape, bytes.size(), bytes.size(), 0});
      continue;
    }
    if (t.type != element_type::f32 || t.rank != 2) {
      return status::error(errc::invalid_argument, "tensor ", t.name,
                           " is already encoded, expected a float model");
    }
    std::vector<float> values(t.elements());
    std::memcpy(values.data(), t.data, values.size() * sizeof(float));
    LOWBIT_TRY(encode(t.name, {values.data(), t.shape[0], t.shape[1], t.shape[1]}));
  }
  return {};
}

}  // namespace detail

/// The codecs that can be chosen by name.
struct formats_by_name {
  using table = any_table;       // for word embeddings
  using integers = any_integer;  // for int8 activations
  using floats = any_float;
};

/// Encodes a canonical float model under a named policy that encodes floats; tensors that stay
/// float are copied. The result does not reference `source`.
///
/// Errors: invalid_argument for another kind of policy, an override that matches nothing or a
///         non-finite weight; unsupported for a format without a product with the policy's
///         activations
template <class Formats = formats_by_name>
result<canonical_model> encode_model(const canonical_model& source, const named_policy& policy,
                                     const std::vector<format_override>& overrides = {}) {
  if (!policy.encodes_floats()) {
    return status::error(errc::invalid_argument, "policy ", policy.name,
                         " needs a checkpoint that was trained for it");
  }
  canonical_model out;
  out.config = source.config;
  out.policy = policy.name;
  out.warnings = source.warnings;
  LOWBIT_TRY_ASSIGN(auto choice, format_choice::of_overrides(overrides));
  const std::string words = part_text(model_part::word_embeddings, 0, ".weight");
  std::set<std::string> matrices{words};
  for (const linear_layout& layer : linear_layers(source.config.shape)) {
    if (layer.at != site::classifier) matrices.insert(layer.name + ".weight");
  }
  const auto encode = [&](const std::string& name, matrix_view<const float> w) -> status {
    const bool table = name == words;
    const std::string format = choice.of(name, table ? policy.table : policy.format);
    const auto add = [&]<class List>(std::type_identity<List>) {
      const status added = detail::add_matrix_as<List>(out, name, w, format);
      return added.code() == errc::unsupported ? added.in(name) : added;
    };
    if (table) return add(std::type_identity<typename Formats::table>{});
    if (policy.integers && !is_plain_float(format))
      return add(std::type_identity<typename Formats::integers>{});
    return add(std::type_identity<typename Formats::floats>{});
  };
  LOWBIT_TRY(detail::encode_matrices(source, matrices, out, encode));
  LOWBIT_TRY(choice.check_all_matched());
  return out;
}

}  // namespace lowbit::inline LOWBIT_ISA
