// SPDX-License-Identifier: Apache-2.0
// lowbit fill: the most probable tokens for each [MASK].
#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "lowbit/pipeline/mask_filler.hpp"
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

std::string lines_of(const std::string& text, const lowbit::filled_mask& mask, bool as_json) {
  std::string lines;
  nlohmann::json line = {{"text", text},
                         {"begin", lowbit::characters_before(text, mask.at.begin)},
                         {"end", lowbit::characters_before(text, mask.at.end)},
                         {"words", nlohmann::json::array()}};
  for (const lowbit::mask_candidate& c : mask.candidates) {
    if (as_json) {
      line["words"].push_back(
          {{"word", c.token}, {"id", c.id}, {"probability", c.probability}, {"logit", c.logit}});
    } else {
      lines += fmt::format("{}\t{:.4f}\t{}\n", escaped(c.token), c.probability,
                           escaped(lowbit::with_token(text, mask.at, c.part), tabs::kept));
    }
  }
  return as_json ? json_line(line) : lines;
}

status run(const fill_options& o) {
  LOWBIT_TRY_ASSIGN(auto s, open_pipeline<lowbit::mask_filler<lowbit::any_policy>>(o));
  const auto prepare = [&](const std::string& text) -> lowbit::result<lowbit::masked_text> {
    LOWBIT_TRY_ASSIGN(auto masked, checked(text, s.pipeline.encode(text),
                                           s.pipeline.parts().config().max_tokens(), o.truncate));
    if (!masked.masks.empty()) return masked;
    return status::error(errc::invalid_argument, start_of(text), " has no ",
                         s.pipeline.mask_token(), ", expected at least one");
  };
  const auto answer = [&](auto texts, auto masked, auto& threads,
                          auto& memory) -> lowbit::result<std::string> {
    LOWBIT_TRY_ASSIGN(const auto found,
                      s.pipeline.fill_encoded(masked[0], o.top, threads, &memory));
    std::string lines;
    for (const lowbit::filled_mask& mask : found) lines += lines_of(texts[0].text, mask, o.json);
    return lines;
  };
  return answer_all(o, 1, *s.threads, prepare, answer);
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
