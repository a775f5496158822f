// SPDX-License-Identifier: Apache-2.0
// Sentences from the command line or standard input, and their tokenization for a model.
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

/// Options of the commands that process one text after another.
struct text_options {
  std::vector<std::string> texts;
  bool keep_going = false;
};

/// The arguments `text` and --keep-going.
void add_text_options(CLI::App& verb, text_options& options, const std::string& what = "sentences");

struct given_text {
  std::string text;
  std::size_t number = 0;    // among all texts, from 1
  std::string place;         // "standard input:3", empty for an argument
  lowbit::status problem{};  // from reading it
};

/// `text "THE START.."`, for messages.
std::string start_of(std::string_view text);

/// The arguments in order; `-`, or no argument at all, stands for the lines of standard input,
/// including empty ones: each gets its own answer.
class text_source {
 public:
  explicit text_source(const std::vector<std::string>& arguments);
  /// The next texts, at most `most`: those available without blocking, but at least one; empty at
  /// the end. Errors: io_error
  lowbit::result<std::vector<given_text>> next(std::size_t most);
  /// Whether next() would block: flush the output first.
  [[nodiscard]] bool waits();

 private:
  std::vector<std::string> arguments_;
  std::size_t at_ = 0;  // the next argument
  std::size_t number_ = 0;
  line_reader lines_;
};

/// All texts of a source at once. Errors: io_error; invalid_argument if there is no text
lowbit::result<std::vector<std::string>> read_texts(const std::vector<std::string>& arguments);
/// Standard input as one text, without trailing newlines.
lowbit::result<std::string> read_input();

/// Processes texts in batches of at most `most`; output is flushed before blocking for more input.
/// prepare(text) -> result<T>; answer(texts, their Ts) -> status prints an answer for each, or
/// fails before it printed anything. A text that fails ends the run after the answers to the texts
/// before it; with --keep-going it is reported and the others are still answered. Errors: those of
/// both callbacks, with the line; invalid_argument if there is no text
template <class Prepare, class Answer>
lowbit::status answer_all(const text_options& o, std::size_t most, Prepare prepare, Answer answer) {
  using lowbit::status;
  using prepared = std::decay_t<decltype(*prepare(std::string()))>;
  std::vector<given_text> texts;  // current batch: valid, not yet answered
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
    for (std::size_t i = 0; !done.ok() && i < texts.size(); ++i) {  // find the one that failed
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
    LOWBIT_TRY_ASSIGN(auto next, source.next(most));
    if (next.empty()) break;
    for (given_text& text : next) {
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
                         "no text: pass sentences as arguments or as lines of standard input");
  }
  if (bad == 0) return {};
  return status::error(lowbit::errc::invalid_argument, bad, " of ", read, " texts failed");
}

/// Batch size: 32, or 1 if results depend on the other sentences of the batch, because they must
/// not depend on how fast lines arrive.
inline std::size_t texts_at_once(const session& s) { return s.pads() ? 1 : 32; }

/// The tokenizer of a model folder; its vocabulary must match the model's.
lowbit::result<lowbit::tokenizer> open_tokenizer(const std::string& folder,
                                                           const lowbit::model_config& config);

/// Encodes one text, or two separated by a tab if `pairs`. A text longer than the maximum length is
/// an error unless `truncate`.
lowbit::result<lowbit::encoding> encode_text(const lowbit::tokenizer& tokenizer,
                                             const std::string& text, std::size_t positions,
                                             bool pairs, bool truncate);
/// Encodes a text and adds it to a batch.
lowbit::status add_text(const lowbit::tokenizer& tokenizer, const std::string& text,
                        std::size_t positions, bool pairs, bool truncate, token_rows& rows);

/// The lines of a text file, encoded in batches of a few sentences; longer lines are truncated.
/// Errors: not_found; malformed for a line that is not UTF-8; invalid_argument for a file without
/// text
lowbit::result<std::vector<token_rows>> read_batches(const lowbit::tokenizer& tokenizer,
                                                     const std::string& path,
                                                     std::size_t positions);

/// Each word with the most probable label of its first word piece; `logits` are those of the
/// sentence.
std::vector<lowbit::labelled_word> label_words(const std::vector<std::string>& names,
                                               const std::vector<lowbit::word_pieces>& words,
                                               const float* logits);

}  // namespace lowbit_tool
