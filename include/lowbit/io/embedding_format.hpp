// SPDX-License-Identifier: Apache-2.0
// How a sentence-transformers folder embeds text: modules.json, the Pooling module,
// sentence_bert_config.json. Unsupported settings are rejected by name. A Normalize module makes no
// difference, because embeddings here always have length 1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/io/json.hpp"

namespace lowbit::inline LOWBIT_ISA {

[[nodiscard]] constexpr bool is_embedding(head_kind head) {
  return head == head_kind::mean_embedding || head == head_kind::cls_embedding;
}

struct embedding_format {
  std::string pooling = "mean";  ///< the folder's name for it: "mean" and "cls" are supported
  std::size_t max_tokens = 0;    ///< truncation limit; 0: the number of positions
  bool lower_case = false;       ///< lower-case the text before tokenization
};

namespace detail {

/// The names of the enabled modes of a Pooling module, joined by "+".
/// Errors: unsupported if none is enabled; shape_mismatch for another width
inline result<std::string> parse_pooling(const nlohmann::json& pooling, std::string_view name,
                                         std::size_t hidden) {
  LOWBIT_TRY_ASSIGN(const auto width, json_size(pooling, "word_embedding_dimension", name, hidden));
  if (width != hidden) {
    return status::error(errc::shape_mismatch, name, ": word_embedding_dimension is ", width,
                         ", hidden_size ", hidden);
  }
  std::string modes;
  const auto add = [&](std::string_view mode) {
    modes += (modes.empty() ? "" : "+") + std::string(mode);
  };
  constexpr std::string_view prefix = "pooling_mode";
  for (const auto& [field, value] : pooling.items()) {
    if (!std::string_view(field).starts_with(prefix)) continue;
    if (field == prefix && value.is_string()) {  // newer files: {"pooling_mode": "mean"}
      add(value.get_ref<const std::string&>());
      continue;
    }
    LOWBIT_TRY_ASSIGN(const auto on, json_bool(pooling, field, name, false));
    if (!on) continue;
    std::string_view mode = std::string_view(field).substr(prefix.size());
    if (mode.starts_with('_')) mode.remove_prefix(1);
    add(mode == "cls_token" ? "cls" : mode == "mean_tokens" ? "mean" : mode);
  }
  if (modes.empty()) return status::error(errc::unsupported, name, ": no pooling mode is true");
  return modes;
}

inline status check_module(std::string_view type, std::string_view name) {
  const std::string_view last = type.substr(std::min(type.rfind('.') + 1, type.size()));
  for (const std::string_view known : {"Transformer", "BERT", "Pooling", "Normalize"})
    if (last == known) return {};
  return status::error(errc::unsupported, name, ": module ", quote_name(type),
                       ", expected Transformer, Pooling and Normalize");
}

/// The array in modules.json, or null if there is no such file.
inline result<nlohmann::json> read_modules(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return nlohmann::json();
  auto modules = read_json(file);
  if (modules && (!modules->is_array() || modules->empty())) {
    return status::error(errc::malformed, file.native(), ": is ", describe(*modules),
                         ", expected an array of modules");
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

/// Reads sentence_bert_config.json beside the transformer, and rejects a default prompt in
/// config_sentence_transformers.json.
inline status read_text_options(const std::filesystem::path& folder,
                                const std::filesystem::path& transformer, embedding_format& out) {
  const auto options = transformer / "sentence_bert_config.json";
  if (std::filesystem::exists(options)) {
    LOWBIT_TRY_ASSIGN(const auto json, read_json(options, {.object = true}));
    LOWBIT_TRY_ASSIGN(const auto tokens, json_size(json, "max_seq_length", options.native(), 0));
    LOWBIT_TRY_ASSIGN(const auto lower, json_bool(json, "do_lower_case", options.native(), false));
    if (find_member(json, "max_seq_length") != nullptr && tokens < 3) {
      return status::error(errc::malformed, options.native(), ": max_seq_length is ", tokens,
                           ", expected at least 3");
    }
    out.max_tokens = tokens;
    out.lower_case = lower;
  }
  const auto prompts = folder / "config_sentence_transformers.json";
  if (std::filesystem::exists(prompts)) {
    LOWBIT_TRY_ASSIGN(const auto json, read_json(prompts, {.object = true}));
    if (const auto* prompt = find_member(json, "default_prompt_name")) {
      return status::error(errc::unsupported, prompts.native(), ": default_prompt_name is ",
                           describe(*prompt), ", expected none: no prompt is put before a text");
    }
  }
  return {};
}

}  // namespace detail

/// The folder with config.json, weights and tokenizer of a model folder: the folder itself or, in
/// the older layout of sentence-transformers, the one in modules.json (0_Transformer, 0_BERT).
/// Errors: malformed for a path that is no plain name, or a malformed modules.json
inline result<std::filesystem::path> transformer_folder(const std::filesystem::path& folder) {
  const auto path = folder / "modules.json";
  LOWBIT_TRY_ASSIGN(const auto modules, detail::read_modules(path));
  for (const nlohmann::json& module : modules) {
    LOWBIT_TRY_ASSIGN(const auto type, json_string(module, "type", path.native()));
    if (!detail::is_transformer(type)) continue;
    LOWBIT_TRY_ASSIGN(const auto at, detail::module_path(module, path.native()));
    return at.empty() ? folder : folder / at;
  }
  return folder;
}

/// Reads the modules of a folder; nullopt if it is not a sentence-transformers folder.
/// Errors: unsupported for another module, with its name; malformed or missing files
inline result<std::optional<embedding_format>> read_embedding_format(
    const std::filesystem::path& folder, std::size_t hidden) {
  const auto path = folder / "modules.json";
  const std::string& name = path.native();
  LOWBIT_TRY_ASSIGN(const auto modules, detail::read_modules(path));
  if (modules.is_null()) return std::optional<embedding_format>();
  embedding_format out;
  bool pools = false;
  for (const nlohmann::json& module : modules) {
    LOWBIT_TRY_ASSIGN(const auto type, json_string(module, "type", name));
    LOWBIT_TRY(detail::check_module(type, name));
    LOWBIT_TRY_ASSIGN(const auto at, detail::module_path(module, name));
    if (!type.ends_with("Pooling")) continue;
    if (at.empty()) {
      return status::error(errc::malformed, name, ": path of the Pooling module is empty");
    }
    if (pools) return status::error(errc::unsupported, name, ": two Pooling modules, expected one");
    pools = true;
    const auto file = folder / at / "config.json";
    LOWBIT_TRY_ASSIGN(const auto json, read_json(file, {.object = true}));
    LOWBIT_TRY_ASSIGN(out.pooling, detail::parse_pooling(json, file.native(), hidden));
  }
  if (!pools) return status::error(errc::unsupported, name, ": no Pooling module, expected one");
  LOWBIT_TRY_ASSIGN(const auto transformer, transformer_folder(folder));
  LOWBIT_TRY(detail::read_text_options(folder, transformer, out));
  return std::optional(std::move(out));
}

/// Errors: unsupported for an unsupported pooling, with its name
inline result<head_kind> head_of_pooling(std::string_view pooling) {
  if (pooling == "mean") return head_kind::mean_embedding;
  if (pooling == "cls") return head_kind::cls_embedding;
  return status::error(errc::unsupported, "pooling is ", detail::quote_name(pooling),
                       ", expected mean or cls");
}

}  // namespace lowbit::inline LOWBIT_ISA
