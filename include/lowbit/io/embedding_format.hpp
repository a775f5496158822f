// SPDX-License-Identifier: Apache-2.0
// How a sentence-transformers folder embeds text: modules.json with the modules Transformer,
// Pooling, Dense and Normalize, sentence_bert_config.json and config_sentence_transformers.json.
// Unsupported settings are rejected by name. Reads no tensors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/boundary/shape.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/io/json.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// A module behind the pooling, in the order of modules.json.
struct embedding_module {
  /// Names of Dense's activation_function, without the modules of Python before them.
  static constexpr std::string_view activations[] = {"Tanh", "Identity", "ReLU", "GELU"};

  std::size_t in = 0, out = 0;     ///< of Dense: y = activation(W x + b), W (out, in)
  std::string activation{};        ///< of Dense
  std::filesystem::path folder{};  ///< with the tensors of Dense; empty in a packed folder

  /// Otherwise it is Normalize: x / max(|x|, 1e-12).
  [[nodiscard]] bool is_dense() const { return out != 0; }
};

struct embedding_format {
  std::string pooling = "mean";  ///< names of pooling modes, joined by "+" in the order of the enum
  std::size_t max_tokens = 0;    ///< truncation limit; 0: the number of positions
  bool lower_case = false;       ///< lower-case the text before tokenization
  std::vector<embedding_module> modules{embedding_module()};  ///< behind the pooling
  std::map<std::string, std::string> prompts{};               ///< put before a text, by name
  std::string default_prompt{};  ///< the prompt of a text without a named one; empty: none
  bool pools_prompt = true;      ///< the tokens of a prompt are pooled like those of the text
  std::size_t dimensions = 0;    ///< of the vector, that many are kept; 0: all

  [[nodiscard]] bool normalises_first() const {
    return !modules.empty() && !modules.front().is_dense();
  }
};

