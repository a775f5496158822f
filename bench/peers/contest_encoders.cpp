// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "byte_arch.hpp"
#include "compare.hpp"
#include "contests.hpp"
#include "lowbit_encoder.hpp"
#include "onnx_bert.hpp"
#include "onnxruntime.hpp"

namespace lowbit_bench {
namespace {

using lowbit::model_shape;
using lowbit_tool::session;
using lowbit_tool::token_rows;

constexpr double f32_bound = 1e-3;    // largest difference of two f32 hidden states
constexpr double int8_cosine = 0.99;  // between ONNX Runtime's int8 hidden states and f32

struct input {
  std::string name;
  std::vector<std::size_t> lengths;

  [[nodiscard]] std::size_t longest() const {
    return *std::max_element(lengths.begin(), lengths.end());
  }
};
const input sentence_16{"S=16", {16}};
const input sentence_128{"S=128", {128}};
/// A batch with varying lengths: lowbit packs it, peers pad it to the longest.
const input eight_sentences{"8 sentences", {5, 9, 14, 22, 31, 48, 77, 128}};

/// Multiply-adds of the layers for the real tokens.
double macs_of(const model_shape& s, const input& in) {
  double macs = 0;
  for (const std::size_t length : in.lengths) {
    const auto t = static_cast<double>(length);
    const auto d = static_cast<double>(s.hidden);
    macs += t * (4 * d * d + 2 * d * static_cast<double>(s.intermediate) + 2 * t * d);
  }
  return macs * static_cast<double>(s.layers);
}

/// One encoder shape and its weights, in every form that the contests need.
class shape_contests {
 public:
  shape_contests(const peer_options& options, peer_report& report, std::string name,
                 const model_shape& shape)
      : options_(options),
        report_(report),
        name_(std::move(name)),
        folder_(options.folder + "/" + name_) {
    auto model = lowbit_tool::random_model(shape, "fp32", "", 1);
    if (fail("random weights", model)) return;
    model_ = std::make_unique<lowbit::canonical_model>(*std::move(model));
    const lowbit::status written = write_checkpoint(*model_, folder_);
    if (!written.ok()) report_.note_absent(name_, std::string(written.message()));
    usable_ = written.ok();
    auto runtime = onnxruntime::open(options.onnxruntime);
    if (fail("ONNX Runtime", runtime)) return;
    runtime_ = *runtime;
  }
  ~shape_contests() {
    std::error_code ignored;
    for (const char* file : {"model.safetensors", "config.json"})
      std::filesystem::remove(folder_ + "/" + file, ignored);
    std::filesystem::remove(folder_, ignored);
  }
  shape_contests(const shape_contests&) = delete;
  shape_contests& operator=(const shape_contests&) = delete;

  /// Runs the contests on this many threads; with `alone`, lowbit on one thread also takes part.
  void contest(const std::vector<input>& inputs, std::size_t threads, bool alone) {
    if (!usable_) return;
    std::vector<entry> entries = lowbit_entries(threads, "");
    if (alone) {
      for (entry& e : lowbit_entries(1, ", 1 thread")) entries.push_back(std::move(e));
    }
    if (entries.empty() || entries.front().policy != &encoder_policies[0]) return;  // no fp32
    const bool masked = inputs.front().lengths.size() > 1;
    const auto f32 = peer("ONNX Runtime fp32", onnx_format::f32, masked, threads);
    const auto int8 = peer("ONNX Runtime int8", onnx_format::int8, masked, threads);
    for (const input& in : inputs) {
      const std::string title = encoder_contest(name_, in.name, threads);
      if (options_.narrate) std::fprintf(stderr, "%s\n", title.c_str());
      hold(title, in, entries, f32.get(), int8.get(), threads);
    }
  }

 private:
  struct entry {
    std::string name;
    const encoder_policy* policy;
    std::shared_ptr<session> runs;
  };

  template <class Result>
  bool fail(const std::string& what, const Result& r) {
    if (!r) report_.note_absent(what, std::string(r.status().message()));
    return !r;
  }

  std::vector<entry> lowbit_entries(std::size_t threads, const char* suffix) {
    std::vector<entry> all;
    for (const encoder_policy& p : encoder_policies) {
      const std::string name = std::string("lowbit ") + p.name;
      auto opened = open_policy(folder_, p.name, byte_arch(*options_.table), threads);
      if (fail(name, opened)) continue;
      all.push_back({name + suffix, &p, std::make_shared<session>(*std::move(opened))});
    }
    return all;
  }

  std::unique_ptr<onnxruntime::session> peer(const char* name, onnx_format format, bool masked,
                                             std::size_t threads) {
    if (runtime_ == nullptr) return nullptr;
    const auto bytes = onnx_bert(*model_, format, masked);
    if (fail(name, bytes)) return nullptr;
    auto session = runtime_->start(*bytes, model_->config.shape.hidden, threads);
    if (fail(name, session)) return nullptr;
    return *std::move(session);
  }

