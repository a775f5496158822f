// SPDX-License-Identifier: Apache-2.0
// A model between file and engine: its config, the policy to run it under, and its canonical
// tensors, owned or borrowed from mapped files that it keeps open. Engines load weight_set views of
// it. Does not depend on kernels or instruction sets.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lowbit/boundary/weights.hpp"
#include "lowbit/io/checkpoint_tensors.hpp"
#include "lowbit/io/config.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// How one tensor was stored, for the report of `lowbit quantize`.
struct tensor_report {
  std::string name;    // Hugging Face name of the matrix or vector
  std::string format;  // its codec
  std::vector<std::size_t> shape;
  std::size_t source_bytes = 0;
  std::size_t bytes = 0;
  std::size_t ties = 0;  // see encode_report
};

/// The name of the tensors of embedding_format::modules[index], a Dense.
[[nodiscard]] inline std::string dense_name(std::size_t index) {
  return "embedding.modules." + std::to_string(index);
}

class canonical_model {
 public:
  model_config config;
  std::string policy;  // name as listed in io/named_policy.hpp
  std::string zero = "torch";
  std::vector<tensor_report> report;
  std::vector<std::string> ignored;  // checkpoint tensors not used for inference
  std::vector<std::string> warnings;

  /// Adds a tensor whose bytes are in a file held by keep_open().
  void borrow(std::string name, element_type type, std::vector<std::size_t> shape,
              std::span<const std::byte> data) {
    add(std::move(name), type, std::move(shape), data);
  }
  /// Adds a tensor and takes ownership of its bytes.
  void own(std::string name, element_type type, std::vector<std::size_t> shape,
           std::vector<std::byte> bytes) {
    storage_.push_back(std::make_unique<std::vector<std::byte>>(std::move(bytes)));
    add(std::move(name), type, std::move(shape), *storage_.back());
  }
  void own(std::string name, std::vector<std::size_t> shape, std::span<const float> values) {
    const auto bytes = std::as_bytes(values);
    own(std::move(name), element_type::f32, std::move(shape),
        std::vector<std::byte>(bytes.begin(), bytes.end()));
  }
  /// Like own, in place of a tensor of that name.
  void replace(const std::string& name, std::vector<std::size_t> shape,
               std::span<const float> values) {
    std::erase_if(tensors_, [&](const stored_tensor& t) { return name == t.name; });
    own(name, std::move(shape), values);
  }
  void keep_open(checkpoint_tensors files) {
    files_ = std::make_unique<checkpoint_tensors>(std::move(files));
  }

  [[nodiscard]] const checkpoint_tensors& files() const { return *files_; }

  /// Valid while this object lives, even after a move.
  [[nodiscard]] weight_set weights() const { return {tensors_.data(), tensors_.size()}; }
  [[nodiscard]] std::span<const stored_tensor> tensors() const { return tensors_; }
  /// Total bytes of the tensors, as stored in a packed folder.
  [[nodiscard]] std::size_t bytes() const {
    std::size_t total = 0;
    for (const stored_tensor& t : tensors_) total += t.bytes();
    return total;
  }

  /// Releases mapped pages to the system after an engine has packed the weights. Embedding tables
  /// are paged in again on use.
  void release_pages() const {
    if (files_ != nullptr) files_->release_pages();
  }

 private:
  void add(std::string name, element_type type, std::vector<std::size_t> shape,
           std::span<const std::byte> data) {
    names_.push_back(std::make_unique<std::string>(std::move(name)));
    stored_tensor t;
    t.name = names_.back()->c_str();
    t.data = data.data();
    t.type = type;
    t.rank = shape.size();
    for (std::size_t i = 0; i < shape.size() && i < 2; ++i) t.shape[i] = shape[i];
    tensors_.push_back(t);
  }

  std::vector<std::unique_ptr<std::string>> names_;
  std::vector<std::unique_ptr<std::vector<std::byte>>> storage_;
  std::unique_ptr<checkpoint_tensors> files_;
  std::vector<stored_tensor> tensors_;
};

}  // namespace lowbit::inline LOWBIT_ISA
