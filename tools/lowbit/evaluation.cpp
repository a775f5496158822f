// SPDX-License-Identifier: Apache-2.0
#include "evaluation.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>

#include "labelled.hpp"
#include "lowbit/model/embedding_search.hpp"
#include "lowbit/pipeline/text_embedder.hpp"
#include "metrics.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::head_kind;
using lowbit::result;
using lowbit::status;

status evaluation::choose(const std::string& wanted) {
  std::string known;
  for (const auto& [name, value] : scores) {
    if (wanted.empty() || wanted == name) {
      metric = name;
      score = value;
      return {};
    }
    known += (known.empty() ? "" : ", ") + name;
  }
  return status::error(errc::invalid_argument, "--metric is \"", wanted, "\", for ", model,
                       " expected one of ", known);
}

namespace {

/// A batch of encoded texts, and the head's output for them.
struct scored_batch {
  std::size_t first = 0;  // text
  std::vector<lowbit::encoding> encodings;
  token_rows rows;
  std::vector<float> values;
  double seconds = 0;  // of one thread
};

/// Runs all texts in batches, with several threads several batches at a time, and calls
/// visit(scored_batch) -> status in order.
class runner {
 public:
  runner(session& s, const lowbit::tokenizer& tokenizer, const eval_options& o)
      : session_(s), tokenizer_(tokenizer), options_(o) {}

  template <class Text, class Visit>
  status run(std::size_t count, bool pairs, Text text, Visit visit) {
    const bool terminal = isatty(STDERR_FILENO) != 0;
    const std::size_t batches = (count + eval_batch - 1) / eval_batch;
    const lowbit::text_groups tasks(batches, 1, session_.workers());
    const auto take = [&](std::size_t, result<scored_batch> batch) -> status {
      if (!batch) return batch.status();
      for (const lowbit::encoding& e : batch->encodings) cut_ += e.truncated ? 1 : 0;
      seconds_ += batch->seconds / static_cast<double>(tasks.concurrent() ? session_.workers() : 1);
      LOWBIT_TRY(visit(*batch));
      if (terminal)
        print_error(fmt::format("\r{} of {}", batch->first + batch->encodings.size(), count));
      return {};
    };
    in_order<result<scored_batch>, decltype(take)> taken(batches, take);
    session_.for_each_group(tasks, [&](std::size_t i, const auto& run_rows) {
      if (taken.failed()) return;
      taken.done(i, lowbit::detail::without_exceptions(options_.data, [&] {
                   return score(i * eval_batch, std::min((i + 1) * eval_batch, count), pairs, text,
                                run_rows);
                 }));
    });
    LOWBIT_TRY(taken.status());
    if (terminal) print_error(fmt::format("\r{:40}\r", ""));
    if (cut_ != 0 && !options_.truncate) {
      warn(fmt::format(
          "{}: {} of {} texts are longer than the maximum of {} tokens and were truncated, "
          "as in training",
          options_.data, cut_, count, session_.model().config.max_tokens()));
    }
    return {};
  }
  [[nodiscard]] double seconds() const { return seconds_; }

 private:
  template <class Text, class Run>
  result<scored_batch> score(std::size_t begin, std::size_t end, bool pairs, const Text& text,
                             const Run& run_rows) const {
    scored_batch batch;
    batch.first = begin;
    for (std::size_t i = begin; i < end; ++i) {
      LOWBIT_TRY_ASSIGN(
          auto encoded,
          encode_text(tokenizer_, text(i), session_.model().config.max_tokens(), pairs, true));
      batch.rows.add(encoded.ids, encoded.type_ids);
      batch.encodings.push_back(std::move(encoded));
    }
    const auto started = std::chrono::steady_clock::now();
    LOWBIT_TRY_ASSIGN(batch.values, run_rows(batch.rows));
    batch.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return batch;
  }

