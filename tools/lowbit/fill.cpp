// SPDX-License-Identifier: Apache-2.0
// lowbit fill: the most probable tokens for each [MASK].
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::status;

struct fill_options : model_options, text_options {
  std::size_t top = 5;
  bool truncate = false;
};

/// A text as a batch of its own, and the positions of its masks.
struct masked_text {
  token_rows rows;
  std::vector<lowbit::text_span> masks;
};

/// `text` with the mask replaced; a token that continues a word is joined to the text before it.
std::string filled(const std::string& text, const lowbit::text_span& at,
                   const lowbit::token_text& token) {
  std::size_t begin = at.begin;
  while (begin < at.end && text[begin] == ' ') ++begin;  // a mask may take the space before it
  if (token.continues) {
    while (begin > 0 && text[begin - 1] == ' ') --begin;
  }
  return text.substr(0, begin) + token.text + text.substr(at.end);
}

void print(const lowbit::tokenizer& tokenizer, const std::string& text, const lowbit::text_span& at,
           const float* logits, std::size_t vocabulary, const fill_options& o) {
  const std::size_t top = std::min(o.top, vocabulary);
  std::vector<std::size_t> order(vocabulary);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                    });
  const std::vector<float> p = lowbit::probabilities(logits, vocabulary);
  nlohmann::json line = {{"text", text},
                         {"begin", lowbit::characters_before(text, at.begin)},
                         {"end", lowbit::characters_before(text, at.end)},
                         {"words", nlohmann::json::array()}};
  for (std::size_t i = 0; i < top; ++i) {
    const std::size_t id = order[i];
    // A model's embedding table may be padded beyond the tokenizer's vocabulary.
    const auto token = static_cast<std::int32_t>(id);
    const bool known = id < tokenizer.vocabulary_size();
    const std::string word =
        known ? std::string(tokenizer.token(token)) : fmt::format("[word {}]", id);
    const lowbit::token_text part = known ? tokenizer.text_of(token) : lowbit::token_text{word};
    if (o.json) {
      line["words"].push_back(
          {{"word", word}, {"id", id}, {"probability", p[id]}, {"logit", logits[id]}});
    } else {
      put("{}\t{:.4f}\t{}\n", escaped(word), p[id], escaped(filled(text, at, part), tabs::kept));
    }
  }
  if (o.json) put_json(line);
}

status run(const fill_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, session::open(o.model, {o.policy, o.zero, {}}, o.arch, o.threads,
                                          lowbit::head_kind::masked_lm));
  LOWBIT_TRY_ASSIGN(const auto tokenizer, open_tokenizer(o.model, s.model().config));
  const auto mask = tokenizer.mask_id();
  if (!mask) {
    return status::error(errc::not_found, o.model, ": the tokenizer has no mask token, expected ",
                         "[MASK] in its vocabulary");
  }
  const auto prepare = [&](const std::string& text) -> lowbit::result<masked_text> {
    LOWBIT_TRY_ASSIGN(auto encoded,
                      encode_text(tokenizer, text, s.shape().positions, false, o.truncate));
    masked_text out;
    out.rows.add(encoded.ids, encoded.type_ids);
    for (std::size_t t = 0; t < encoded.ids.size(); ++t) {
      if (encoded.ids[t] != *mask) continue;
      out.rows.masked.push_back(static_cast<std::uint32_t>(t));
      out.masks.push_back(encoded.offsets[t]);
    }
    if (!out.masks.empty()) return out;
    return status::error(errc::invalid_argument, start_of(text), " has no ", tokenizer.token(*mask),
                         ", expected at least one");
  };
  return answer_all(o, 1, prepare, [&](auto texts, auto masked) -> status {
    LOWBIT_TRY_ASSIGN(const auto logits, s.run(masked[0].rows));
    const std::size_t vocabulary = s.shape().vocabulary;
    for (std::size_t m = 0; m < masked[0].masks.size(); ++m) {
      print(tokenizer, texts[0].text, masked[0].masks[m], logits.data() + m * vocabulary,
            vocabulary, o);
    }
    return {};
  });
}

}  // namespace

void add_fill(CLI::App& program, action& chosen) {
  auto o = std::make_shared<fill_options>();
  CLI::App* verb = program.add_subcommand("fill", "Predict the token for each [MASK]");
  add_model_options(*verb, *o);
  add_text_options(*verb, *o, "sentences with [MASK]");
  verb->add_option("--top", o->top, "predictions per mask")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_flag("--truncate", o->truncate,
                 "truncate sentences longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
