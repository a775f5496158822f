// SPDX-License-Identifier: Apache-2.0
// lowbit embed: one vector per sentence, as floats, int8 codes or bits.
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "lowbit/model/embedding_search.hpp"
#include "lowbit/pipeline/text_embedder.hpp"
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
  }
  return c;
}

template <class Value>
void append_values(std::string& out, std::span<const Value> values) {
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

std::string output_of(const std::string& text, const coded& c, const embed_options& o) {
  if (o.raw) {
    std::string out;
    append_values(out, std::span(c.floats));
    if (!c.int8.empty()) append_values(out, std::span(&c.scale, 1));
    append_values(out, std::span(c.int8));
    const std::vector<std::uint8_t> bits(c.bytes.begin(), c.bytes.end());
    append_values(out, std::span(bits));
    return out;
  }
  const std::vector<int> codes(c.int8.begin(), c.int8.end());
  if (o.json) {
    nlohmann::json line = {{"text", text}};
    if (!c.floats.empty()) line["embedding"] = c.floats;
    if (!codes.empty()) line["scale"] = c.scale, line["embedding"] = codes;
    if (!c.bytes.empty()) line["embedding"] = c.bytes;
    return json_line(line);
  }
  if (!c.floats.empty()) return fmt::format("{}\n", fmt::join(c.floats, " "));
  if (!codes.empty()) return fmt::format("{} {}\n", c.scale, fmt::join(codes, " "));
  return fmt::format("{:02x}\n", fmt::join(c.bytes, ""));
}

status run(const embed_options& o) {
  if (o.raw && isatty(STDOUT_FILENO) != 0) {
    return status::error(errc::invalid_argument,
                         "--raw writes binary data: redirect standard output to a file or a pipe");
  }
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
          "f32; int8: scale and codes; binary: sign bits, 1 for negative, lowest bit first")
      ->check(CLI::IsMember({"f32", "int8", "binary"}))
      ->capture_default_str();
  verb->add_flag("--raw", o->raw, "raw little-endian bytes, one vector after another")
      ->excludes("--json");
  verb->add_flag("--truncate", o->truncate,
                 "truncate sentences longer than the model's maximum length");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
