// SPDX-License-Identifier: Apache-2.0
// What a resumed run must have in common with the stopped one besides its options: the examples and
// the weights of its teacher and first student, by their content, so that a file that was changed
// or moved is known.
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

/// FNV-1a of 64 bits over what it is given, as 16 hexadecimal digits.
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

/// Of token ids, labels and types; the order of the examples counts.
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

/// Of the tensors of a model folder.
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

/// For the settings of a run: the examples that it learns from and is chosen by, and the teacher
/// and the student that it starts from where there are any (paths that are not empty).
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
