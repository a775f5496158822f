// SPDX-License-Identifier: Apache-2.0
// Sentences from the command line or standard input, and their encoding for a model.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "line_reader.hpp"
#include "lowbit/text/spans.hpp"
#include "messages.hpp"
#include "output.hpp"
#include "session.hpp"

namespace lowbit_tool {

/// Options of the verbs that answer text after text.
struct text_options {
  std::vector<std::string> texts;
  bool keep_going = false;
};

/// The arguments `text` and --keep-going.
void add_text_options(CLI::App& verb, text_options& options, const std::string& what = "sentences");

struct given_text {
  std::string text;
  std::size_t number = 0;    // among all, from 1
  std::string place;         // "standard input:3", empty for an argument
  lowbit::status problem{};  // of reading it
};

/// `text "THE START.."`, for messages.
std::string start_of(std::string_view text);

/// The arguments in order; `-`, and no argument at all, stands for the lines of standard input,
/// empty ones, too: each has its answer.
class text_source {
 public:
  explicit text_source(const std::vector<std::string>& arguments);
  /// The next texts, at most `most`, none at the end: those that are there without waiting, and at
  /// least one. Errors: io_error
  lowbit::result<std::vector<given_text>> next(std::size_t most);
  /// Whether next() would have to wait: what was printed so far should be seen before.
  [[nodiscard]] bool waits();

 private:
  std::vector<std::string> arguments_;
  std::size_t at_ = 0;  // the next argument
  std::size_t number_ = 0;
  line_reader lines_;
};

/// All of a source at once. Errors: io_error; invalid_argument where there is no text
lowbit::result<std::vector<std::string>> read_texts(const std::vector<std::string>& arguments);
/// Standard input as one text, without the newlines at its end.
lowbit::result<std::string> read_input();

/// Answers text after text, at most `most` at once; answers are flushed before more texts are
/// waited for. prepare(text) -> result<T>; answer(texts, their Ts) -> status prints an answer for
/// each, or fails before it printed anything. A text that fails ends the run after the answers of
/// those before it; with --keep-going it is reported, and the others have their answers. Errors:
/// those of both, with the line; invalid_argument where there is no text
template <class Prepare, class Answer>
lowbit::status answer_all(const text_options& o, std::size_t most, Prepare prepare, Answer answer) {
  using lowbit::status;
  using prepared = std::decay_t<decltype(*prepare(std::string()))>;
  std::vector<given_text> texts;  // of a batch: sound so far, not yet answered
  std::vector<prepared> inputs;
  std::size_t read = 0, bad = 0;
  const auto refuse = [&](const given_text& text, const status& why) -> status {
    const status full = text.place.empty() ? why : why.in(text.place);
    if (!o.keep_going) return full;
    LOWBIT_TRY(flush_output());
    report(full.message());
    ++bad;
    return {};
  };
  const auto answer_batch = [&]() -> status {
    status done;
    if (!texts.empty()) done = answer(std::span(std::as_const(texts)), std::span(inputs));
    for (std::size_t i = 0; !done.ok() && i < texts.size(); ++i) {  // which one was it?
      const status one =
          answer(std::span(std::as_const(texts)).subspan(i, 1), std::span(inputs).subspan(i, 1));
      if (!one.ok()) LOWBIT_TRY(refuse(texts[i], one.in(start_of(texts[i].text))));
    }
    texts.clear();
    inputs.clear();
    return check_output();
  };
  text_source source(o.texts);
  while (true) {
    auto next = source.next(most);
    if (!next) return next.status();
    if (next->empty()) break;
    for (given_text& text : *next) {
      ++read;
      auto input = text.problem.ok() ? prepare(text.text) : lowbit::result<prepared>(text.problem);
      if (input) {
        texts.push_back(std::move(text));
        inputs.push_back(*std::move(input));
        continue;
      }
      LOWBIT_TRY(answer_batch());
      LOWBIT_TRY(refuse(text, input.status()));
    }
    LOWBIT_TRY(answer_batch());
    if (source.waits()) LOWBIT_TRY(flush_output());
  }
  if (read == 0) {
    return status::error(lowbit::errc::invalid_argument,
                         "no text: give sentences as arguments or as lines of standard input");
  }
  if (bad == 0) return {};
  return status::error(lowbit::errc::invalid_argument, bad, " of ", read, " texts have no answer");
}

/// Texts of a batch: as many as pay, or one where each sentence of a batch changes the others'
/// answers, which then must not depend on how fast lines arrive.
inline std::size_t texts_at_once(const session& s) { return s.pads() ? 1 : 32; }

/// The tokenizer of a model folder, whose vocabulary must be the model's.
lowbit::result<lowbit::wordpiece_tokenizer> open_tokenizer(const std::string& folder,
                                                           const lowbit::model_config& config);

/// Encodes one text, or two separated by a tab when `pairs`. A text longer than the model takes is
/// an error unless `truncate`.
lowbit::result<lowbit::encoding> encode_text(const lowbit::wordpiece_tokenizer& tokenizer,
                                             const std::string& text, std::size_t positions,
                                             bool pairs, bool truncate);
/// The same as one more sentence of a batch.
lowbit::status add_text(const lowbit::wordpiece_tokenizer& tokenizer, const std::string& text,
                        std::size_t positions, bool pairs, bool truncate, token_rows& rows);

/// The lines of a text file, encoded in batches of a few sentences; longer lines are cut.
/// Errors: not_found; malformed for a line that is not UTF-8; invalid_argument for a file without
/// text
lowbit::result<std::vector<token_rows>> read_batches(const lowbit::wordpiece_tokenizer& tokenizer,
                                                     const std::string& path,
                                                     std::size_t positions);

/// A word with the most probable label of its first piece; `logits` are those of its sentence.
std::vector<lowbit::labelled_word> label_words(const std::vector<std::string>& names,
                                               const std::vector<lowbit::word_pieces>& words,
                                               const float* logits);

/// The index of the largest logit, the first of equals.
std::size_t largest(const float* logits, std::size_t labels);

}  // namespace lowbit_tool
