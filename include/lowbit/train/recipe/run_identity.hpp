// SPDX-License-Identifier: Apache-2.0
// What a resumed run must share with the stopped one besides options: the content of its examples
// and of the weights of its teacher and initial student, so that a changed file is detected and a
// moved one accepted.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/io/checkpoint_tensors.hpp"
#include "lowbit/text/vocabulary.hpp"
#include "lowbit/train/data/batching.hpp"
#include "lowbit/train/data/tokenize.hpp"

namespace lowbit::train {

/// 64-bit FNV-1a of the added bytes, as 16 hexadecimal digits.
class fingerprint {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) hash_.add(c);
  }
  template <class T>
  void add(std::span<const T> values) {
    add(std::string_view(reinterpret_cast<const char*>(values.data()), values.size_bytes()));
  }
  [[nodiscard]] std::string text() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_.value));
    return digits;
  }

 private:
  lowbit::detail::running_hash hash_;
};

/// Covers token ids, labels and types, and the order of the examples.
inline std::string fingerprint_of(const std::vector<example>& examples) {
  fingerprint f;
  for (const example& e : examples) {
    for (const auto* part : {&e.ids, &e.labels, &e.types}) {
      f.add(std::string_view("|"));
      f.add(std::span<const std::int64_t>(*part));
    }
  }
  return f.text();
}

/// Covers the tensors of a model folder.
/// Errors: those of checkpoint_tensors::open
inline result<std::string> fingerprint_of(const std::filesystem::path& folder) {
  LOWBIT_TRY_ASSIGN(const auto files, checkpoint_tensors::open(folder));
  fingerprint f;
  for (const tensor_view& t : files.tensors()) {
    f.add(t.name);
    f.add(t.data);
  }
  return f.text();
}

/// Part of a run's settings: the training and validation examples, and the teacher and initial
/// student if there are any (non-empty paths).
inline result<std::string> run_identity(const tokenized_dataset& data,
                                        const std::filesystem::path& teacher,
                                        const std::filesystem::path& student) {
  std::string text = " examples=" + fingerprint_of(data.train);
  if (!data.validation.empty()) text += " validation=" + fingerprint_of(data.validation);
  for (const auto& [name, folder] :
       {std::pair{" teacher=", &teacher}, std::pair{" student=", &student}}) {
    if (folder->empty()) continue;
    LOWBIT_TRY_ASSIGN(const auto content, fingerprint_of(*folder));
    text += name + content;
  }
  return text;
}

}  // namespace lowbit::train