namespace detail {

/// By pooling_mode.
inline constexpr std::string_view pooling_names[] = {
    "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"};
static_assert(std::size(pooling_names) == pooling_modes);

/// The name of a mode whose field of older files is pooling_mode_NAME.
inline std::string_view pooling_name(std::string_view field) {
  if (field == "cls_token") return "cls";
  if (field == "max_tokens") return "max";
  if (field == "mean_tokens") return "mean";
  if (field == "weightedmean_tokens") return "weightedmean";
  return field;
}

/// The names of the modes of a Pooling module, joined by "+".
/// Errors: unsupported if none is enabled; shape_mismatch for another width
inline result<std::string> parse_pooling(const nlohmann::json& pooling, std::string_view name,
                                         std::size_t hidden) {
  for (const std::string_view field : {"word_embedding_dimension", "embedding_dimension"}) {
    LOWBIT_TRY_ASSIGN(const auto width, json_size(pooling, field, name, hidden));
    if (width != hidden) {
      return status::error(errc::shape_mismatch, name, ": ", field, " is ", width, ", hidden_size ",
                           hidden);
    }
  }
  std::vector<std::string> modes;
  constexpr std::string_view prefix = "pooling_mode";
  if (const auto* field = find_member(pooling, prefix)) {  // newer files: a name or several
    const auto names = field->is_array() ? *field : nlohmann::json::array({*field});
    for (const nlohmann::json& mode : names) {
      if (!mode.is_string()) return wrong_type(name, prefix, mode, "the name of a mode");
      modes.push_back(mode.get<std::string>());
    }
  } else {
    for (const auto& [key, value] : pooling.items()) {
      if (!std::string_view(key).starts_with(prefix)) continue;
      LOWBIT_TRY_ASSIGN(const auto on, json_bool(pooling, key, name, false));
      if (on && key.size() > prefix.size())
        modes.emplace_back(pooling_name(std::string_view(key).substr(prefix.size() + 1)));
    }
    const auto order = [](std::string_view mode) {
      return std::find(std::begin(pooling_names), std::end(pooling_names), mode);
    };
    std::stable_sort(modes.begin(), modes.end(),
                     [&](const auto& a, const auto& b) { return order(a) < order(b); });
  }
  if (modes.empty()) return status::error(errc::unsupported, name, ": no pooling mode is true");
  std::string joined;
  for (const std::string& mode : modes) joined += (joined.empty() ? "" : "+") + mode;
  return joined;
}

/// The array in modules.json, or null if there is no such file.
inline result<nlohmann::json> read_modules(const std::filesystem::path& file) {
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return nlohmann::json();
  auto modules = read_json(file);
  constexpr std::size_t limit = 100;
  if (modules && (!modules->is_array() || modules->empty() || modules->size() > limit)) {
    return status::error(errc::malformed, file.native(), ": is ", describe(*modules),
                         ", expected an array of 2 to ", limit, " modules");
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

/// Checks that a module reads and writes the sentence embedding.
inline status check_module_names(const nlohmann::json& config, std::string_view name) {
  for (const std::string_view field : {"module_input_name", "module_output_name"}) {
    LOWBIT_TRY_ASSIGN(const auto found, json_string(config, field, name, "sentence_embedding"));
    if (found != "sentence_embedding") {
      return status::error(errc::unsupported, name, ": ", field, " is ", quote_name(found),
                           ", expected \"sentence_embedding\"");
    }
  }
  return {};
}

/// A Dense module from the fields of its config.json.
inline result<embedding_module> parse_dense(const nlohmann::json& config, std::string_view name) {
  embedding_module dense;
  LOWBIT_TRY(check_module_names(config, name));
  constexpr std::size_t limit = std::size_t{1} << 17U;
  for (const auto& [field, value] :
       {std::pair{"in_features", &dense.in}, std::pair{"out_features", &dense.out}}) {
    LOWBIT_TRY_ASSIGN(*value, json_size(config, field, name));
    if (*value == 0 || *value > limit) {
      return status::error(errc::malformed, name, ": ", field, " is ", *value, ", expected 1 to ",
                           limit);
    }
  }
  LOWBIT_TRY_ASSIGN(const auto residual, json_bool(config, "use_residual", name, false));
  if (residual) {
    return status::error(errc::unsupported, name, ": use_residual is true, expected false");
  }
  LOWBIT_TRY_ASSIGN(const auto function, json_string(config, "activation_function", name, "Tanh"));
  dense.activation = function.substr(function.rfind('.') + 1);
  std::string known;
  for (const std::string_view a : embedding_module::activations) {
    if (dense.activation == a) return dense;
    known += (known.empty() ? "" : ", ") + std::string(a);
  }
  return status::error(errc::unsupported, name, ": activation_function is ", quote_name(function),
                       ", expected one of ", known);
}

/// Prompts by name, and the name of the default one.
inline status parse_prompts(const nlohmann::json& config, std::string_view name,
                            embedding_format& out) {
  if (const auto* prompts = find_member(config, "prompts")) {
    if (!prompts->is_object()) return wrong_type(name, "prompts", *prompts, "an object of texts");
    for (const auto& [key, text] : prompts->items()) {
      if (text.is_null()) continue;
      if (!text.is_string()) return wrong_type(name, "prompts." + key, text, "a text");
      out.prompts[key] = text.get<std::string>();
    }
  }
  const auto* chosen = find_member(config, "default_prompt_name");
  if (chosen == nullptr || chosen->is_null()) return {};
  if (!chosen->is_string()) return wrong_type(name, "default_prompt_name", *chosen, "a name");
  out.default_prompt = chosen->get<std::string>();
  if (out.prompts.contains(out.default_prompt)) return {};
  return status::error(errc::malformed, name, ": default_prompt_name is ",
                       quote_name(out.default_prompt), ", which is not a name in prompts");
}

/// Reads sentence_bert_config.json, beside the transformer, and config_sentence_transformers.json.
inline status read_text_options(const std::filesystem::path& folder,
                                const std::filesystem::path& transformer, embedding_format& out) {
  const auto options = transformer / "sentence_bert_config.json";
  if (std::filesystem::exists(options)) {
    LOWBIT_TRY_ASSIGN(const auto json, read_json(options, {.object = true}));
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
  const auto prompts = folder / "config_sentence_transformers.json";
  if (!std::filesystem::exists(prompts)) return {};
  LOWBIT_TRY_ASSIGN(const auto json, read_json(prompts, {.object = true}));
  LOWBIT_TRY(parse_prompts(json, prompts.native(), out));
  const auto* cut = find_member(json, "truncate_dim");
  if (cut == nullptr || cut->is_null()) return {};
  LOWBIT_TRY_ASSIGN(out.dimensions, json_size(json, "truncate_dim", prompts.native()));
  return {};
}

/// One module of modules.json; the first is the transformer, the second the pooling.
inline status read_module(const std::filesystem::path& folder, const nlohmann::json& module,
                          std::size_t index, std::string_view name, std::size_t hidden,
                          embedding_format& out) {
  LOWBIT_TRY_ASSIGN(const auto type, json_string(module, "type", name));
  LOWBIT_TRY_ASSIGN(const auto at, module_path(module, name));
  const std::string_view last = std::string_view(type).substr(type.rfind('.') + 1);
  constexpr std::string_view expected[] = {"Transformer", "Pooling", "Dense or Normalize"};
  const bool known = index == 0   ? is_transformer(type)
                     : index == 1 ? last == "Pooling"
                                  : last == "Dense" || last == "Normalize";
  if (!known) {
    return status::error(errc::unsupported, name, ": module ", index, " is ", quote_name(type),
                         ", expected ", expected[std::min<std::size_t>(index, 2)]);
  }
  if (index == 0) return {};  // its folder: transformer_folder()
  if (at.empty() && last != "Normalize") {
    return status::error(errc::malformed, name, ": path of the ", last,
                         " module is empty, expected the plain name of a folder");
  }
  const auto file = folder / at / "config.json";
  if (last == "Normalize") {
    if (!at.empty() && std::filesystem::exists(file)) {
      LOWBIT_TRY_ASSIGN(const auto json, read_json(file, {.object = true}));
      LOWBIT_TRY(check_module_names(json, file.native()));
    }
    out.modules.emplace_back();
    return {};
  }
  LOWBIT_TRY_ASSIGN(const auto json, read_json(file, {.object = true}));
  if (last == "Dense") {
    LOWBIT_TRY_ASSIGN(auto dense, parse_dense(json, file.native()));
    dense.folder = folder / at;
    out.modules.push_back(std::move(dense));
    return {};
  }
  LOWBIT_TRY_ASSIGN(out.pooling, parse_pooling(json, file.native(), hidden));
  LOWBIT_TRY_ASSIGN(out.pools_prompt, json_bool(json, "include_prompt", file.native(), true));
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
  out.modules.clear();
  for (std::size_t i = 0; i < modules.size(); ++i)
    LOWBIT_TRY(detail::read_module(folder, modules[i], i, name, hidden, out));
  if (modules.size() < 2)
    return status::error(errc::unsupported, name, ": no Pooling module, expected one");
  LOWBIT_TRY_ASSIGN(const auto transformer, transformer_folder(folder));
  LOWBIT_TRY(detail::read_text_options(folder, transformer, out));
  return std::optional(std::move(out));
}

/// Sets head and pooling of a shape from names joined by "+".
/// Errors: unsupported for an unsupported pooling, with its name
inline status set_pooling(std::string_view pooling, model_shape& shape) {
  std::size_t bits = 0;
  for (std::string_view rest = pooling; !rest.empty();) {
    const std::string_view name = rest.substr(0, rest.find('+'));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    std::size_t mode = 0;
    while (mode < pooling_modes && name != detail::pooling_names[mode]) ++mode;
    const bool follows = mode < pooling_modes && bits >> mode == 0;
    if (follows) bits |= std::size_t{1} << mode;
    if (follows) continue;
    std::string known;
    for (const std::string_view n : detail::pooling_names)
      known += (known.empty() ? "" : ", ") + std::string(n);
    return status::error(errc::unsupported, "pooling is ", detail::quote_name(pooling),
                         ", expected ", known, ", or several of them in this order");
  }
  shape.head = bits == bit_of(pooling_mode::mean)  ? head_kind::mean_embedding
               : bits == bit_of(pooling_mode::cls) ? head_kind::cls_embedding
                                                   : head_kind::pooled_embedding;
  shape.pooling = bits;
  return {};
}

}  // namespace lowbit::inline LOWBIT_ISA
