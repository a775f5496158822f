// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "contest.hpp"
#include "lowbit/cost/measure.hpp"
#include "lowbit/cost/named_ledger.hpp"
#include "session.hpp"

namespace lowbit_bench {
namespace {

using lowbit_tool::session;
using lowbit_tool::token_rows;

constexpr double encoder_bar = 14;

session start(const lowbit::model_shape& shape, const char* policy, const char* arch,
              std::size_t threads) {
  auto model = lowbit_tool::random_model(shape, policy, "", 1);
  auto s = session::start(std::move(model).value(), arch, threads);
  return std::move(s).value();
}

token_rows sentence(std::size_t tokens) {
  std::vector<std::int32_t> ids;
  for (std::size_t t = 0; t < tokens; ++t)
    ids.push_back(static_cast<std::int32_t>(t * 7919 % 30522));
  token_rows rows;
  rows.add(ids, std::vector<std::int32_t>(tokens, 0));
  return rows;
}

/// Checks that the logits of a short sentence are finite and bit-identical to the scalar arch.
void check(const char* policy, const contest_options& options, ratio_report& report) {
  constexpr lowbit::model_shape small{2, 768, 12, 3072, 500, 64, 2, 2};
  token_rows rows;
  rows.add({1, 2, 3, 4, 5, 6, 7}, {0, 0, 0, 0, 0, 0, 0});
  const auto expected = start(small, policy, "scalar", 1).run(rows).value();
  for (const std::size_t threads : {std::size_t{1}, std::size_t{2}}) {
    const auto logits = start(small, policy, options.table->arch, threads).run(rows).value();
    bool right = logits == expected;
    for (const float v : logits) right = right && std::isfinite(v);
    if (!right) {
      report.wrong.push_back(std::string("encoder ") + policy + " with " + std::to_string(threads) +
                             " threads: logits differ from scalar");
    }
  }
}

ratio_row row_of(const std::string& what, const std::string& rival, double seconds,
                 double rival_seconds, double macs) {
  ratio_row r;
  r.what = what;
  r.rival = rival;
  r.milliseconds = 1e3 * seconds;
  r.rival_milliseconds = 1e3 * rival_seconds;
  r.gigamacs_per_second = 1e-9 * macs / seconds;
  return r;
}

}  // namespace

void contest_encoders(const contest_options& options, ratio_report& report) {
  constexpr lowbit::model_shape bert_base{12, 768, 12, 3072, 30522, 512, 2, 2};
  for (const char* policy : {"fp32", "bibert"}) check(policy, options, report);
  const char* arch = options.table->arch;
  session fp32 = start(bert_base, "fp32", arch, 1);
  session bibert = start(bert_base, "bibert", arch, 1);
  session two = start(bert_base, "bibert", arch, 2);
  for (const std::size_t tokens : {std::size_t{128}, std::size_t{16}}) {
    const token_rows rows = sentence(tokens);
    const auto run = [&rows](session& s) {
      return [&s, &rows] { static_cast<void>(s.run(rows).value()); };
    };
    if (two.run(rows).value() != bibert.run(rows).value())
      report.wrong.push_back("encoder bibert: one and two threads differ");
    const double macs = static_cast<double>(
        lowbit::ledger_for("bibert", bert_base, tokens).value().total.executed.macs());
    const std::string name = "bibert BERT-base S=" + std::to_string(tokens);
    const auto one = lowbit::measure_interleaved(
        {run(bibert), run(fp32)}, {options.encoder_repetitions, 0.01, lowbit::thread_seconds, {}});
    ratio_row r = row_of(name, "lowbit fp32", one[0].median, one[1].median, macs);
    r.bar = encoder_bar;
    if (!options.has_bars) r.unmeasured = "the bar is for AVX-512, this CPU lacks it";
    report.rows.push_back(r);
    const auto threads = lowbit::measure_interleaved(
        {run(two), run(bibert)}, {options.repetitions, 0.01, lowbit::wall_seconds, {}});
    report.rows.push_back(
        row_of(name + ", 2 threads", "1 thread", threads[0].median, threads[1].median, macs));
  }
}

}  // namespace lowbit_bench
