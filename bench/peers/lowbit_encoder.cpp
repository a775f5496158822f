// SPDX-License-Identifier: Apache-2.0
#include "lowbit_encoder.hpp"

#include <filesystem>

namespace lowbit_bench {

using lowbit::result;
using lowbit::status;

namespace {

nlohmann::json config_of(const lowbit::model_shape& s) {
  return {{"model_type", "bert"},
          {"architectures", {"BertForSequenceClassification"}},
          {"hidden_act", "gelu"},
          {"num_hidden_layers", s.layers},
          {"hidden_size", s.hidden},
          {"num_attention_heads", s.heads},
          {"intermediate_size", s.intermediate},
          {"vocab_size", s.vocabulary},
          {"max_position_embeddings", s.positions},
          {"type_vocab_size", s.token_types},
          {"layer_norm_eps", s.layer_norm_eps},
          {"num_labels", s.labels}};
}

}  // namespace

status write_checkpoint(const lowbit::canonical_model& model, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return status::error(lowbit::errc::io_error, folder, ": cannot create: ", error.message());
  std::vector<lowbit::tensor_to_write> tensors;
  for (const lowbit::stored_tensor& t : model.tensors()) {
    tensors.push_back({t.name,
                       lowbit::element_type::f32,
                       std::vector<std::size_t>(t.shape, t.shape + t.rank),
                       {t.data, t.elements() * sizeof(float)}});
  }
  const std::filesystem::path to(folder);
  LOWBIT_TRY(lowbit::write_safetensors(to / "model.safetensors", tensors, {{"format", "pt"}},
                                       lowbit::existing::replace));
  return lowbit::write_file(to / "config.json", config_of(model.config.shape).dump(2) + "\n",
                            lowbit::existing::replace);
}

status write_packed(const lowbit::model_shape& shape, const std::string& policy,
                    const std::string& folder) {
  LOWBIT_TRY_ASSIGN(auto model, lowbit_tool::random_model(shape, policy, "", 1));
  model.config.raw = config_of(shape);
  return lowbit::save_packed(model, folder, folder, lowbit::existing::replace);
}

result<lowbit_tool::session> open_policy(const std::string& folder, const std::string& policy,
                                         const std::string& arch, std::size_t threads) {
  lowbit::load_options options;
  options.policy = policy;
  LOWBIT_TRY_ASSIGN(auto model, lowbit::open_model(folder, options));
  model.config.shape.head = lowbit::head_kind::mean_embedding;  // reads every token
  return lowbit_tool::session::start(std::move(model), arch, threads);
}

lowbit_tool::token_rows make_sentences(const std::vector<std::size_t>& lengths,
                                       std::size_t vocabulary) {
  lowbit_tool::token_rows rows;
  std::uint64_t random = 1;
  for (const std::size_t length : lengths) {
    std::vector<std::int32_t> ids;
    for (std::size_t t = 0; t < length; ++t) {
      random = random * 6364136223846793005ULL + 1442695040888963407ULL;
      ids.push_back(static_cast<std::int32_t>((random >> 33) % vocabulary));
    }
    rows.add(ids, std::vector<std::int32_t>(length, 0));
  }
  return rows;
}

result<std::vector<float>> hidden_states(lowbit_tool::session& session,
                                         const lowbit_tool::token_rows& rows) {
  struct last_layer {
    std::size_t layers;
    std::vector<float> values;
  };
  last_layer seen{session.shape().layers, {}};
  const lowbit::run_observer watch{
      &seen, [](void* self, std::size_t index, lowbit::run_observer::rows values) {
        auto& to = *static_cast<last_layer*>(self);
        if (index != to.layers) return;
        for (std::size_t r = 0; r < values.rows; ++r) {
          const float* row = values.row(r);
          to.values.insert(to.values.end(), row, row + values.cols);
        }
      }};
  LOWBIT_TRY_ASSIGN(const auto logits, session.run(rows, &watch));
  return seen.values;
}

}  // namespace lowbit_bench
