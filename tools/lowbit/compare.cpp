// SPDX-License-Identifier: Apache-2.0
// lowbit compare: models side by side: predictions, then size, accuracy and time. "smaller" and
// "faster" are ratios to the first model.
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "arguments.hpp"
#include "contestant.hpp"
#include "labelled.hpp"
#include "layer_errors.hpp"
#include "lowbit/arch/detect.hpp"
#include "program.hpp"
#include "texts.hpp"
#include "timing.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct compare_options {
  std::vector<std::string> models;
  std::string text_file;  // two models, layer by layer
  std::string data;
  std::string split = "test";
  std::string arch;
  std::size_t threads = 1;
  std::size_t repetitions = 11;
  bool json = false;
  std::vector<std::string> texts;
};

/// At most `columns` characters of a text, on one line.
std::string shortened(const std::string& given, std::size_t columns) {
  const std::string text = escaped(given);
  std::string out;
  std::size_t characters = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool begins = (byte & 0xC0U) != 0x80U;  // not inside a UTF-8 sequence
    if (begins && ++characters > columns) return out + "..";
    out += c;
  }
  return out;
}

status answer_texts(std::vector<contestant>& all, const compare_options& o, nlohmann::json& out) {
  if (!o.json) {
    std::string header = fmt::format("{:<46}", "sentence");
    for (const contestant& c : all) header += fmt::format("  {:<26}", escaped(c.name));
    put("{}\n", header);
  }
  for (const std::string& text : o.texts) {
    nlohmann::json line = {{"text", text}, {"answers", nlohmann::json::array()}};
    std::string row = fmt::format("{:<46}", shortened(text, 44));
    for (contestant& c : all) {
      LOWBIT_TRY_ASSIGN(const auto found, c.classify(text));
      const bool value = c.runs.model().config.problem == lowbit::problem_type::regression;
      line["answers"].push_back(
          {{"label", found.label}, {value ? "score" : "probability", found.score}});
      const auto score = static_cast<double>(found.score);
      row +=
          fmt::format("  {:<19}{:>7}", shortened(found.label, 17),
                      value ? fmt::format("{:.3f}", score) : fmt::format("{:.0f}%", 100 * score));
    }
    out["texts"].push_back(std::move(line));
    if (!o.json) put("{}\n", row);
  }
  if (!o.json) put("\n");
  return {};
}

status count_right(contestant& c, const std::vector<example>& examples, const std::string& path) {
  LOWBIT_TRY(lowbit::check_one_label(c.runs.model().config).in(c.name));
  LOWBIT_TRY_ASSIGN(const auto wanted, label_ids(c.runs, examples, path));
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const auto found = c.classify(examples[i].text);
    if (!found) return found.status().in(path);
    c.right += found->label == c.runs.label(wanted[i]) ? 1 : 0;
  }
  return {};
}

/// A sample is one pass over the same texts, at most 50 of them.
status time_all(std::vector<contestant>& all, const std::vector<std::string>& texts,
                const compare_options& o) {
  const std::size_t count = std::min<std::size_t>(texts.size(), 50);
  status failed;
  std::vector<std::function<void()>> passes;
  passes.reserve(all.size());
  for (contestant& c : all) {
    passes.emplace_back([&, count] {
      for (std::size_t i = 0; i < count; ++i) {
        const auto found = c.classify(texts[i * texts.size() / count]);
        if (!found) failed = found.status();
      }
    });
  }
  const auto timings =
      lowbit::measure_interleaved(passes, timing_options(o.repetitions, 0.02, o.threads, "timing"));
  for (std::size_t i = 0; i < all.size(); ++i)
    all[i].seconds = timings[i].median / static_cast<double>(count);
  return failed;
}

void print_table(const std::vector<contestant>& all, std::size_t examples,
                 const compare_options& o) {
  put("{:<20} {:<8} {:<6} {:>12} {:>10} {:>13} {:>9} {:>8}\n", "model", "policy", "arch",
      "file bytes", "accuracy", "ms/sentence", "smaller", "faster");
  const contestant& first = all.front();
  for (const contestant& c : all) {
    const std::string accuracy =
        examples == 0 ? "-"
                      : fmt::format("{:.1f} %", 100.0 * static_cast<double>(c.right) /
                                                    static_cast<double>(examples));
    put("{:<20} {:<8} {:<6} {:>12} {:>10} {:>13.3f} {:>8.1f}x {:>7.1f}x\n", escaped(c.name),
        c.runs.model().policy, c.runs.arch(), c.file_bytes, accuracy, 1e3 * c.seconds,
        static_cast<double>(first.file_bytes) / static_cast<double>(c.file_bytes),
        first.seconds / c.seconds);
  }
  put("{} thread{}; ms from text to label, medians of {} interleaved runs{}\n", o.threads,
      o.threads == 1 ? "" : "s", o.repetitions,
      examples == 0 ? "" : fmt::format("; accuracy on {} sentences", examples));
}

