// SPDX-License-Identifier: Apache-2.0
// The folder that training reads and writes: config.json, model.safetensors with float weights
// under their Hugging Face names, unmodified tokenizer files, and results.json. A binary student is
// stored as its latent float weights; the runtime packs them. The folder appears complete or not at
// all.
#pragma once

#include <torch/torch.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/checkpoint_reader.hpp"
#include "lowbit/io/checkpoint_tensors.hpp"
#include "lowbit/io/config.hpp"
#include "lowbit/io/import_heads.hpp"
#include "lowbit/io/output_folder.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/text/tokenizer.hpp"
#include "lowbit/text/tokenizer_file_names.hpp"
#include "lowbit/train/model/bert.hpp"

namespace lowbit::train {

/// The contents of a model folder besides its tensors.
struct model_description {
  model_shape shape;
  std::vector<std::string> labels;      // (C) class names
  std::vector<std::string> vocabulary;  // (V) one token per id
  /// By name, as returned by read_tokenizer_files. Empty: BERT uncased with `vocabulary`.
  std::map<std::string, std::string> tokenizer_files = {};
};

/// The double with the shortest text that reads back as `value`: 1e-12, not 9.999999960041972e-13.
inline double decimal(float value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.7g", static_cast<double>(value));
  return std::strtod(text, nullptr);
}

/// The Hugging Face class that trains this head.
inline const char* architecture_of(head_kind head) {
  switch (head) {
    case head_kind::token:
      return "BertForTokenClassification";
    case head_kind::masked_lm:
      return "BertForMaskedLM";
    case head_kind::mean_embedding:
    case head_kind::cls_embedding:
    case head_kind::pooled_embedding:
      return "BertModel";
    default:
      return "BertForSequenceClassification";
  }
}

/// The fields of a Hugging Face BertConfig plus those of the scheme.
inline nlohmann::json make_config(const model_description& model, const training_scheme& how) {
  const model_shape& s = model.shape;
  nlohmann::json config = {
      {"architectures", {architecture_of(s.head)}},
      {"model_type", "bert"},
      {"hidden_act", name_of(how.hidden_act())},
      {"hidden_dropout_prob", 0.1},
      {"attention_probs_dropout_prob", 0.1},
      {"initializer_range", 0.02},
      {"layer_norm_eps", decimal(s.layer_norm_eps)},
      {"num_hidden_layers", s.layers},
      {"hidden_size", s.hidden},
      {"num_attention_heads", s.heads},
      {"intermediate_size", s.intermediate},
      {"vocab_size", s.vocabulary},
      {"max_position_embeddings", s.positions},
      {"type_vocab_size", s.token_types},
      {"pad_token_id", 0},
  };
  if (s.attention != 0 && s.attention != s.hidden) config["dyna_hidden_size"] = s.attention;
  if (s.pooler_act == pooler_activation::tanh_relu)
    config["architectures"] = {"TinyBertForSequenceClassification"};
  how.describe(config);
  for (std::size_t i = 0; i < model.labels.size(); ++i) {
    config["id2label"][std::to_string(i)] = model.labels[i];
    config["label2id"][model.labels[i]] = i;
  }
  return config;
}

/// A bare vocabulary also gets a tokenizer_config.json that says how to read it.
inline std::map<std::string, std::string> complete_tokenizer_files(const model_description& model) {
  std::map<std::string, std::string> files = model.tokenizer_files;
  if (files.empty()) {
    for (const std::string& token : model.vocabulary) files["vocab.txt"] += token + '\n';
  }
  if (files.count("tokenizer.json") == 0 && files.count("tokenizer_config.json") == 0) {
    const nlohmann::json tokenizer = {{"do_lower_case", true},
                                      {"model_max_length", model.shape.positions},
                                      {"tokenizer_class", "BertTokenizer"}};
    files["tokenizer_config.json"] = tokenizer.dump(2) + '\n';
  }
  return files;
}

/// A tensor in file layout: contiguous float32 on the CPU.
inline Tensor storable(const Tensor& tensor) {
  return tensor.detach().to(at::kCPU).to(at::kFloat).contiguous();
}

/// A view of `tensor` (contiguous, on the CPU, kept alive by the caller) for the writer.
inline tensor_to_write as_written(const std::string& name, const Tensor& tensor,
                                  lowbit::element_type type) {
  tensor_to_write out;
  out.name = name;
  out.type = type;
  for (const std::int64_t n : tensor.sizes()) out.shape.push_back(static_cast<std::size_t>(n));
  out.data = {static_cast<const std::byte*>(tensor.data_ptr()), tensor.nbytes()};
  return out;
}

inline status write_tensors(const std::filesystem::path& path,
                            const std::vector<named_tensor>& tensors,
                            const std::map<std::string, std::string>& metadata, existing policy) {
  std::vector<Tensor> kept;
  for (const auto& [name, tensor] : tensors) kept.push_back(storable(tensor));
  std::vector<tensor_to_write> written;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    written.push_back(as_written(tensors[i].first, kept[i], lowbit::element_type::f32));
  }
  return write_safetensors(path, written, metadata, policy);
}

