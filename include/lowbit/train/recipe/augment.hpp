// SPDX-License-Identifier: Apache-2.0
// TinyBERT's data augmentation of a training set, from one --data file to another. In a pair, each
// text is augmented while the other is unchanged; the authors' code pairs the second text with the
// last variant of the first.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/io/json.hpp"
#include "lowbit/io/output_file.hpp"
#include "lowbit/train/loop/progress.hpp"
#include "lowbit/train/recipe/run_identity.hpp"
#include "lowbit/train/recipe/word_candidates.hpp"

namespace lowbit::train {

struct augment_options : candidate_options, augmentation_options {
  std::filesystem::path data;
  std::filesystem::path out;  ///< .tsv: training set; .json: all splits
  std::uint64_t seed = 42;
  bool replace = false;
  bool resume = false;  ///< resume from OUT.checkpoint
  double checkpoint_seconds = 300;
  std::function<bool()> stop_asked;  ///< polled per sentence; true: checkpoint and stop
};

namespace detail {

/// A TSV field: tabs and line ends become spaces.
inline std::string field_of(std::string text) {
  for (char& c : text) c = c == '\t' || c == '\n' || c == '\r' ? ' ' : c;
  return text;
}

inline status write_tsv(const std::filesystem::path& path, const std::vector<labelled_text>& lines,
                        existing policy) {
  const bool pairs = !lines.front().second.empty();
  std::string text = pairs ? "sentence1\tsentence2\tlabel\n" : "sentence\tlabel\n";
  for (const labelled_text& e : lines) {
    text += field_of(e.text) + '\t';
    if (pairs) text += field_of(e.second) + '\t';
    text += field_of(e.label) + '\n';
  }
  return write_file(path, text, policy);
}

/// CLINC150 format, with all three splits.
/// Errors: unsupported for pairs; malformed for text that is not UTF-8
inline status write_clinc150(const std::filesystem::path& path, const dataset& data,
                             existing policy) {
  nlohmann::json root;
  for (const auto& [name, split] :
       {std::pair{"train", &data.train}, std::pair{"val", &data.validation},
        std::pair{"test", &data.test}}) {
    root[name] = nlohmann::json::array();
    for (const labelled_text& e : *split) {
      if (!e.second.empty()) {
        return status::error(errc::unsupported, path.native(),
                             ": a .json file holds no pairs, expected .tsv");
      }
      if (lowbit::detail::find_invalid_utf8(e.text) || lowbit::detail::find_invalid_utf8(e.label)) {
        return status::error(errc::malformed, name, ": \"", e.text, "\" is not valid UTF-8");
      }
      root[name].push_back({e.text, e.label});
    }
  }
  return write_file(path, root.dump(1) + '\n', policy);
}

/// The variants of one text, from its own random stream.
inline result<std::vector<std::string>> variants(candidate_finder& finder, const std::string& text,
                                                 const augment_options& o, std::size_t index,
                                                 std::size_t column) {
  LOWBIT_TRY_ASSIGN(const auto words, basic_words(text, *finder.tokenizer().bert_options()));
  LOWBIT_TRY_ASSIGN(const auto candidates, finder.find(words));
  std::mt19937_64 generator = seeded_generator(o.seed, index, column);
  return augment(words, candidates, o, generator);
}

/// The variants of the finished examples: one list per sentence, two per pair.
using finished_variants = std::vector<std::vector<std::vector<std::string>>>;

/// All settings that determine the variants, as text: stored with a checkpoint.
inline result<std::string> augment_settings(const augment_options& o, const dataset& data) {
  fingerprint texts;
  for (const labelled_text& e : data.train) texts.add(e.text + '\t' + e.second + '\n');
  LOWBIT_TRY_ASSIGN(const auto model, fingerprint_of(o.mlm));
  std::string text = "augment n=" + std::to_string(o.copies) + " p=" + number_text(o.probability) +
                     " top=" + std::to_string(o.top) + " seed=" + std::to_string(o.seed) +
                     (o.type == precision::bf16 ? " bf16" : " f32") + " texts=" + texts.text() +
                     " mlm=" + model + " vectors=" + o.vectors.native() +
                     " synonyms=" + o.synonyms.native();
  for (const auto& path : o.antonyms) text += " antonyms=" + path.native();
  return text;
}

/// Errors: those of read_json; invalid_argument for a checkpoint with other settings
inline result<finished_variants> read_variants(const std::filesystem::path& path,
                                               const std::string& settings) {
  LOWBIT_TRY_ASSIGN(const auto json, read_json(path));
  try {
    if (json.at("settings") == settings) return json.at("variants").get<finished_variants>();
  } catch (const nlohmann::json::exception& error) {
    return status::error(errc::malformed, path.native(), ": ", error.what());
  }
  return status::error(errc::invalid_argument, path.native(),
                       ": belongs to a run with other options; now: ", settings,
                       "; then: ", json.at("settings").dump());
}

/// The variants of all training texts, including those of an earlier call.
inline result<finished_variants> all_variants(const augment_options& o, const dataset& data) {
  const std::filesystem::path checkpoint = checkpoint_of(o.out);
  LOWBIT_TRY_ASSIGN(const auto settings, augment_settings(o, data));
  finished_variants done;
  if (o.resume) {
    LOWBIT_TRY_ASSIGN(done, read_variants(checkpoint, settings));
  }
  LOWBIT_TRY_ASSIGN(auto finder, candidate_finder::open(o));
  counter shown("sentences", data.train.size());
  double saved = shown.elapsed();
  while (done.size() < data.train.size()) {
    const std::size_t i = done.size();
    const labelled_text& e = data.train[i];
    std::vector<std::vector<std::string>> columns;
    for (const std::string* text : {&e.text, &e.second}) {
      if (text->empty()) continue;
      auto found = variants(finder, *text, o, i, columns.size());
      if (!found) return found.status().in(o.data.native());
      columns.push_back(*std::move(found));
    }
    done.push_back(std::move(columns));
    shown.at(done.size());
    const bool stop = o.stop_asked && o.stop_asked() && done.size() < data.train.size();
    if (!stop && shown.elapsed() - saved < o.checkpoint_seconds) continue;
    const nlohmann::json state = {{"settings", settings}, {"variants", done}};
    LOWBIT_TRY(write_file(checkpoint, state.dump() + '\n', existing::replace));
    saved = shown.elapsed();
    if (stop) {
      return status::error(errc::invalid_argument, "stopped on request after sentence ",
                           done.size(), " of ", data.train.size(),
                           "; go on with the same command and --resume, from ",
                           checkpoint.native());
    }
  }
  return done;
}

}  // namespace detail

/// Writes each training example followed by its variants, with the same label.
///
/// Errors: those of read_dataset and candidate_finder; malformed without training examples;
///         invalid_argument for another kind of output file or one that exists, for a checkpoint of
///         other options, and when stopped
inline status augment_dataset(const augment_options& o) {
  const bool json = o.out.extension() == ".json";
  if (!json && o.out.extension() != ".tsv") {
    return status::error(errc::invalid_argument, o.out.native(),
                         ": expected the name of a .tsv or .json file");
  }
  const existing policy = o.replace ? existing::replace : existing::refuse;
  // Check the output path now, not after hours of work.
  if (const auto place = output_file::create(o.out, policy); !place) return place.status();
  std::error_code ignored;
  const bool stopped = std::filesystem::exists(checkpoint_of(o.out), ignored);
  if (stopped != o.resume && !(stopped && o.replace)) {
    return status::error(errc::invalid_argument, checkpoint_of(o.out).native(),
                         stopped ? ": exists; go on with --resume or begin anew with --replace"
                                 : ": no such file, so there is nothing to go on from; without "
                                   "--resume the run starts anew");
  }
  LOWBIT_TRY_ASSIGN(auto data, read_dataset(o.data));
  if (data.train.empty()) {
    return status::error(errc::malformed, o.data.native(), ": no training examples");
  }
  LOWBIT_TRY_ASSIGN(const auto found, detail::all_variants(o, data));
  std::vector<labelled_text> all;
  for (std::size_t i = 0; i < data.train.size(); ++i) {
    const labelled_text& e = data.train[i];
    all.push_back(e);
    for (std::size_t column = 0; column < found[i].size(); ++column) {
      for (const std::string& text : found[i][column]) {
        all.push_back(e);
        (column == 0 ? all.back().text : all.back().second) = text;
      }
    }
  }
  if (json) {
    data.train = std::move(all);
    LOWBIT_TRY(detail::write_clinc150(o.out, data, policy));
  } else {
    LOWBIT_TRY(detail::write_tsv(o.out, all, policy));
  }
  std::filesystem::remove(checkpoint_of(o.out), ignored);
  return {};
}

}  // namespace lowbit::train
