// SPDX-License-Identifier: Apache-2.0
// How an embedder turns text into a vector, as the modules of a sentence-transformers folder say:
// Transformer, Pooling, Dense and Normalize (one vector), without Pooling (a vector for each token,
// ColBERT) or with SpladePooling (a weight for each word of the vocabulary). Parses the fields of
// each module; unsupported settings are rejected by name. embedding_folder.hpp reads the files.
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

  std::size_t in = 0, out = 0;  ///< of Dense: y = activation(W x + b), W (out, in)
  std::string activation{};     ///< of Dense
  std::string folder{};         ///< with the tensors of Dense; empty in a packed folder

  /// Otherwise it is Normalize: x / max(|x|, 1e-12).
  [[nodiscard]] bool is_dense() const { return out != 0; }
};

/// SpladePooling: the weight of a word of the vocabulary from its masked-LM logits in a text.
struct splade_options {
  bool sum = false;    ///< of the tokens' weights; otherwise the largest
  bool twice = false;  ///< log(1 + log(1 + relu(logit))), otherwise log(1 + relu(logit))
};

struct embedding_format {
  static constexpr std::string_view tokens = "tokens", splade = "splade";

  /// Names of pooling modes, joined by "+" in the order of the enum; `tokens`: no pooling, the
  /// modules apply to every token; `splade`: weights of words.
  std::string pooling = "mean";
  splade_options weights{};    ///< of splade
  std::size_t max_tokens = 0;  ///< truncation limit; 0: the number of positions
  bool lower_case = false;     ///< lower-case the text before tokenization
  std::vector<embedding_module> modules{embedding_module()};  ///< behind the pooling
  std::map<std::string, std::string> prompts{};               ///< put before a text, by name
  std::string default_prompt{};  ///< the prompt of a text without a named one; empty: none
  bool pools_prompt = true;      ///< the tokens of a prompt are pooled like those of the text
  std::size_t dimensions = 0;    ///< of the vector, that many are kept; 0: all
  /// `tokens`: words whose tokens a text with another prompt than "query" leaves out.
  std::vector<std::string> skipped{};

  [[nodiscard]] bool normalises_first() const {
    return !modules.empty() && !modules.front().is_dense();
  }
  [[nodiscard]] bool is_sparse() const { return pooling == splade; }
  [[nodiscard]] bool is_per_token() const { return pooling == tokens; }
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

/// Checks that a module reads and writes the sentence embedding or, without Pooling before it, the
/// token embeddings.
inline status check_module_names(const nlohmann::json& config, std::string_view name,
                                 bool per_token) {
  const std::string expected = per_token ? "token_embeddings" : "sentence_embedding";
  for (const std::string_view field : {"module_input_name", "module_output_name"}) {
    if (const auto* found = find_member(config, field); found != nullptr && found->is_null())
      continue;
    LOWBIT_TRY_ASSIGN(const auto found, json_string(config, field, name, expected));
    if (found != expected) {
      return status::error(errc::unsupported, name, ": ", field, " is ", quote_name(found),
                           ", expected ", quote_name(expected));
    }
  }
  return {};
}

/// A Dense module from the fields of its config.json.
inline result<embedding_module> parse_dense(const nlohmann::json& config, std::string_view name,
                                            bool per_token) {
  embedding_module dense;
  LOWBIT_TRY(check_module_names(config, name, per_token));
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

/// SpladePooling, from the fields of its config.json.
/// Errors: unsupported for another strategy or function, with its name
inline status parse_splade(const nlohmann::json& config, std::string_view name,
                           splade_options& out) {
  struct choice {
    std::string_view field, usual, other;
    bool& chosen;
  };
  for (const choice& c : {choice{"pooling_strategy", "max", "sum", out.sum},
                          choice{"activation_function", "relu", "log1p_relu", out.twice}}) {
    LOWBIT_TRY_ASSIGN(const auto found, json_string(config, c.field, name, std::string(c.usual)));
    c.chosen = found == c.other;
    if (!c.chosen && found != c.usual) {
      return status::error(errc::unsupported, name, ": ", c.field, " is ", quote_name(found),
                           ", expected \"", c.usual, "\" or \"", c.other, "\"");
    }
  }
  return {};
}

/// The words of a MultiVectorMask, whose tokens a document leaves out.
inline status parse_skipped(const nlohmann::json& config, std::string_view name,
                            std::vector<std::string>& out) {
  const auto* words = find_member(config, "skiplist_words");
  if (words == nullptr) return {};
  if (!words->is_array()) return wrong_type(name, "skiplist_words", *words, "an array of words");
  out.clear();
  for (const nlohmann::json& word : *words) {
    if (!word.is_string()) return wrong_type(name, "skiplist_words", word, "a word");
    out.push_back(word.get<std::string>());
  }
  return {};
}

/// What PyLate writes of a ColBERT model: prefixes, which are prompts here, words that documents
/// leave out (punctuation unless it says otherwise), and vectors of length 1 without a module that
/// says so.
inline status parse_pylate(const nlohmann::json& config, std::string_view name,
                           embedding_format& out) {
  for (const char* prompt : {"query", "document"}) {
    const std::string field = std::string(prompt) + "_prefix";
    LOWBIT_TRY_ASSIGN(const auto prefix, json_string(config, field, name, ""));
    std::string& text = out.prompts[prompt];
    if (!text.starts_with(prefix)) text = prefix + text;
  }
  LOWBIT_TRY_ASSIGN(const auto type, json_string(config, "model_type", name, ""));
  if (type == "ColBERT") {
    for (const char c : std::string_view("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"))
      out.skipped.emplace_back(1, c);
    out.modules.emplace_back();
  }
  return parse_skipped(config, name, out.skipped);
}

}  // namespace detail

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
