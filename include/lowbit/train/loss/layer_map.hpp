// SPDX-License-Identifier: Apache-2.0
// The teacher layer that each student layer imitates: TinyBERT's g. Knows depths only. As in the
// paper, layers count from 1 and 0 is the embedding output, so one map serves hidden states and
// attention: attention matrix m of the student is matched to attention matrix g(m) of the teacher.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/core/status.hpp"

namespace lowbit::train {

/// g(0) .. g(M) of a student with M layers; g(0) = 0, the others from 1 to the teacher's depth N.
using layer_map = std::vector<std::size_t>;

namespace detail {

/// Parses "1,4,7" as numbers from 1 to `limit`.
inline result<layer_map> listed_layers(std::string_view text, std::size_t limit) {
  layer_map layers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const char* const last = text.data() + end;
    std::size_t layer = 0;
    const auto [stop, error] = std::from_chars(text.data() + begin, last, layer);
    if (error != std::errc() || stop != last || layer == 0 || layer > limit) {
      return status::error(errc::invalid_argument, "layer map \"", text,
                           "\": expected uniform, last, first or numbers from 1 to ", limit,
                           " with commas between");
    }
    layers.push_back(layer);
    begin = end + 1;
  }
  return layers;
}

}  // namespace detail

/// The map named `how`, for M = student and N = teacher layers:
///   uniform  g(m) = floor(m N / M), TinyBERT's g(m) = m N/M if M divides N
///   last     g(m) = N - M + m
///   first    g(m) = m
///   1,4,..   g(1), g(2), ..; a teacher layer may occur twice
///
/// Source:  TinyBERT (arXiv 1909.10351), section 3.1 and "Effects of Mapping Function"
/// Errors:  invalid_argument for another name, a list that is not M numbers from 1 to N, and for a
///          named map if the student is deeper
inline result<layer_map> make_layer_map(std::string_view how, std::size_t student,
                                        std::size_t teacher) {
  layer_map map{0};
  const bool uniform = how == "uniform", last = how == "last";
  if (uniform || last || how == "first") {
    if (student > teacher) {
      return status::error(errc::invalid_argument, "layer map \"", how, "\": a student of ",
                           student, " layers, expected at most the ", teacher, " of its teacher");
    }
    for (std::size_t m = 1; m <= student; ++m) {
      map.push_back(uniform ? m * teacher / student : last ? teacher - student + m : m);
    }
    return map;
  }
  LOWBIT_TRY_ASSIGN(const auto listed, detail::listed_layers(how, teacher));
  if (listed.size() != student) {
    return status::error(errc::invalid_argument, "layer map \"", how, "\": ", listed.size(),
                         " layers, expected one for each of the student's ", student);
  }
  map.insert(map.end(), listed.begin(), listed.end());
  return map;
}

}  // namespace lowbit::train
