// SPDX-License-Identifier: Apache-2.0
#include "budget.hpp"

#include <fmt/format.h>

#include <cmath>

#include "lowbit/cost/measure.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

namespace {

constexpr const char* candidates[] = {"int8", "w4a8", "codebook16", "codebook8", "w2a8", "w1a8"};

double total(const std::vector<budget_part>& parts, const std::vector<std::size_t>& chosen,
             double budget_option::*value) {
  double sum = 0;
  for (std::size_t p = 0; p < parts.size(); ++p) sum += parts[p].options[chosen[p]].*value;
  return sum;
}

/// For each part, the option that minimizes noise + price * cost.
std::vector<std::size_t> at_price(const std::vector<budget_part>& parts,
                                  double budget_option::*cost, double price) {
  std::vector<std::size_t> chosen;
  for (const budget_part& part : parts) {
    std::size_t best = 0;
    const auto value = [&](std::size_t i) {
      return part.options[i].noise + price * (part.options[i].*cost);
    };
    for (std::size_t i = 1; i < part.options.size(); ++i) {
      if (value(i) < value(best)) best = i;
    }
    chosen.push_back(best);
  }
  return chosen;
}

/// Bytes of the stored tensors whose name starts with a prefix.
double bytes_of(const lowbit::canonical_model& model, const std::string& prefix) {
  double bytes = 0;
  for (const lowbit::stored_tensor& t : model.tensors()) {
    if (std::string_view(t.name).starts_with(prefix)) bytes += static_cast<double>(t.bytes());
  }
  return bytes;
}

/// Milliseconds per sentence of every layer, medians of interleaved passes.
result<std::vector<double>> layer_times(session& model, const std::vector<token_rows>& text) {
  const token_rows& rows = text.front();
  LOWBIT_TRY_ASSIGN(auto hidden, hidden_rows_of(model, rows));
  status failed;
  std::vector<std::function<void()>> passes;
  for (std::size_t l = 0; l < model.shape().layers; ++l) {
    passes.emplace_back([&, l] {
      std::vector<float> values = hidden[l];
      const status done = model.run_layer(l, rows, values);
      if (!done.ok()) failed = done;
    });
  }
  const auto timings = lowbit::measure_interleaved(passes, {11, 0.002, lowbit::thread_seconds, {}});
  if (!failed.ok()) return failed;
  std::vector<double> milliseconds;
  milliseconds.reserve(timings.size());
  for (const auto& t : timings)
    milliseconds.push_back(1e3 * t.median / static_cast<double>(rows.sentences()));
  return milliseconds;
}

}  // namespace

std::optional<std::vector<std::size_t>> choose_options(const std::vector<budget_part>& parts,
                                                       double budget_option::*cost, double limit) {
  std::vector<std::size_t> best = at_price(parts, cost, 1e30);  // the cheapest
  if (total(parts, best, cost) > limit) return std::nullopt;
  double low = 0;
  double high = 1e30;
  for (int step = 0; step < 200; ++step) {  // the lowest price whose choice fits
    const double price = low == 0 ? high * 1e-3 : std::sqrt(low * high);
    if (price < 1e-30) break;
    const auto chosen = at_price(parts, cost, price);
    if (total(parts, chosen, cost) <= limit) {
      best = chosen;
      high = price;
    } else {
      low = price;
    }
  }
  while (true) {  // spend the rest on the largest gains that still fit
    double room = limit - total(parts, best, cost);
    std::size_t part = parts.size();
    std::size_t option = 0;
    double gain = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      const budget_option& now = parts[p].options[best[p]];
      for (std::size_t i = 0; i < parts[p].options.size(); ++i) {
        const budget_option& other = parts[p].options[i];
        if (other.*cost - now.*cost > room || now.noise - other.noise <= gain) continue;
        gain = now.noise - other.noise;
        part = p;
        option = i;
      }
    }
    if (part == parts.size()) return best;
    best[part] = option;
  }
}

result<budget_plan> plan_budget(const lowbit::canonical_model& floats, const budget& limits,
                                const std::vector<token_rows>& text, const std::string& arch) {
  budget_plan plan;
  const std::size_t layers = floats.config.shape.layers;
  if (floats.config.shape.shared_layers) {
    return status::error(errc::unsupported,
                         "a budget chooses a format per layer, but all layers of this model share "
                         "weights");
  }
  plan.parts.push_back({"word embeddings", "word_embeddings", {}});
  for (std::size_t l = 0; l < layers; ++l) {
    const std::string index = std::to_string(l);
    plan.parts.push_back({"layer " + index, "\\.layer\\." + index + "\\.", {}});
  }
  double fixed = 0;  // tensors unaffected by the choice
  LOWBIT_TRY_ASSIGN(auto copy, lowbit::encode_model(floats, *lowbit::find_policy("fp32")));
  LOWBIT_TRY_ASSIGN(auto reference, session::start(std::move(copy), arch, 1));
  for (const char* name : candidates) {
    LOWBIT_TRY_ASSIGN(auto model, lowbit::encode_model(floats, *lowbit::find_policy(name)));
    const std::string format(lowbit::find_policy(name)->format);
    LOWBIT_TRY_ASSIGN(auto started, session::start(std::move(model), arch, 1));
    session& other = started;
    LOWBIT_TRY_ASSIGN(const auto errors, compare_layers(reference, other, text));
    LOWBIT_TRY_ASSIGN(const auto times, layer_times(other, text));
    const std::string words = lowbit::part_text(lowbit::model_part::word_embeddings);
    plan.parts[0].options.push_back(
        {format, errors.alone[0].noise, bytes_of(other.model(), words), 0});
    double counted = plan.parts[0].options.back().bytes;
    for (std::size_t l = 0; l < layers; ++l) {
      const std::string prefix = lowbit::layer_text(l);
      plan.parts[l + 1].options.push_back(
          {format, errors.alone[l + 1].noise, bytes_of(other.model(), prefix), times[l]});
      counted += plan.parts[l + 1].options.back().bytes;
    }
    if (format == "int8") fixed = bytes_of(other.model(), "") - counted;  // the rest stays int8
  }
  const bool by_bytes = limits.megabytes > 0;
  const auto cost = by_bytes ? &budget_option::bytes : &budget_option::milliseconds;
  const double limit = by_bytes ? limits.megabytes * 1e6 - fixed : limits.milliseconds;
  const auto chosen = choose_options(plan.parts, cost, limit);
  if (!chosen) {
    const auto least = at_price(plan.parts, cost, 1e30);
    const double needed = total(plan.parts, least, cost) + (by_bytes ? fixed : 0);
    return status::error(errc::invalid_argument, "a budget of ",
                         fmt::format("{}", by_bytes ? limits.megabytes : limits.milliseconds),
                         by_bytes ? " MB" : " ms", " cannot be met, the minimum is ",
                         fmt::format("{:.6g}", by_bytes ? needed / 1e6 : needed));
  }
  plan.chosen = *chosen;
  for (std::size_t p = 0; p < plan.parts.size(); ++p)
    plan.formats.push_back({plan.parts[p].pattern, plan.parts[p].options[plan.chosen[p]].format});
  return plan;
}

}  // namespace lowbit_tool
