// SPDX-License-Identifier: Apache-2.0
#include "recorded.hpp"

#include <cmath>
#include <limits>

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

namespace {

using table = std::vector<std::vector<std::int32_t>>;

result<table> read_table(const nlohmann::json& object, const std::string& path, const char* field) {
  const auto it = object.find(field);
  if (it == object.end())
    return status::error(errc::not_found, path, ": field ", field, " is missing");
  table out;
  for (const auto& row : *it) {
    if (!row.is_array())
      return status::error(errc::malformed, path, ": ", field, " is not an array of arrays");
    out.emplace_back();
    for (const auto& value : row) {
      const bool fits = value.is_number_integer() &&
                        value >= std::numeric_limits<std::int32_t>::min() &&
                        value <= std::numeric_limits<std::int32_t>::max();
      if (!fits) {
        return status::error(errc::malformed, path, ": ", field, " row ", out.size() - 1,
                             " has a value that is not a 32-bit integer");
      }
      out.back().push_back(value.get<std::int32_t>());
    }
  }
  return out;
}

status check_rectangle(const table& t, std::size_t rows, std::size_t columns,
                       const std::string& path, const char* field) {
  if (t.size() != rows) {
    return status::error(errc::shape_mismatch, path, ": ", field, " has ", t.size(),
                         " rows, expected ", rows, " as in input_ids");
  }
  for (std::size_t r = 0; r < rows; ++r) {
    if (t[r].size() != columns) {
      return status::error(errc::shape_mismatch, path, ": ", field, " row ", r, " has ",
                           t[r].size(), " entries, expected ", columns);
    }
  }
  return {};
}

}  // namespace

result<recorded_inputs> read_recorded_inputs(const std::string& path, bool padded) {
  const auto json = lowbit::read_json(path);
  if (!json) return json.status();
  if (!json->is_object()) return status::error(errc::malformed, path, ": not an object");
  LOWBIT_TRY_ASSIGN(const auto ids, read_table(*json, path, "input_ids"));
  LOWBIT_TRY_ASSIGN(const auto types, read_table(*json, path, "token_type_ids"));
  LOWBIT_TRY_ASSIGN(const auto mask, read_table(*json, path, "attention_mask"));
  recorded_inputs in;
  in.sentences = ids.size();
  in.columns = in.sentences == 0 ? 0 : ids.front().size();
  if (in.columns == 0) return status::error(errc::malformed, path, ": input_ids is empty");
  LOWBIT_TRY(check_rectangle(ids, in.sentences, in.columns, path, "input_ids"));
  LOWBIT_TRY(check_rectangle(types, in.sentences, in.columns, path, "token_type_ids"));
  LOWBIT_TRY(check_rectangle(mask, in.sentences, in.columns, path, "attention_mask"));
  for (std::size_t s = 0; s < in.sentences; ++s) {
    if (mask[s][0] != 1) {
      return status::error(errc::unsupported, path, ": attention_mask row ", s,
                           " masks the first token, which the classifier reads");
    }
    std::vector<std::int32_t> sentence;
    std::vector<std::int32_t> sentence_types;
    std::uint32_t valid = 0;
    for (std::size_t j = 0; j < in.columns; ++j) {
      const std::int32_t m = mask[s][j];
      if (m != 0 && m != 1) {
        return status::error(errc::malformed, path, ": attention_mask row ", s, " has value ", m,
                             ", expected 0 or 1");
      }
      if (m == 1 && padded && valid != j) {
        return status::error(errc::unsupported, path, ": attention_mask row ", s, " masks token ",
                             valid, " before token ", j,
                             ", this policy only supports padding at the end");
      }
      valid += m == 1 ? 1 : 0;
      if (m == 0 && !padded) continue;
      sentence.push_back(ids[s][j]);
      sentence_types.push_back(types[s][j]);
      in.rows.positions.push_back(static_cast<std::int32_t>(j));
      in.tokens.push_back({s, j});
    }
    in.rows.add(sentence, sentence_types);
    if (padded) in.rows.valid.push_back(valid);
  }
  return in;
}

