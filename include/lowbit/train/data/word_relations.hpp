// SPDX-License-Identifier: Apache-2.0
// Related words, from files: pairs of words (synonyms, antonyms) and word vectors as text.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <numeric>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/labelled_text.hpp"

namespace lowbit::train {

/// A symmetric relation between words.
class word_pairs {
 public:
  /// Adds the pairs of a file with two words per line; empty lines are skipped.
  /// Errors: malformed with the line number for another number of words
  status read(const std::filesystem::path& path) {
    return for_each_line(path, [&](std::string_view line, std::size_t n) -> status {
      const std::vector<std::string> words = words_of(line);
      if (words.empty()) return {};
      if (words.size() != 2) {
        return status::error(errc::malformed, path.native(), " line ", n, ": ", words.size(),
                             " words, expected two");
      }
      add(words[0], words[1]);
      add(words[1], words[0]);
      return {};
    });
  }

  /// The words related to `word` in file order.
  [[nodiscard]] const std::vector<std::string>& of(const std::string& word) const {
    static const std::vector<std::string> none;
    const auto found = related_.find(word);
    return found == related_.end() ? none : found->second;
  }
  [[nodiscard]] bool holds(const std::string& a, const std::string& b) const {
    const auto& all = of(a);
    return std::find(all.begin(), all.end(), b) != all.end();
  }

 private:
  void add(const std::string& a, const std::string& b) {
    if (a != b && !holds(a, b)) related_[a].push_back(b);
  }

  std::unordered_map<std::string, std::vector<std::string>> related_;
};

/// Word vectors, compared by cosine similarity.
class word_vectors {
 public:
  /// Reads the first `limit` lines `word x1 .. xd`, GloVe's format. If a word occurs twice, the
  /// first line counts.
  /// Errors: malformed with the line number for a word without numbers, a value that is not a
  ///         finite number, and a length other than the first line's
  static result<word_vectors> read(const std::filesystem::path& path, std::size_t limit = 100000) {
    word_vectors out;
    const status read = for_each_line(path, [&](std::string_view line, std::size_t n) -> status {
      if (n > limit || trimmed(line).empty()) return {};
      return out.add(trimmed(line)).in(path.native() + " line " + std::to_string(n));
    });
    if (!read.ok()) return read;
    return out;
  }

  /// The `count` words closest to `word`, excluding itself; ties in file order. Empty for a word
  /// without a vector.
  [[nodiscard]] std::vector<std::string> nearest(const std::string& word, std::size_t count) const {
    const auto found = index_.find(word);
    if (found == index_.end()) return {};
    const std::size_t self = found->second;
    std::vector<float> cosines(words_.size());
    for (std::size_t i = 0; i < words_.size(); ++i) {
      cosines[i] = std::inner_product(row(i), row(i) + width_, row(self), 0.0F);
    }
    std::vector<std::size_t> order(words_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    order.erase(order.begin() + static_cast<std::ptrdiff_t>(self));
    count = std::min(count, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
                      order.end(), [&](std::size_t a, std::size_t b) {
                        return cosines[a] != cosines[b] ? cosines[a] > cosines[b] : a < b;
                      });
    std::vector<std::string> out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(words_[order[i]]);
    return out;
  }

 private:
  [[nodiscard]] const float* row(std::size_t i) const { return values_.data() + i * width_; }

  status add(std::string_view line) {
    const std::vector<std::string> fields = words_of(line);
    if (fields.size() < 2) return status::error(errc::malformed, "expected a word and its vector");
    if (width_ == 0) width_ = fields.size() - 1;
    if (fields.size() - 1 != width_) {
      return status::error(errc::malformed, fields.size() - 1, " numbers, expected ", width_,
                           " as in the first line");
    }
    std::vector<float> vector;
    double squares = 0.0;
    for (std::size_t i = 1; i < fields.size(); ++i) {
      float value = 0.0F;
      const char* const end = fields[i].data() + fields[i].size();
      const auto [stop, error] = std::from_chars(fields[i].data(), end, value);
      if (error != std::errc() || stop != end || !std::isfinite(value)) {
        return status::error(errc::malformed, "\"", fields[i], "\", expected a number");
      }
      vector.push_back(value);
      squares += static_cast<double>(value) * value;
    }
    if (!index_.emplace(fields[0], words_.size()).second) return {};
    const auto scale = static_cast<float>(squares > 0 ? 1.0 / std::sqrt(squares) : 0.0);
    for (const float v : vector) values_.push_back(v * scale);
    words_.push_back(fields[0]);
    return {};
  }

  std::size_t width_ = 0;
  std::vector<std::string> words_;
  std::vector<float> values_;  // (words, width), unit length
  std::unordered_map<std::string, std::size_t> index_;
};

}  // namespace lowbit::train