  session& session_;
  const lowbit::tokenizer& tokenizer_;
  const eval_options& options_;
  std::size_t cut_ = 0;
  double seconds_ = 0;
};

/// Parses the labels as numbers.
result<std::vector<double>> numbers(const std::vector<example>& examples, const std::string& path) {
  std::vector<double> out;
  for (const example& e : examples) {
    double value = 0;
    const char* const end = e.label.data() + e.label.size();
    const auto [stop, error] = std::from_chars(e.label.data(), end, value);
    if (error != std::errc() || stop != end || !std::isfinite(value)) {
      return status::error(errc::malformed, path, " line ", e.line, ": label \"", e.label,
                           "\", expected a number");
    }
    out.push_back(value);
  }
  return out;
}

status score_classes(session& s, runner& run, const eval_options& o, evaluation& out) {
  LOWBIT_TRY(lowbit::check_one_label(s.model().config).in(out.model));
  LOWBIT_TRY_ASSIGN(const auto data, read_labelled(o.data, o.split));
  LOWBIT_TRY_ASSIGN(const auto ids, label_ids(s, data.examples, o.data));
  class_pairs classes{{}, ids};
  const std::size_t labels = s.shape().labels;
  LOWBIT_TRY(run.run(
      ids.size(), data.pairs, [&](std::size_t i) { return data.examples[i].text; },
      [&](const scored_batch& b) {
        for (std::size_t r = 0; r < b.rows.sentences(); ++r)
          classes.predicted.push_back(lowbit::largest_logit(b.values.data() + r * labels, labels));
        return status();
      }));
  out.examples = classes.size();
  out.right = count_equal(classes);
  out.scores = {{"accuracy", accuracy(classes)}};
  if (labels == 2) out.scores.emplace_back("f1", f1_of_class(classes, 1));
  out.scores.emplace_back("macro_f1", macro_f1(classes));
  out.scores.emplace_back("matthews", matthews(classes));
  return {};
}

status score_numbers(runner& run, const eval_options& o, evaluation& out) {
  LOWBIT_TRY_ASSIGN(const auto data, read_labelled(o.data, o.split));
  LOWBIT_TRY_ASSIGN(const auto expected, numbers(data.examples, o.data));
  std::vector<double> predicted;
  LOWBIT_TRY(run.run(
      expected.size(), data.pairs, [&](std::size_t i) { return data.examples[i].text; },
      [&](const scored_batch& b) {
        predicted.insert(predicted.end(), b.values.begin(), b.values.end());
        return status();
      }));
  out.examples = expected.size();
  out.scores = {{"spearman", spearman(predicted, expected)},
                {"pearson", pearson(predicted, expected)}};
  return {};
}

double dot_product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t c = 0; c < a.size(); ++c)
    sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return sum;
}

/// Cosine similarity of int8 or one-bit codes of two embeddings.
double code_similarity(std::span<const float> a, std::span<const float> b, bool one_bit) {
  const lowbit::vector_view<const float> left{a.data(), a.size()}, right{b.data(), b.size()};
  if (one_bit) {
    std::vector<lowbit::word> x(lowbit::words_for(a.size())), y(x.size());
    lowbit::encode_one_bit(left, x.data());
    lowbit::encode_one_bit(right, y.data());
    const auto differ = static_cast<double>(lowbit::hamming_distance(x.data(), y.data(), x.size()));
    return 1 - 2 * differ / static_cast<double>(a.size());
  }
  std::vector<std::int8_t> x(a.size()), y(b.size());
  lowbit::encode_int8(left, x.data());
  lowbit::encode_int8(right, y.data());
  return lowbit::cosine_similarity(std::vector<float>(x.begin(), x.end()),
                                   std::vector<float>(y.begin(), y.end()));
}

/// Cosine similarity of the embeddings of two sentences.
status score_similarity(session& s, runner& run, const eval_options& o, evaluation& out) {
  const auto data = read_labelled(o.data, o.split);
  if (!data) return data.status();
  if (!data->pairs) {
    return status::error(
        errc::unsupported, o.data,
        ": has one sentence per line, expected pairs (first, second, score) to score "
        "embeddings on");
  }
  LOWBIT_TRY_ASSIGN(const auto expected, numbers(data->examples, o.data));
  const auto modules = lowbit::embedding_modules<>::load(s.model());
  if (!modules) return modules.status().in(out.model);
  const auto& format = s.model().config.embedding;
  const std::size_t d = modules->dimensions();
  const bool prompted = format && !format->default_prompt.empty();
  const std::string prompt = prompted ? format->prompts.at(format->default_prompt) : "";
  std::vector<double> cosines;
  const auto sentence = [&](std::size_t i) {  // 2 i and 2 i + 1 are pair i
    const std::string& text = data->examples[i / 2].text;
    const std::size_t tab = text.find('\t');
    return prompt + (i % 2 == 0 ? text.substr(0, tab) : text.substr(tab + 1));
  };
  lowbit::serial here;
  LOWBIT_TRY(run.run(2 * expected.size(), false, sentence, [&](const scored_batch& b) {
    const std::size_t sentences = b.rows.sentences();
    const lowbit::text_embeddings e{modules->run(b.values, sentences, d, here), d};
    for (std::size_t r = 0; r + 1 < sentences; r += 2) {
      if (o.output != "f32") {
        cosines.push_back(code_similarity(e[r], e[r + 1], o.output == "binary"));
        continue;
      }
      cosines.push_back(modules->unit_length() ? dot_product(e[r], e[r + 1])
                                               : lowbit::cosine_similarity(e[r], e[r + 1]));
    }
    return status();
  }));
  out.examples = expected.size();
  out.scores = {{"spearman", spearman(cosines, expected)}, {"pearson", pearson(cosines, expected)}};
  return {};
}