/// What a training folder may replace: an earlier training folder, recognized by its results, or
/// the ranking that a search writes before there is a model.
inline replaceable_folder replaceable_training_folder() {
  replaceable_folder out{{"config.json", "model.safetensors", "results.json", "curves.svg",
                          "curves.stage1.svg", "ranking.json", "front.svg"},
                         [](const std::filesystem::path& at) {
                           std::error_code ignored;
                           for (const char* name : {"results.json", "ranking.json"}) {
                             if (std::filesystem::exists(at / name, ignored)) return status{};
                           }
                           return status::error(
                               errc::invalid_argument, at.native(),
                               ": is no folder of an earlier training (it has neither results.json "
                               "nor ranking.json); choose another");
                         }};
  out.files.insert(out.files.end(), tokenizer_file_names.begin(), tokenizer_file_names.end());
  return out;
}

/// Writes the whole folder atomically; `existing::replace` replaces an older one. `more_files`:
/// further text files, by name.
inline status write_model_folder(const std::filesystem::path& path, const model_description& model,
                                 const training_scheme& how,
                                 const std::vector<named_tensor>& tensors,
                                 const nlohmann::json& results, existing policy,
                                 const std::map<std::string, std::string>& more_files = {}) {
  LOWBIT_TRY_ASSIGN(auto output,
                    output_folder::create(path, policy, replaceable_training_folder()));
  const std::filesystem::path& at = output.folder();
  std::map<std::string, std::string> files = complete_tokenizer_files(model);
  files["config.json"] = make_config(model, how).dump(2) + '\n';
  files["results.json"] = results.dump(2) + '\n';
  files.insert(more_files.begin(), more_files.end());
  for (const auto& [name, text] : files) LOWBIT_TRY(write_file(at / name, text));
  LOWBIT_TRY(
      write_tensors(at / "model.safetensors", tensors, {{"format", "pt"}}, existing::refuse));
  return output.commit();
}

/// Copies float data into `tensor` after checking that shapes agree.
inline status copy_into(const tensor_view& from, const Tensor& tensor) {
  std::vector<std::size_t> expected;
  for (const std::int64_t n : tensor.sizes()) expected.push_back(static_cast<std::size_t>(n));
  LOWBIT_TRY(check_shape(from, expected));
  LOWBIT_TRY_ASSIGN(auto values, read_f32(from));
  LOWBIT_TRY(check_finite(from.place(), values));
  torch::NoGradGuard no_gradients;
  tensor.copy_(at::from_blob(values.data(), tensor.sizes(), at::kFloat));
  return {};
}

/// Fills every parameter from a model folder; extra tensors in the folder are ignored.
///
/// Errors: not_found for a parameter that the folder lacks, shape_mismatch naming the tensor,
///         malformed for NaN or infinite weights.
inline status load_parameters(const std::filesystem::path& folder,
                              const std::vector<named_tensor>& parameters) {
  LOWBIT_TRY_ASSIGN(const auto tensors, checkpoint_tensors::open(folder));
  for (const auto& [name, parameter] : parameters) {
    const tensor_view* found = tensors.find(name);
    if (found == nullptr) {
      return status::error(errc::not_found, folder.native(), ": no tensor \"", name, "\"");
    }
    LOWBIT_TRY(copy_into(*found, parameter));
  }
  return {};
}

