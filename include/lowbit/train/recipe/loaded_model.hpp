// SPDX-License-Identifier: Apache-2.0
// A model folder loaded as the starting point of a recipe: the model in its own scheme, its
// description and its tokenizer.
#pragma once

#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "lowbit/core/status.hpp"
#include "lowbit/text/tokenizer.hpp"
#include "lowbit/train/model/folder.hpp"
#include "lowbit/train/model/schemes.hpp"

namespace lowbit::train {

/// A model with its description, its tokenizer and its scheme, which other models may share.
struct loaded_model {
  model_description description;
  lowbit::tokenizer tokenizer;
  bert model;
  scheme_ptr how;
};

/// Loads the tensors of a folder into `model` by name. Head tensors (pooler, classifier, masked LM)
/// that the folder lacks, or has with another shape, keep their initial values.
///
/// Errors: as load_parameters for a tensor of the encoder
inline status load_encoder(const std::filesystem::path& folder, bert& model) {
  LOWBIT_TRY_ASSIGN(const auto tensors, checkpoint_tensors::open(folder));
  for (const auto& [name, parameter] : model.exported()) {
    const bool head = !name.starts_with("bert.encoder.") && !name.starts_with("bert.embeddings.");
    const tensor_view* found = tensors.find(name);
    const auto sizes = parameter.sizes();
    const bool fits =
        found != nullptr && found->shape.size() == sizes.size() &&
        std::equal(sizes.begin(), sizes.end(), found->shape.begin(),
                   [](std::int64_t a, std::size_t b) { return a == static_cast<std::int64_t>(b); });
    if (head && !fits) continue;
    if (found == nullptr) {
      return status::error(errc::not_found, folder.native(), ": no tensor \"", name, "\"");
    }
    LOWBIT_TRY(copy_into(*found, parameter));
  }
  return {};
}

/// Loads a folder's model in its own scheme onto the device; `bare`: the encoder only, without a
/// head.
inline result<loaded_model> load_model(const std::filesystem::path& folder,
                                       const torch::Device& device, bool bare = false) {
  LOWBIT_TRY_ASSIGN(const auto config, load_training_config(folder));
  LOWBIT_TRY_ASSIGN(auto how, scheme_of(config, folder));
  LOWBIT_TRY_ASSIGN(auto opened, open_model_folder(folder));
  if (bare) {
    opened.model.shape.head = head_kind::mean_embedding;
    opened.model.shape.labels = 0;
    opened.model.labels.clear();
  }
  bert model(opened.model.shape, how);
  LOWBIT_TRY(load_parameters(folder, model.exported()));
  model.to(device);
  return loaded_model{std::move(opened.model), std::move(opened.tokenizer), std::move(model),
                      std::move(how)};
}

/// Errors: those of load_model; unsupported for a model that is not full precision
inline result<loaded_model> load_float_model(const std::filesystem::path& folder,
                                             const torch::Device& device) {
  auto loaded = load_model(folder, device);
  if (loaded && loaded->model.how().name() != "fp32") {
    return status::error(errc::unsupported, folder.native(), ": a ", loaded->model.how().name(),
                         " model, expected a full precision one");
  }
  return loaded;
}

}  // namespace lowbit::train