void print_json(const std::vector<contestant>& all, std::size_t examples, const compare_options& o,
                nlohmann::json out) {
  out["threads"] = o.threads;
  out["examples"] = examples;
  for (const contestant& c : all) {
    nlohmann::json entry = {{"model", c.name},
                            {"policy", c.runs.model().policy},
                            {"arch", c.runs.arch()},
                            {"file_bytes", c.file_bytes},
                            {"ms_per_sentence", 1e3 * c.seconds},
                            {"times_smaller", static_cast<double>(all.front().file_bytes) /
                                                  static_cast<double>(c.file_bytes)},
                            {"times_faster", all.front().seconds / c.seconds}};
    if (examples != 0) entry["right"] = c.right;
    out["models"].push_back(std::move(entry));
  }
  put_json(out);
}

/// Compares two models layer by layer on the lines of a file.
status print_layers(const compare_options& o) {
  if (o.models.size() != 2) {
    return status::error(errc::invalid_argument, "--text compares two models, found ",
                         o.models.size());
  }
  LOWBIT_TRY_ASSIGN(auto first, open_contestant(o.models[0], o.arch, o.threads));
  LOWBIT_TRY_ASSIGN(auto second, open_contestant(o.models[1], o.arch, o.threads));
  LOWBIT_TRY_ASSIGN(const auto text,
                    read_batches(first.tokenizer, o.text_file, first.runs.shape().positions));
  LOWBIT_TRY_ASSIGN(const auto errors, compare_layers(first.runs, second.runs, text));
  nlohmann::json out = {{"first", o.models[0]}, {"second", o.models[1]}};
  if (!o.json) {
    put("{:<12} {:>36}   {:>36}\n", "", "layer alone", "accumulated");
    put("{:<12} {:>12} {:>12} {:>10}   {:>12} {:>12} {:>10}\n", "layer", "cosine", "max error",
        "SNR dB", "cosine", "max error", "SNR dB");
  }
  for (std::size_t l = 0; l < errors.alone.size(); ++l) {
    const signal_error& a = errors.alone[l];
    const signal_error& b = errors.accumulated[l];
    const std::string name = l == 0 ? "embeddings" : fmt::format("{}", l - 1);
    const auto json = [](const signal_error& e) {
      return nlohmann::json{{"cosine", e.cosine}, {"largest", e.largest}, {"snr_db", e.decibels()}};
    };
    out["layers"].push_back({{"layer", name}, {"alone", json(a)}, {"accumulated", json(b)}});
    if (o.json) continue;
    put("{:<12} {:>12.6f} {:>12.4g} {:>10.1f}   {:>12.6f} {:>12.4g} {:>10.1f}\n", name, a.cosine,
        a.largest, a.decibels(), b.cosine, b.largest, b.decibels());
  }
  if (o.json) put_json(out);
  return {};
}

status run(compare_options o) {
  if (o.models.empty()) o.models = std::move(o.texts);  // compare A B --text FILE
  if (o.models.empty()) return status::error(errc::invalid_argument, "no model folder given");
  if (!o.text_file.empty()) return print_layers(o);
  if (!o.texts.empty()) {
    LOWBIT_TRY_ASSIGN(o.texts, read_texts(o.texts));
  }
  std::vector<example> examples;
  if (!o.data.empty()) {
    o.data = place_of_split(o.data, o.split);
    LOWBIT_TRY_ASSIGN(examples, read_examples(o.data, o.split));
  }
  std::vector<std::string> timed = o.texts;
  if (!examples.empty()) {
    timed.clear();
    for (const example& e : examples) timed.push_back(e.text);
  }
  if (timed.empty()) {
    return status::error(errc::invalid_argument, "no text: pass sentences or --data");
  }
  std::vector<contestant> all;
  for (const std::string& folder : o.models) {
    LOWBIT_TRY_ASSIGN(auto c,
                      open_contestant(folder, o.arch, o.threads, lowbit::head_kind::sequence));
    all.push_back(std::move(c));
  }
  nlohmann::json out = {{"texts", nlohmann::json::array()}};
  if (!o.texts.empty()) LOWBIT_TRY(answer_texts(all, o, out));
  if (!examples.empty()) {
    for (contestant& c : all) LOWBIT_TRY(count_right(c, examples, o.data));
  }
  LOWBIT_TRY(time_all(all, timed, o));
  if (o.json) {
    print_json(all, examples.size(), o, std::move(out));
  } else {
    print_table(all, examples.size(), o);
  }
  return {};
}

}  // namespace

void add_compare(CLI::App& program, action& chosen) {
  auto o = std::make_shared<compare_options>();
  CLI::App* verb = program.add_subcommand("compare", "Compare models side by side");
  verb->add_option("-m,--model", o->models,
                   "model folder; repeat for each model, the first is the baseline")
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  // Not "text": CLI11 2.4 and later treat a positional and an option of the same name as one.
  add_arguments(*verb, "sentence", o->texts,
                "sentences to classify, or - for lines of standard input; without -m: the two "
                "model folders for --text");
  verb->add_option(
      "--text", o->text_file,
      "text file on which to compare the hidden states of two models layer by layer, alone and "
      "accumulated");
  verb->add_option("--data", o->data, "labelled sentences: TSV (sentence, tab, label) or CLINC150");
  verb->add_option("--split", o->split, "split of a JSON file or a folder")->capture_default_str();
  verb->add_option("--arch", o->arch,
                   std::string(lowbit::known_archs()) + " (default: the best this CPU supports)");
  verb->add_option("-t,--threads", o->threads, "number of threads")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  verb->add_option("--repetitions", o->repetitions, "timed passes per model")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  verb->add_flag("--json", o->json, "print JSON");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