/// Reads config.json, also of the trainer's intermediate BiT models (input_bits 2 and 4), which the
/// runtime does not run. These are parsed as one-bit models; `raw` keeps the original.
inline result<model_config> load_training_config(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  LOWBIT_TRY_ASSIGN(auto json, read_json(path));
  if (json.is_object() && json.contains("quantization_config")) {
    return status::error(errc::unsupported, path.native(),
                         ": a packed model (quantization_config), expected the float weights that "
                         "it was made from");
  }
  const auto text = [&json](const char* field) {
    return json.is_object() && json.contains(field) ? json[field].dump() : std::string();
  };
  const std::string bits = text("input_bits");
  const bool stage = text("weight_quant_method") == "\"bwn\"" && (bits == "2" || bits == "4") &&
                     text("input_quant_method") == "\"elastic\"";
  nlohmann::json raw;
  if (stage) {
    raw = json;
    json["input_bits"] = 1;
  }
  auto config = parse_config(json, path.native());
  if (!config) return config;
  if (stage) config->raw = std::move(raw);
  if (!config->family->is_bert()) {
    return status::error(errc::unsupported, path.native(), ": model_type is \"",
                         config->family->model_type, "\", expected \"bert\", which can be trained");
  }
  const activation_function act = config->shape.hidden_act;
  if (find_trained(act) == nullptr) {
    std::string known;
    for (const trained_activation& a : trained_activations) {
      known += (known.empty() ? "" : ", ") + std::string(name_of(a.function));
    }
    return status::error(errc::unsupported, path.native(), ": hidden_act is ", name_of(act),
                         ", which cannot be trained, expected one of ", known);
  }
  return config;
}

/// Shape, labels and vocabulary of a model folder, and its tokenizer.
struct opened_folder {
  model_description model;
  lowbit::tokenizer tokenizer;
};

/// The tokens of a tokenizer in id order.
inline std::vector<std::string> tokens_of(const lowbit::tokenizer& tokenizer) {
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < tokenizer.vocabulary_size(); ++i) {
    tokens.emplace_back(tokenizer.token(static_cast<std::int32_t>(i)));
  }
  return tokens;
}

/// Adds the tokenizer loaded from `source` to the description.
/// Errors: those of read_tokenizer_files; unsupported for a tokenizer other than BERT's, whose
///         words and "##" pieces the trainer relies on
inline status describe_tokenizer(const lowbit::tokenizer& tokenizer,
                                 const std::filesystem::path& source, model_description& model) {
  if (tokenizer.bert_options() == nullptr) {
    return status::error(errc::unsupported, source.native(),
                         ": not a WordPiece tokenizer of BERT, which the trainer needs");
  }
  LOWBIT_TRY_ASSIGN(auto files, read_tokenizer_files(source));
  model.vocabulary = tokens_of(tokenizer);
  model.tokenizer_files = std::move(files);
  return {};
}

/// Errors: those of load_config, checkpoint_tensors::open and the tokenizer; not_found for a
///         classifier without id2label; malformed when vocab.txt and vocab_size differ.
inline result<opened_folder> open_model_folder(const std::filesystem::path& folder) {
  LOWBIT_TRY_ASSIGN(auto config, load_training_config(folder));
  LOWBIT_TRY_ASSIGN(const auto files, checkpoint_tensors::open(folder));
  LOWBIT_TRY_ASSIGN(const auto reader, lowbit::detail::checkpoint_reader::open(
                                           files, *config.family, folder.native()));
  LOWBIT_TRY(lowbit::detail::find_head(config, files, reader.tensors(), folder.native()));
  if (config.shape.has_labels() && config.labels.empty()) {
    return status::error(errc::not_found, (folder / "config.json").native(),
                         ": no id2label, expected the name of every label");
  }
  LOWBIT_TRY_ASSIGN(auto tokenizer, lowbit::tokenizer::load(folder));
  if (tokenizer.vocabulary_size() != config.shape.vocabulary) {
    return status::error(errc::malformed, folder.native(), ": ", tokenizer.vocabulary_size(),
                         " tokens, but vocab_size is ", config.shape.vocabulary);
  }
  model_description model{config.shape, config.labels, {}};
  LOWBIT_TRY(describe_tokenizer(tokenizer, folder, model));
  return opened_folder{std::move(model), std::move(tokenizer)};
}

}  // namespace lowbit::train
