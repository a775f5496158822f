// SPDX-License-Identifier: Apache-2.0
// Sentences from the command line or standard input, and their tokenization for a model.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "in_order.hpp"
#include "line_reader.hpp"
#include "lowbit/pipeline/text_model.hpp"
#include "lowbit/text/spans.hpp"
#include "messages.hpp"
#include "output.hpp"
#include "program.hpp"
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
  /// The next texts, at most `most` and a few megabytes: those available without blocking, but at
  /// least one; empty at the end. Errors: io_error
  lowbit::result<std::vector<given_text>> next(std::size_t most);
  /// Whether next() would block: flush the output first.
  [[nodiscard]] bool waits();

 private:
  std::vector<std::string> arguments_;
  std::size_t at_ = 0;  // the next argument
  std::size_t number_ = 0;
  line_reader lines_;
};

/// What to print for some texts, followed by the problem of the next one, with its place.
struct answered {
  std::string output;
  lowbit::status problem{};
};

/// Prepares and answers texts together. If that fails, each is answered alone, to find the one that
/// fails.
template <class Prepare, class Answer>
std::vector<answered> answer_group(std::span<const given_text> texts, const Prepare& prepare,
                                   const Answer& answer) {
  using lowbit::status;
  using prepared = std::decay_t<decltype(*prepare(std::string()))>;
  std::vector<answered> answers(1);
  std::vector<prepared> inputs;  // of the texts before `next` that are valid and not yet answered
  std::size_t next = 0;
  const auto refuse = [&](const given_text& text, const status& why) {
    answers.back().problem = text.place.empty() ? why : why.in(text.place);
    answers.emplace_back();
  };
  const auto try_answer = [&](std::size_t first, std::span<prepared> some) -> status {
    return lowbit::detail::without_exceptions("texts", [&]() -> status {
      LOWBIT_TRY_ASSIGN(const auto output, answer(texts.subspan(first, some.size()), some));
      answers.back().output += output;
      return {};
    });
  };
  const auto answer_prepared = [&] {
    const std::size_t first = next - inputs.size();
    if (!inputs.empty() && !try_answer(first, inputs).ok()) {
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const status one = try_answer(first + i, std::span(inputs).subspan(i, 1));
        if (!one.ok()) refuse(texts[first + i], one.in(start_of(texts[first + i].text)));
      }
    }
    inputs.clear();
  };
  for (const given_text& text : texts) {
    auto input = text.problem.ok() ? lowbit::detail::without_exceptions(
                                         "text", [&] { return prepare(text.text); })
                                   : lowbit::result<prepared>(text.problem);
    if (input) {
      inputs.push_back(*std::move(input));
      ++next;
      continue;
    }
    answer_prepared();
    refuse(text, input.status());
    ++next;
  }
  answer_prepared();
  return answers;
}

/// All texts of a source at once. Errors: io_error; invalid_argument if there is no text
lowbit::result<std::vector<std::string>> read_texts(const std::vector<std::string>& arguments);
/// Standard input as one text, without trailing newlines.
lowbit::result<std::string> read_input();

/// Processes texts in groups of at most `most`: with several threads and enough texts that have
/// arrived, several groups at a time. Answers appear in the order of the texts; output is flushed
/// before blocking for more input. prepare(text) -> result<T>; answer(texts, their Ts, threads,
/// memory) -> result<std::string>, what to print; both must be safe to call concurrently. A text
/// that fails ends the run after the answers to the texts before it; with --keep-going it is
/// reported and the others are still answered. Errors: those of both callbacks, with the line;
/// invalid_argument if there is no text
template <class Prepare, class Answer>
lowbit::status answer_all(const text_options& o, std::size_t most, lowbit::thread_pool& threads,
                          Prepare prepare, Answer answer) {
  lowbit::run_memory memory;
  std::size_t read = 0, bad = 0;
  const auto print = [&](std::size_t, std::vector<answered> answers) -> lowbit::status {
    for (const answered& a : answers) {
      put_bytes(a.output);
      if (a.problem.ok()) continue;
      if (!o.keep_going) return a.problem;
      LOWBIT_TRY(flush_output());
      report(a.problem.message());
      ++bad;
    }
    return check_output();
  };
  // Threads finish at different times: a round has many groups.
  const std::size_t workers = threads.workers();
  const std::size_t round = workers == 1 ? most : std::size_t{1024} * workers;
  text_source source(o.texts);
  while (true) {
    LOWBIT_TRY_ASSIGN(const auto texts, source.next(round));
    if (texts.empty()) break;
    read += texts.size();
    const lowbit::text_groups groups(texts.size(), most, workers);
    in_order<std::vector<answered>, decltype(print)> printed(groups.size(), print);
    lowbit::for_each_group(groups, threads, memory, [&](std::size_t i, auto& pool, auto& space) {
      if (printed.failed()) return;
      const std::size_t first = groups.begin(i);
      const auto group = std::span(texts).subspan(first, groups.begin(i + 1) - first);
      printed.done(i, answer_group(group, prepare, [&](auto some, auto inputs) {
                     return answer(some, inputs, pool, space);
                   }));
    });
    LOWBIT_TRY(printed.status());
    if (source.waits()) LOWBIT_TRY(flush_output());
  }
  if (read == 0) {
    return lowbit::status::error(
        lowbit::errc::invalid_argument,
        "no text: pass sentences as arguments or as lines of standard input");
  }
  if (bad == 0) return {};
  return lowbit::status::error(lowbit::errc::invalid_argument, bad, " of ", read, " texts failed");
}

/// A pipeline of the library, with threads and workspace of its own.
template <class Pipeline>
struct opened {
  Pipeline pipeline;
  std::unique_ptr<lowbit::thread_pool> threads;
  lowbit::run_memory memory{};

  /// Batch size: more than 1 only if results do not depend on the other texts of a batch, because
  /// they must not depend on how fast lines arrive.
  [[nodiscard]] std::size_t batch() const { return pipeline.parts().batch(); }
};

/// Opens a folder and prints the warnings about it.
template <class Pipeline>
lowbit::result<opened<Pipeline>> open_pipeline(const model_options& o,
                                               const std::string& pooling = {}) {
  LOWBIT_TRY(lowbit::find_engine(o.arch, "--arch").status().in(o.model));
  LOWBIT_TRY_ASSIGN(auto pipeline,
                    Pipeline::load(o.model, {{o.policy, o.zero, {}, pooling}, o.arch}));
  for (const std::string& warning : pipeline.warnings()) warn(warning);
  LOWBIT_TRY_ASSIGN(auto threads, lowbit::thread_pool::start(o.threads));
  return opened<Pipeline>{std::move(pipeline), std::move(threads)};
}

/// The two texts of a line for --pairs. Errors: invalid_argument without a tab
lowbit::result<std::pair<std::string, std::string>> split_pair(const std::string& text);

/// An error for a text that was truncated to max_tokens, unless `truncate`.
lowbit::status check_length(const std::string& text, bool truncated, std::size_t max_tokens,
                            bool truncate);
/// The encoding of a text, with the text in messages and its length checked.
template <class Encoded>
lowbit::result<Encoded> checked(const std::string& text, lowbit::result<Encoded> encoded,
                                std::size_t max_tokens, bool truncate) {
  if (!encoded) return encoded.status().in(start_of(text));
  LOWBIT_TRY(check_length(text, encoded->truncated, max_tokens, truncate));
  return encoded;
}

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
