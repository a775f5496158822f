// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any model folder is a model that the scalar engine runs to finite values, on
// one thread as on two and packed as it stands, or an error.
//
// Two bytes of options: the policy that is asked for, and flags. Parts: config.json; an index,
// which may be empty; the header of model.safetensors, or with an index of a.safetensors and
// b.safetensors; their data.
#include <cmath>
#include <cstring>

#include "mutate.hpp"
#include "scratch_files.hpp"
#include "session.hpp"

namespace {

using namespace lowbit_fuzz;
using lowbit_tool::session;

const words known = words_of(
    "num_hidden_layers hidden_size num_attention_heads intermediate_size vocab_size "
    "max_position_embeddings type_vocab_size hidden_act gelu relu silu num_labels id2label "
    "layer_norm_eps architectures BertForSequenceClassification "
    "BertForTokenClassification BertForQuestionAnswering BertForMaskedLM BertModel "
    "weight_bits input_bits weight_quant_method bwn input_quant_method elastic lsq "
    "quantization_config quant_method lowbit format_version policy zero plus-one "
    "model_type distilbert roberta electra albert embedding_size pad_token_id num_hidden_groups "
    "dyna_hidden_size tie_word_embeddings problem_type dtype shape F32 F16 BF16 I32 I8 U8 "
    "I64 int8 w4a8 w4g32a8 w2a8 w1a8 codebook16 gobo3 sparse pruned50 mixed q8bert ibert "
    "bibert bit fp32 ternarybert_w2a8 ternarybert_w2a4 binarybert_w1a8 "
    "binarybert_split_w1a4 weight_map a.safetensors b.safetensors "
    "bert.pooler.dense.weight bert.embeddings.word_embeddings.weight classifier.weight "
    "qa_outputs.weight cls.predictions.bias "
    "bert.encoder.layer.0.attention.self.query.weight");

/// Bytes of data that belong to the first of two headers.
std::size_t first_share(const std::string& header, std::size_t data) {
  const auto parsed = lowbit::parse_json(header, "fuzz");
  return parsed && parsed->is_object() ? std::min(data_end(*parsed), data) : 0;
}

std::string safetensors(const std::string& header, std::string_view data) {
  const std::uint64_t length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file.append(header).append(data);
}

lowbit_tool::token_rows sentences(const lowbit::model_shape& shape) {
  const std::size_t longest = std::min<std::size_t>(shape.positions, 5);
  lowbit_tool::token_rows rows;
  for (const std::size_t length : {longest, std::size_t{1}}) {
    std::vector<std::int32_t> ids, types;
    for (std::size_t t = 0; t < length; ++t) {
      ids.push_back(static_cast<std::int32_t>(t * 7 % shape.vocabulary));
      types.push_back(
          static_cast<std::int32_t>(t % std::clamp<std::size_t>(shape.token_types, 1, 2)));
    }
    rows.add(ids, types);
  }
  rows.masked = {0, static_cast<std::uint32_t>(longest)};
  return rows;
}

/// What the model gives; nothing, when it is refused.
std::vector<float> answers(lowbit::canonical_model model, std::size_t threads) {
  auto loaded = session::start(std::move(model), "scalar", threads);
  if (!loaded) {
    require_message(loaded.status());
    return {};
  }
  const auto values = loaded->run(sentences(loaded->shape()));
  if (!values) {
    require_message(values.status());
    return {};
  }
  for (const float v : *values) require(std::isfinite(v));
  return *values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch_files folder;
  if (size < 2) return 0;
  const parts all = split(text_of(data, size).substr(2), 5);
  const std::string_view data_bytes = all[4];
  const bool sharded = !all[1].empty();
  const std::size_t first = first_share(all[2], data_bytes.size());
  folder.set("config.json", all[0]);
  folder.set("model.safetensors.index.json", all[1]);
  folder.set("a.safetensors", sharded ? safetensors(all[2], data_bytes.substr(0, first)) : "");
  folder.set("b.safetensors", sharded ? safetensors(all[3], data_bytes.substr(first)) : "");
  folder.set("model.safetensors", sharded ? "" : safetensors(all[2], data_bytes));

  lowbit::load_options options;
  if (const std::size_t named = data[0] % (std::size(lowbit::named_policies) + 1); named != 0)
    options.policy = lowbit::named_policies[named - 1].name;
  if ((data[1] & 1) != 0) options.zero = "plus-one";
  const auto open = [&](const std::filesystem::path& path) {
    auto model = lowbit::open_model(path, options);
    if (model && (data[1] & 2) != 0 &&
        model->config.shape.head == lowbit::head_kind::mean_embedding)
      model->config.shape.head = lowbit::head_kind::cls_embedding;
    return model;
  };
  auto model = open(folder.path());
  if (!model) {
    require_message(model.status());
    return 0;
  }
  const bool packs = (data[1] & 8) != 0;
  const auto packed = folder.path() / "packed";
  if (packs)
    require(lowbit::save_packed(*model, packed, folder.path(), lowbit::existing::replace).ok());
  const auto values = answers(*std::move(model), 1);
  if (values.empty()) return 0;
  ++accepted;
  if ((data[1] & 4) != 0) require(same_bits(values, answers(*open(folder.path()), 2)));
  if (packs) {
    const auto again = open(packed);
    require(again.ok());
    require(same_bits(values, answers(*open(packed), 1)));
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using enum part_kind;
  size = mutate_parts(data, size, max_size, seed, 2, {json, json, json, json, bytes}, known);
  // Where shapes and offsets disagree, nothing behind that check is reached: they agree mostly.
  if (size <= 2 || seed % 8 == 0) return size;
  parts all = split(text_of(data, size).substr(2), 5);
  std::string first = all[4].substr(0, first_share(all[2], all[4].size()));
  std::string second = all[4].substr(first.size());
  if (all[1].empty()) first = all[4];
  repair_offsets(all[2], first);
  if (!all[1].empty()) repair_offsets(all[3], second);
  all[4] = all[1].empty() ? first : first + second;
  const std::string input = join(all);
  if (input.size() + 2 > max_size) return size;
  std::memcpy(data + 2, input.data(), input.size());
  return input.size() + 2;
}