/// Words by their first word piece. A word beyond the maximum length counts as O.
status score_entities(session& s, runner& run, const eval_options& o, evaluation& out) {
  LOWBIT_TRY_ASSIGN(const auto data, read_tagged(o.data));
  const std::vector<std::string> names = label_names(s);
  std::vector<std::string> texts;
  for (const tagged_sentence& t : data) {
    std::string text;
    for (std::size_t w = 0; w < t.words.size(); ++w) {
      const auto id = label_id(names, t.labels[w]);
      if (!id) return id.status().in(o.data + " line " + std::to_string(t.line_of(w)));
      text += (text.empty() ? "" : " ") + t.words[w];
    }
    texts.push_back(std::move(text));
  }
  entity_counts entities;
  std::size_t words = 0;
  LOWBIT_TRY(run.run(
      texts.size(), false, [&](std::size_t i) { return texts[i]; },
      [&](const scored_batch& b) -> status {
        for (std::size_t r = 0; r < b.rows.sentences(); ++r) {
          const tagged_sentence& wanted = data[b.first + r];
          const std::string& text = texts[b.first + r];
          const auto found = label_words(names, lowbit::pieces_by_white_space(text, b.encodings[r]),
                                         b.values.data() + b.rows.offsets[r] * names.size());
          const bio_pair both = align(text, found, wanted);
          entities.add(lowbit::decode_bio(both.found), lowbit::decode_bio(both.wanted));
          for (std::size_t w = 0; w < both.found.size(); ++w)
            out.right += both.found[w].label == both.wanted[w].label ? 1 : 0;
          words += both.found.size();
        }
        return {};
      }));
  out.examples = texts.size();
  out.scores = {{"f1", entities.f1()},
                {"precision", entities.precision()},
                {"recall", entities.recall()},
                {"accuracy", ratio(static_cast<double>(out.right), static_cast<double>(words))}};
  return {};
}

}  // namespace

result<evaluation> evaluate(const std::string& model, const eval_options& o) {
  LOWBIT_TRY_ASSIGN(auto s,
                    session::open(model, {o.policy, o.zero, {}, o.pooling}, o.arch, o.threads));
  LOWBIT_TRY_ASSIGN(const auto tokenizer, open_tokenizer(model, s.model().config));
  if (o.output != "f32" && !lowbit::is_embedding(s.shape().head)) {
    return status::error(errc::invalid_argument, model, ": --output ", o.output,
                         " is for embeddings, this is a ", s.model().config.kind(), " model");
  }
  evaluation out;
  out.model = model;
  out.policy = s.model().policy;
  out.bytes = s.model().bytes();
  runner run(s, tokenizer, o);
  switch (s.shape().head) {
    case head_kind::sequence:
      LOWBIT_TRY(lowbit::check_head(s.model().config, head_kind::sequence).in(model));
      LOWBIT_TRY(s.shape().labels == 1 ? score_numbers(run, o, out)
                                       : score_classes(s, run, o, out));
      break;
    case head_kind::token:
      LOWBIT_TRY(score_entities(s, run, o, out));
      break;
    case head_kind::mean_embedding:
    case head_kind::cls_embedding:
    case head_kind::pooled_embedding:
      LOWBIT_TRY(score_similarity(s, run, o, out));
      break;
    case head_kind::span:
    case head_kind::masked_lm:
      return status::error(
          errc::unsupported, model, ": this is a ", name_of(s.shape().head),
          " model, expected one that classifies sentences or tokens, or --pooling");
  }
  out.seconds = run.seconds() / static_cast<double>(out.examples);
  LOWBIT_TRY(out.choose(o.metric));
  return out;
}

}  // namespace lowbit_tool
