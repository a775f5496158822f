// SPDX-License-Identifier: Apache-2.0
// Reads the settings of a sentence-transformers folder (modules.json with the folders of its
// modules, sentence_bert_config.json, config_sentence_transformers.json) into an embedding_format.
#pragma once

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/io/embedding_format.hpp"

namespace lowbit::inline LOWBIT_ISA {
namespace detail {

/// The array in modules.json, or null if there is no such file.
inline result<nlohmann::json> read_modules(const model_files& folder) {
  if (!folder.has("modules.json")) return nlohmann::json();
  auto modules = read_json(folder, "modules.json");
  constexpr std::size_t limit = 100;
  if (modules && (!modules->is_array() || modules->empty() || modules->size() > limit)) {
    return status::error(errc::malformed, (folder / "modules.json").native(), ": is ",
                         describe(*modules), ", expected an array of 2 to ", limit, " modules");
  }
  return modules;
}

/// True for the module of the encoder; sentence-transformers before 0.4 called it BERT.
inline bool is_transformer(std::string_view type) {
  return type.ends_with("Transformer") || type.ends_with(".BERT");
}

/// The folder of a module: a plain name, or empty for the model's own folder.
inline result<std::string> module_path(const nlohmann::json& module, std::string_view name) {
  LOWBIT_TRY_ASSIGN(auto at, json_string(module, "path", name, ""));
  if (at.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos && at != ".." &&
      at != ".") {
    return at;
  }
  return status::error(errc::malformed, name, ": path ", quote_name(at),
                       ", expected the plain name of a folder");
}

/// Reads sentence_bert_config.json, beside the transformer, and config_sentence_transformers.json.
inline status read_text_options(const model_files& folder, const model_files& transformer,
                                embedding_format& out) {
  constexpr std::string_view options_file = "sentence_bert_config.json";
  const auto options = transformer / options_file;
  if (transformer.has(options_file)) {
    LOWBIT_TRY_ASSIGN(const auto json, read_json(transformer, options_file, {.object = true}));
    const auto* limit = find_member(json, "max_seq_length");
    const bool limited = limit != nullptr && !limit->is_null();
    if (limited) {
      LOWBIT_TRY_ASSIGN(out.max_tokens, json_size(json, "max_seq_length", options.native()));
    }
    LOWBIT_TRY_ASSIGN(out.lower_case, json_bool(json, "do_lower_case", options.native(), false));
    if (limited && out.max_tokens < 3) {
      return status::error(errc::malformed, options.native(), ": max_seq_length is ",
                           out.max_tokens, ", expected at least 3");
    }
  }
  constexpr std::string_view prompts_file = "config_sentence_transformers.json";
  const auto prompts = folder / prompts_file;
  if (!folder.has(prompts_file)) return {};
  LOWBIT_TRY_ASSIGN(const auto json, read_json(folder, prompts_file, {.object = true}));
  LOWBIT_TRY(parse_prompts(json, prompts.native(), out));
  if (out.is_per_token()) LOWBIT_TRY(parse_pylate(json, prompts.native(), out));
  const auto* cut = find_member(json, "truncate_dim");
  if (cut == nullptr || cut->is_null()) return {};
  LOWBIT_TRY_ASSIGN(out.dimensions, json_size(json, "truncate_dim", prompts.native()));
  return {};
}

/// One module of modules.json. The first is the transformer; the second says what a text becomes:
/// Pooling one vector, SpladePooling weights of words, any other module a vector for each token.
inline status read_module(const model_files& folder, const nlohmann::json& module,
                          std::size_t index, std::string_view name, std::size_t hidden,
                          embedding_format& out) {
  LOWBIT_TRY_ASSIGN(const auto type, json_string(module, "type", name));
  LOWBIT_TRY_ASSIGN(const auto at, module_path(module, name));
  const std::string_view last = std::string_view(type).substr(type.rfind('.') + 1);
  const bool pools = index == 1 && (last == "Pooling" || last == "SpladePooling");
  if (index == 1 && !pools) out.pooling = embedding_format::tokens;
  const bool per_token = out.is_per_token();
  const bool masks = per_token && last == "MultiVectorMask";
  const bool known =
      index == 0 ? is_transformer(type) : pools || masks || last == "Dense" || last == "Normalize";
  if (!known || out.is_sparse()) {
    constexpr std::string_view expected[] = {"Transformer",
                                             "Pooling, SpladePooling, Dense or "
                                             "Normalize"};
    return status::error(errc::unsupported, name, ": module ", index, " is ", quote_name(type),
                         ", expected ",
                         out.is_sparse() ? "none behind SpladePooling"
                         : per_token     ? "MultiVectorMask, Dense or Normalize"
                         : index < 2     ? expected[index]
                                         : "Dense or Normalize");
  }
  if (index == 0) return {};  // its folder: transformer_folder()
  if (at.empty() && last != "Normalize" && last != "MultiVectorMask") {
    return status::error(errc::malformed, name, ": path of the ", last,
                         " module is empty, expected the plain name of a folder");
  }
  const model_files inside = at.empty() ? folder : folder.in(at);
  const auto file = inside / "config.json";
  if (last == "Normalize" || masks) {
    if (!at.empty() && inside.has("config.json")) {
      LOWBIT_TRY_ASSIGN(const auto json, read_json(inside, "config.json", {.object = true}));
      LOWBIT_TRY(masks ? parse_skipped(json, file.native(), out.skipped)
                       : check_module_names(json, file.native(), per_token));
    }
    if (!masks) out.modules.emplace_back();
    return {};
  }
  LOWBIT_TRY_ASSIGN(const auto json, read_json(inside, "config.json", {.object = true}));
  if (last == "Dense") {
    LOWBIT_TRY_ASSIGN(auto dense, parse_dense(json, file.native(), per_token));
    dense.folder = at;
    out.modules.push_back(std::move(dense));
    return {};
  }
  if (last == "SpladePooling") {
    out.pooling = embedding_format::splade;
    return parse_splade(json, file.native(), out.weights);
  }
  LOWBIT_TRY_ASSIGN(out.pooling, parse_pooling(json, file.native(), hidden));
  LOWBIT_TRY_ASSIGN(out.pools_prompt, json_bool(json, "include_prompt", file.native(), true));
  return {};
}

}  // namespace detail

/// The folder with config.json, weights and tokenizer of a model folder: the folder itself or, in
/// the older layout of sentence-transformers, the one in modules.json (0_Transformer, 0_BERT).
/// Errors: malformed for a path that is no plain name, or a malformed modules.json
inline result<model_files> transformer_folder(const model_files& folder) {
  const auto path = folder / "modules.json";
  LOWBIT_TRY_ASSIGN(const auto modules, detail::read_modules(folder));
  for (const nlohmann::json& module : modules) {
    LOWBIT_TRY_ASSIGN(const auto type, json_string(module, "type", path.native()));
    if (!detail::is_transformer(type)) continue;
    LOWBIT_TRY_ASSIGN(const auto at, detail::module_path(module, path.native()));
    return at.empty() ? folder : folder.in(at);
  }
  return folder;
}

/// Reads the modules of a folder; nullopt if it is not a sentence-transformers folder.
/// Errors: unsupported for another module, with its name; malformed or missing files
inline result<std::optional<embedding_format>> read_embedding_format(const model_files& folder,
                                                                     std::size_t hidden) {
  const std::string name = (folder / "modules.json").native();
  LOWBIT_TRY_ASSIGN(const auto modules, detail::read_modules(folder));
  if (modules.is_null()) return std::optional<embedding_format>();
  embedding_format out;
  out.modules.clear();
  for (std::size_t i = 0; i < modules.size(); ++i)
    LOWBIT_TRY(detail::read_module(folder, modules[i], i, name, hidden, out));
  if (modules.size() < 2)
    return status::error(errc::unsupported, name, ": no Pooling module, expected one");
  LOWBIT_TRY_ASSIGN(const auto transformer, transformer_folder(folder));
  LOWBIT_TRY(detail::read_text_options(folder, transformer, out));
  return std::optional(std::move(out));
}

}  // namespace lowbit::inline LOWBIT_ISA