  /// lowbit's outputs: fp32 is the reference for the peers; each policy must be bit-identical to
  /// the scalar arch.
  contestant lowbit_contestant(const entry& e, const token_rows& rows,
                               const std::vector<float>& expected) {
    const auto run = [runs = e.runs, &rows] { static_cast<void>(runs->run(rows).value()); };
    const auto check = [this, e, &rows, &expected]() -> std::string {
      if (e.policy->least_cosine > 0) {
        const auto hidden = hidden_states(*e.runs, rows);
        if (!hidden) return std::string(hidden.status().message());
        if (auto wrong = expect_cosine(*hidden, expected, e.policy->least_cosine); !wrong.empty())
          return wrong;
      }
      const token_rows few = make_sentences({5}, model_->config.shape.vocabulary);
      const auto logits = e.runs->run(few);
      if (!logits) return std::string(logits.status().message());
      const std::vector<float>& scalar = scalar_logits(e, few);
      const bool finite =
          std::all_of(logits->begin(), logits->end(), [](float v) { return std::isfinite(v); });
      return finite && *logits == scalar ? "" : "logits differ from those of the scalar arch";
    };
    return {e.name, run, check};
  }

  const std::vector<float>& scalar_logits(const entry& e, const token_rows& few) {
    std::vector<float>& logits = scalar_[e.policy->name];
    if (!logits.empty()) return logits;
    auto scalar = open_policy(folder_, e.policy->name, "scalar", 1);
    if (scalar) logits = scalar->run(few).value();
    return logits;
  }

  contestant peer_contestant(const char* name, onnxruntime::session& runs, const input& in,
                             const std::vector<float>& expected, bool is_f32) {
    const auto check = [this, &runs, &in, &expected, is_f32]() -> std::string {
      if (const auto s = bind(runs, in); !s.ok()) return std::string(s.message());
      if (const auto s = runs.run(); !s.ok()) return std::string(s.message());
      const std::vector<float> hidden = without_padding(runs.hidden(), in);
      return is_f32 ? expect_close(hidden, expected, f32_bound)
                    : expect_cosine(hidden, expected, int8_cosine);
    };
    return {name, [&runs] { static_cast<void>(runs.run()); }, check};
  }

  lowbit::status bind(onnxruntime::session& runs, const input& in) const {
    const std::size_t batch = in.lengths.size();
    const std::size_t longest = in.longest();
    const token_rows rows = make_sentences(in.lengths, model_->config.shape.vocabulary);
    std::vector<std::int32_t> ids(batch * longest, 0);
    std::vector<std::int32_t> mask(batch > 1 ? ids.size() : 0, 0);
    for (std::size_t s = 0; s < batch; ++s) {
      for (std::size_t t = 0; t < in.lengths[s]; ++t) {
        ids[s * longest + t] = rows.ids[rows.offsets[s] + t];
        if (batch > 1) mask[s * longest + t] = 1;
      }
    }
    return runs.bind(batch, longest, std::move(ids), std::move(mask));
  }

  /// Extracts the rows of real tokens from (B, S, D).
  [[nodiscard]] std::vector<float> without_padding(const std::vector<float>& hidden,
                                                   const input& in) const {
    const std::size_t d = model_->config.shape.hidden;
    std::vector<float> rows;
    for (std::size_t s = 0; s < in.lengths.size(); ++s) {
      const auto begin = hidden.begin() + static_cast<std::ptrdiff_t>(s * in.longest() * d);
      rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(in.lengths[s] * d));
    }
    return rows;
  }

  void hold(const std::string& title, const input& in, const std::vector<entry>& entries,
            onnxruntime::session* f32, onnxruntime::session* int8, std::size_t threads) {
    const token_rows rows = make_sentences(in.lengths, model_->config.shape.vocabulary);
    const auto expected = hidden_states(*entries.front().runs, rows);
    if (fail(title, expected)) return;
    std::vector<contestant> all;
    for (const entry& e : entries) all.push_back(lowbit_contestant(e, rows, *expected));
    if (f32 != nullptr)
      all.push_back(peer_contestant("ONNX Runtime fp32", *f32, in, *expected, true));
    if (int8 != nullptr)
      all.push_back(peer_contestant("ONNX Runtime int8", *int8, in, *expected, false));
    turn_options turns;
    turns.seconds = 6 * options_.seconds;
    turns.sample_seconds = 0.01;
    turns.most = 31;
    if (threads > 1) {
      turns.clock = lowbit::wall_seconds;
      turns.pause_seconds = 0.02;
    }
    hold_contest(title, macs_of(model_->config.shape, in), std::move(all), turns, report_);
  }

  const peer_options& options_;
  peer_report& report_;
  std::string name_, folder_;
  bool usable_ = false;
  std::unique_ptr<lowbit::canonical_model> model_;
  std::shared_ptr<onnxruntime> runtime_;
  std::map<std::string, std::vector<float>> scalar_;  // logits of each policy
};

}  // namespace

std::string encoder_contest(const std::string& shape, const std::string& input,
                            std::size_t threads) {
  return shape + " " + input + ", " + std::to_string(threads) +
         (threads == 1 ? " thread" : " threads");
}

void contest_encoders(const peer_options& options, peer_report& report) {
  // A small vocabulary: lookups take no time, and the files of random weights stay small.
  const auto shape_of = [](const char* name) {
    model_shape shape = lowbit_tool::named_shape(name).value();
    shape.vocabulary = 2048;
    return shape;
  };
  {
    shape_contests base(options, report, "bert-base", shape_of("bert-base"));
    base.contest({sentence_16, sentence_128}, 1, false);
    base.contest({eight_sentences}, 1, false);
    base.contest({sentence_16, sentence_128}, 2, true);
  }
  shape_contests tiny(options, report, "tinybert-4l", shape_of("tinybert-4l"));
  tiny.contest({sentence_16, sentence_128}, 1, false);
  tiny.contest({sentence_16, sentence_128}, 2, true);
}

}  // namespace lowbit_bench
