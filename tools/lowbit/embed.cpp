// SPDX-License-Identifier: Apache-2.0
// lowbit embed: one vector per sentence or per token, as floats, int8 codes, bits or weights of
// words.
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "lowbit/model/embedding_search.hpp"
#include "lowbit/pipeline/sparse_embedder.hpp"
#include "lowbit/pipeline/text_embedder.hpp"
#include "lowbit/pipeline/token_embedder.hpp"
#include "number_checks.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::status;

struct embed_options : model_options, text_options {
  std::string pooling = "folder";
  std::string output = "f32";
  std::optional<std::string> prompt;
  std::size_t dimensions = 0;  // 0: all
  std::size_t top = 0;         // 0: all
  bool tokens = false;
  bool raw = false;
  bool truncate = false;
};

/// One embedding in the requested output format.
struct coded {
  std::vector<float> floats;
  std::vector<std::int8_t> int8;
  float scale = 0;  // of int8
  std::vector<lowbit::word> words;
  std::vector<unsigned> bytes;  // the words, little-endian, ceil(D / 8) of them
};

/// numpy.packbits(row > 0)
std::vector<unsigned> positive_bits(const float* row, std::size_t d) {
  std::vector<unsigned> bytes(lowbit::bytes_for(d));
  for (std::size_t c = 0; c < d; ++c) bytes[c / 8] |= (row[c] > 0 ? 0x80U : 0U) >> c % 8;
  return bytes;
}

coded encode(const float* row, std::size_t d, const std::string& output) {
  coded c;
  const lowbit::vector_view<const float> e{row, d};
  if (output == "f32") {
    c.floats.assign(row, row + d);
  } else if (output == "int8") {
    c.int8.resize(d);
    c.scale = lowbit::encode_int8(e, c.int8.data());
  } else {
    c.words.resize(lowbit::words_for(d));
    lowbit::encode_one_bit(e, c.words.data());
    for (std::size_t b = 0; b < lowbit::bytes_for(d); ++b)
      c.bytes.push_back(static_cast<unsigned>(c.words[b / 8] >> (b % 8 * 8) & 0xFFU));
    if (output == "ubinary") c.bytes = positive_bits(row, d);
  }
  return c;
}

template <class Value>
void append_values(std::string& out, std::span<const Value> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

void append_raw(std::string& out, const coded& c) {
  append_values(out, std::span(c.floats));
  if (!c.int8.empty()) append_values(out, std::span(&c.scale, 1));
  append_values(out, std::span(c.int8));
  const std::vector<std::uint8_t> bits(c.bytes.begin(), c.bytes.end());
  append_values(out, std::span(bits));
}

nlohmann::json to_json(const coded& c) {
  if (!c.floats.empty()) return {{"embedding", c.floats}};
  if (!c.bytes.empty()) return {{"embedding", c.bytes}};
  return {{"scale", c.scale}, {"embedding", std::vector<int>(c.int8.begin(), c.int8.end())}};
}

std::string shown(const coded& c) {
  if (!c.floats.empty()) return fmt::format("{}", fmt::join(c.floats, " "));
  if (!c.bytes.empty()) return fmt::format("{:02x}", fmt::join(c.bytes, ""));
  const std::vector<int> codes(c.int8.begin(), c.int8.end());
  return fmt::format("{} {}", c.scale, fmt::join(codes, " "));
}

std::string output_of(const std::string& text, const coded& c, const embed_options& o) {
  if (o.raw) {
    std::string out;
    append_raw(out, c);
    return out;
  }
  if (!o.json) return shown(c) + '\n';
  nlohmann::json line = to_json(c);
  line["text"] = text;
  return json_line(line);
}

std::string output_of(const std::string& text, lowbit::sparse_vector weights,
                      const std::function<std::string(std::size_t)>& name, const embed_options& o) {
  if (o.top != 0) weights.resize(std::min(weights.size(), o.top));
  nlohmann::json line = {{"text", text}, {"words", nlohmann::json::array()}};
  std::string shown;
  for (const lowbit::weighted_token& w : weights) {
    if (o.json) {
      line["words"].push_back({{"word", name(w.id)}, {"id", w.id}, {"weight", w.weight}});
    } else {
      shown += fmt::format("{}{} {:.4f}", shown.empty() ? "" : "\t", escaped(name(w.id)), w.weight);
    }
  }
  return o.json ? json_line(line) : shown + '\n';
}

/// --tokens: a line for each token.
std::string output_of(const std::string& text, const lowbit::encoding& encoded,
                      const lowbit::token_vectors& rows,
                      const std::function<std::string(std::size_t)>& name, const embed_options& o) {
  nlohmann::json line = {{"text", text}, {"tokens", nlohmann::json::array()}};
  std::string out;
  if (o.raw) {
    const auto count = static_cast<std::uint32_t>(rows.size());
    append_values(out, std::span(&count, 1));
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const coded c = encode(rows[i].data(), rows.width, o.output);
    const std::string token = name(static_cast<std::size_t>(encoded.ids[rows.tokens[i]]));
    if (o.raw) {
      append_raw(out, c);
    } else if (o.json) {
      line["tokens"].push_back(to_json(c));
      line["tokens"].back()["token"] = token;
    } else {
      out += fmt::format("{}\t{}\n", escaped(token), shown(c));
    }
  }
  if (o.json) return json_line(line);
  return o.raw ? out : out + '\n';
}

status run_tokens(const embed_options& o) {
  if (o.dimensions != 0 || o.pooling != "folder") {
    return status::error(errc::invalid_argument, o.dimensions != 0 ? "--dimensions" : "--pooling",
                         " is an option of one vector, not of --tokens");
  }
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::token_embedder<lowbit::any_policy>>(o));
  if (o.prompt) LOWBIT_TRY(s.pipeline.set_prompt(*o.prompt).in(o.model));
  const auto encode_one = [&](const std::string& text) {
    return checked(text, s.pipeline.encode(text), s.pipeline.config().max_tokens(), o.truncate);
  };
  const auto name = [&](std::size_t id) { return s.pipeline.parts().token_name(id); };
  const auto answer = [&](auto texts, auto encoded, auto& threads,
                          auto& memory) -> lowbit::result<std::string> {
    LOWBIT_TRY_ASSIGN(const auto found, s.pipeline.embed_encoded(encoded, threads, &memory));
    std::string out;
    for (std::size_t i = 0; i < texts.size(); ++i)
      out += output_of(texts[i].text, encoded[i], found[i], name, o);
    return out;
  };
  return answer_all(o, s.batch(), *s.threads, encode_one, answer);
}