void comparison::add(float found, float expected, std::size_t index, float tolerance) {
  ++values;
  const float difference = std::abs(found - expected);
  if (!(difference <= tolerance)) ++above;
  if (difference <= largest || std::isnan(largest)) return;
  largest = difference;
  largest_at = index;
}

std::vector<std::size_t> comparison::place() const {
  std::vector<std::size_t> indices(shape.size());
  std::size_t rest = largest_at;
  for (std::size_t axis = shape.size(); axis-- > 0; rest /= shape[axis])
    indices[axis] = rest % shape[axis];
  return indices;
}

namespace {

/// The required shape of an expected tensor; empty for one that inference does not compute.
result<std::vector<std::size_t>> expected_shape(const std::string& name, const recorded_inputs& in,
                                                const lowbit::model_shape& s) {
  if (name == "logits") {
    switch (s.head) {
      case lowbit::head_kind::sequence:
        return std::vector<std::size_t>{in.sentences, s.labels};
      case lowbit::head_kind::token:
      case lowbit::head_kind::span:
        return std::vector<std::size_t>{in.sentences, in.columns, s.labels};
      case lowbit::head_kind::masked_lm:
        return std::vector<std::size_t>{in.sentences, in.columns, s.vocabulary};
      case lowbit::head_kind::mean_embedding:
      case lowbit::head_kind::cls_embedding:
      case lowbit::head_kind::pooled_embedding:
        return std::vector<std::size_t>{in.sentences, s.output_width()};
    }
  }
  if (name == "pooled") return std::vector<std::size_t>{in.sentences, s.hidden};
  const std::size_t dot = name.rfind('.');
  const std::string kind = name.substr(0, dot);
  if (kind == "hidden" || kind == "context")
    return std::vector<std::size_t>{in.sentences, in.columns, s.hidden};
  if (kind == "attention_scores") {
    return std::vector<std::size_t>{in.sentences, s.heads, in.columns, in.columns};
  }
  // Used only by training losses.
  if (kind == "query_scores" || kind == "key_scores" || kind == "value_scores" || kind == "fit") {
    return std::vector<std::size_t>{};
  }
  return status::error(
      errc::unsupported, "tensor ", name,
      " is unknown, expected hidden.i, attention_scores.i, context.i, pooled or logits");
}

}  // namespace

result<recorded_outputs> recorded_outputs::open(const std::string& path, const recorded_inputs& in,
                                                const lowbit::model_shape& shape, float tolerance) {
  LOWBIT_TRY_ASSIGN(const auto file, lowbit::safetensors_file::open(path));
  recorded_outputs out;
  out.tolerance_ = tolerance;
  for (const lowbit::tensor_view& t : file.tensors()) {
    const auto wanted = expected_shape(t.name, in, shape);
    if (!wanted) return wanted.status().in(path);
    if (wanted->empty()) {
      out.skipped_.push_back(t.name);
      continue;
    }
    if (t.shape != *wanted) {
      return status::error(errc::shape_mismatch, t.place(), " has shape ",
                           lowbit::detail::shape_text(t.shape), ", expected ",
                           lowbit::detail::shape_text(*wanted));
    }
    LOWBIT_TRY_ASSIGN(out.expected_[t.name], lowbit::read_f32(t));
    out.compared_[t.name].shape = t.shape;
  }
  if (out.expected_.empty())
    return status::error(errc::not_found, path, ": has no tensor to compare");
  return out;
}

void recorded_outputs::compare(const std::string& name, std::size_t index, float found) {
  const auto it = expected_.find(name);
  if (it != expected_.end()) compared_[name].add(found, it->second[index], index, tolerance_);
}

}  // namespace lowbit_tool