/// Errors: invalid_argument for options that only vectors have
status run_sparse(const embed_options& o) {
  const std::pair<const char*, bool> dense_only[] = {{"--raw", o.raw},
                                                     {"--tokens", o.tokens},
                                                     {"--dimensions", o.dimensions != 0},
                                                     {"--pooling", o.pooling != "folder"}};
  for (const auto& [option, given] : dense_only) {
    if (given) {
      return status::error(errc::invalid_argument, option,
                           " is an option of vectors, not of --output sparse");
    }
  }
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::sparse_embedder<lowbit::any_policy>>(o));
  if (o.prompt) LOWBIT_TRY(s.pipeline.set_prompt(*o.prompt).in(o.model));
  const auto encode_one = [&](const std::string& text) {
    return checked(text, s.pipeline.encode(text), s.pipeline.config().max_tokens(), o.truncate);
  };
  const auto name = [&](std::size_t id) { return s.pipeline.parts().token_name(id); };
  const auto answer = [&](auto texts, auto encoded, auto& threads,
                          auto& memory) -> lowbit::result<std::string> {
    LOWBIT_TRY_ASSIGN(auto found, s.pipeline.embed_encoded(encoded, threads, &memory));
    std::string out;
    for (std::size_t i = 0; i < texts.size(); ++i)
      out += output_of(texts[i].text, std::move(found[i]), name, o);
    return out;
  };
  return answer_all(o, s.batch(), *s.threads, encode_one, answer);
}

status run(const embed_options& o) {
  if (o.output == "sparse") return run_sparse(o);
  if (o.top != 0)
    return status::error(errc::invalid_argument, "--top is an option of --output sparse");
  if (o.raw && isatty(STDOUT_FILENO) != 0) {
    return status::error(errc::invalid_argument,
                         "--raw writes binary data: redirect standard output to a file or a pipe");
  }
  if (o.tokens) return run_tokens(o);
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::text_embedder<lowbit::any_policy>>(o, o.pooling));
  if (o.dimensions != 0) LOWBIT_TRY(s.pipeline.set_dimensions(o.dimensions).in("--dimensions"));
  if (o.prompt) LOWBIT_TRY(s.pipeline.set_prompt(*o.prompt).in(o.model));
  const std::size_t longest = s.pipeline.config().max_tokens();
  const auto encode_one = [&](const std::string& text) {
    return checked(text, s.pipeline.encode(text), longest, o.truncate);
  };
  const auto answer = [&](auto texts, auto encoded, auto& threads,
                          auto& memory) -> lowbit::result<std::string> {
    LOWBIT_TRY_ASSIGN(const auto found, s.pipeline.embed_encoded(encoded, threads, &memory));
    std::string out;
    for (std::size_t i = 0; i < texts.size(); ++i)
      out += output_of(texts[i].text, encode(found[i].data(), found.width, o.output), o);
    return out;
  };
  return answer_all(o, s.batch(), *s.threads, encode_one, answer);
}

}  // namespace

void add_embed(CLI::App& program, action& chosen) {
  auto o = std::make_shared<embed_options>();
  CLI::App* verb = program.add_subcommand(
      "embed",
      "Print an embedding for each sentence, of length 1 unless the folder says otherwise");
  add_model_options(*verb, *o);
  add_text_options(*verb, *o);
  verb->add_option(
      "--pooling", o->pooling,
      "cls, max, mean, mean_sqrt_len_tokens, weightedmean, lasttoken, or several joined "
      "by +, overriding the folder (default: from its sentence-transformers modules, "
      "otherwise mean)");
  verb->add_option("--prompt", o->prompt,
                   "name of the prompt in the folder to put before each text");
  verb->add_option("--dimensions", o->dimensions,
                   "keep the first dimensions, for models trained so (Matryoshka)")
      ->check(positive());
  verb->add_option(
          "--output", o->output,
          "f32; int8: scale and codes; binary: sign bits, 1 for negative, lowest bit first; "
          "ubinary: 1 for positive, highest bit first, as sentence-transformers and vector "
          "databases expect; sparse: weights of words (SPLADE), largest first")
      ->check(CLI::IsMember({"f32", "int8", "binary", "ubinary", "sparse"}))
      ->capture_default_str();
  verb->add_option("--top", o->top, "sparse: at most so many words")->check(positive());
  verb->add_flag("--tokens", o->tokens,
                 "a vector for each token (ColBERT), of length 1 unless the folder says otherwise");
  verb->add_flag("--raw", o->raw,
                 "raw little-endian bytes, one vector after another; with --tokens after their "
                 "number (32 bits)")
      ->excludes("--json");
  verb->add_flag("--truncate", o->truncate,
                 "truncate sentences longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
