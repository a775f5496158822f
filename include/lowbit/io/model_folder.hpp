// SPDX-License-Identifier: Apache-2.0
// Opens model folders of either kind (a Hugging Face checkpoint, imported on the fly, or a packed
// folder, mapped), and saves a canonical model as a packed folder: config.json with a
// quantization_config, model.safetensors and the tokenizer files. See docs/format.md.
#pragma once

#include "lowbit/io/import_named.hpp"
#include "lowbit/io/model_location.hpp"
#include "lowbit/io/packed_folder.hpp"
#include "lowbit/io/packed_tensors.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/text/tokenizer_file_names.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Overrides for a folder; empty fields mean the folder's own settings.
struct load_options {
  std::string policy;
  std::string zero;
  std::vector<format_override> formats{};
  /// An embedder with this pooling, such as "mean", "cls" or "cls+mean"; "folder": with the
  /// folder's own; "tokens": without one, the hidden row of every token.
  std::string pooling{};
};

namespace detail {

inline status check_zero(const load_options& options, const std::string& policy) {
  if (options.zero.empty()) return {};
  if (options.zero != "torch" && options.zero != "plus-one") {
    return status::error(errc::invalid_argument, "--zero is ", quote_name(options.zero),
                         ", expected torch or plus-one");
  }
  if (!has_zero(canonical_policy_name(policy), options.zero)) {
    return status::error(errc::invalid_argument, "--zero ", options.zero, " is a choice of policy ",
                         policies_with_zero(options.zero), ", not of ", policy);
  }
  return {};
}

/// True for element types of canonical tensors.
inline bool is_canonical(element_type type) {
  return type == element_type::f32 || type == element_type::u8 || type == element_type::i8 ||
         type == element_type::i32 || type == element_type::f16 || type == element_type::bf16;
}

/// Opens a packed folder, which may contain only canonical tensors of its model. The engine checks
/// the type and shape of each when it loads them.
inline result<canonical_model> open_packed(const model_files& folder, model_config config,
                                           const load_options& options) {
  LOWBIT_TRY_ASSIGN(auto files, checkpoint_tensors::open(folder));
  canonical_model model;
  model.policy = config.packed->policy;
  model.zero = options.zero.empty() ? config.packed->zero : options.zero;
  model.config = std::move(config);
  if (!options.policy.empty() &&
      canonical_policy_name(options.policy) != canonical_policy_name(model.policy)) {
    return status::error(errc::invalid_argument, folder.native(), ": packed for policy ",
                         model.policy, ", it cannot run under ", options.policy);
  }
  if (!options.formats.empty()) {
    return status::error(errc::invalid_argument, folder.native(),
                         ": a packed folder, its formats are chosen when it is made");
  }
  if (find_policy(model.policy) && !has_zero(canonical_policy_name(model.policy), model.zero)) {
    return status::error(errc::unsupported, folder.native(), ": zero is ", quote_name(model.zero),
                         ", a choice of policy ", policies_with_zero(model.zero), ", not of ",
                         model.policy);
  }
  model.keep_open(std::move(files));
  for (const tensor_view& t : model.files().tensors()) {
    if (!is_canonical(t.type) || t.shape.size() > 2) {
      return status::error(errc::malformed, t.place(), " is ", name_of(t.type), " ",
                           shape_text(t.shape),
                           ", expected F32, U8, I8, I32, F16 or BF16 of at most 2 dimensions");
    }
    if (t.type == element_type::f32) LOWBIT_TRY(check_finite(t));
    model.borrow(t.name, t.type, t.shape, t.data);
    model.report.push_back({t.name, name_of(t.type), t.shape, t.data.size(), t.data.size(), 0});
  }
  LOWBIT_TRY(
      detail::find_head(model.config, model.files(), packed_names(model.files()), folder.native()));
  LOWBIT_TRY(model.config.shape.check().in(folder.native()));
  LOWBIT_TRY(detail::packed_tensor_check(model).run());
  return model;
}

/// Reads the tensors of Dense modules, which are in folders of their own.
inline status read_dense(const model_files& folder, canonical_model& model) {
  const auto& modules = model.config.embedding->modules;
  for (std::size_t i = 0; i < modules.size(); ++i) {
    const embedding_module& m = modules[i];
    if (!m.is_dense() || m.folder.empty()) continue;
    LOWBIT_TRY_ASSIGN(const auto files, checkpoint_tensors::open(folder.in(m.folder)));
    for (const tensor_view& t : files.tensors()) {
      if (t.name == "linear.weight" || t.name == "linear.bias") continue;
      return status::error(errc::unsupported, t.place(), " is not part of a Dense module");
    }
    const auto add = [&](const char* part, const tensor_view& t,
                         std::vector<std::size_t> shape) -> status {
      LOWBIT_TRY(check_shape(t, shape));
      LOWBIT_TRY_ASSIGN(const auto values, read_f32(t));
      LOWBIT_TRY(check_finite(t.place(), values));
      const std::string name = dense_name(i) + part;
      const std::size_t bytes = values.size() * sizeof(float);
      model.own(name, shape, values);
      model.report.push_back({name, "F32", std::move(shape), t.data.size(), bytes, 0});
      return {};
    };
    const tensor_view* weight = files.find("linear.weight");
    if (weight == nullptr) {
      return status::error(errc::not_found, folder.in(m.folder).native(),
                           ": tensor linear.weight is missing");
    }
    LOWBIT_TRY(add(".weight", *weight, {m.out, m.in}));
    if (const tensor_view* bias = files.find("linear.bias")) {
      LOWBIT_TRY(add(".bias", *bias, {m.out}));
    } else {
      model.own(dense_name(i) + ".bias", {m.out}, std::vector<float>(m.out));
    }
  }
  return {};
}

/// The hidden rows of all tokens, through the head that has a linear layer for each of them: with
/// the identity, whose products are exact and few beside the encoder's.
inline void read_hidden_rows(canonical_model& model) {
  model_shape& shape = model.config.shape;
  const std::size_t d = shape.hidden;
  std::vector<float> identity(d * d);
  for (std::size_t i = 0; i < d; ++i) identity[i * d + i] = 1.0F;
  shape.head = head_kind::token;
  shape.labels = d;
  shape.normalised = false;
  model.replace("classifier.weight", {d, d}, identity);
  model.replace("classifier.bias", {d}, std::vector<float>(d));
}

/// Sets the embedding head of a model that is an embedder or was requested as one, and reads the
/// modules behind it.
inline status find_pooling(const model_files& folder, const std::string& wanted,
                           canonical_model& model) {
  model_config& config = model.config;
  const bool masked_lm = config.shape.head == head_kind::masked_lm;
  if (wanted.empty() && !is_embedding(config.shape.head) && !masked_lm) return {};
  if (!config.embedding) {
    LOWBIT_TRY_ASSIGN(auto found, read_embedding_format(folder, config.shape.hidden));
    if (wanted.empty() && masked_lm && !(found && found->is_sparse())) return {};
    config.embedding = std::move(found);
    if (config.embedding) LOWBIT_TRY(read_dense(folder, model));
  }
  const bool per_token = config.embedding && config.embedding->is_per_token();
  if (wanted == embedding_format::tokens) {
    if (!per_token) {
      model.warnings.push_back(folder.native() +
                               ": no modules.json with a vector for each token: the encoder's "
                               "hidden rows, length 1");
      if (!config.embedding) config.embedding.emplace();
      config.embedding->pooling = embedding_format::tokens;
      config.embedding->modules = embedding_format().modules;
      config.embedding->dimensions = 0;
    }
    read_hidden_rows(model);
    return {};
  }
  if (wanted == "folder" && config.embedding && (per_token || config.embedding->is_sparse())) {
    return status::error(errc::unsupported, folder.native(), ": modules.json gives a ",
                         per_token ? "vector for each token (ColBERT: token_embedder, --tokens)"
                                   : "weight for each word (SPLADE: sparse_embedder, --output "
                                     "sparse)",
                         ", expected one vector, or a pooling that overrides it");
  }
  if (wanted.empty() && (per_token || masked_lm)) return {};
  const bool chosen = !wanted.empty() && wanted != "folder";
  const std::string pooling = chosen             ? wanted
                              : config.embedding ? config.embedding->pooling
                                                 : embedding_format().pooling;
  LOWBIT_TRY(set_pooling(pooling, config.shape).in(folder.native()));
  if (!config.embedding) return {};
  config.embedding->pooling = pooling;
  config.shape.normalised = config.embedding->normalises_first();
  return {};
}

}  // namespace detail

/// Opens a model folder of either kind, by path or by name (find_model_folder), or files in memory.
/// Errors: every malformed, missing or mismatched part, naming the file and the field or tensor
template <class Policies = program_policies>
result<canonical_model> open_model(const model_files& path, const load_options& options = {}) {
  return detail::without_exceptions(path.native(), [&]() -> result<canonical_model> {
    LOWBIT_TRY_ASSIGN(const auto at, locate_model(path));
    const model_files& folder = at.transformer;
    std::error_code error;
    if (!folder.are_in_memory() && !std::filesystem::is_directory(folder.path(), error)) {
      return status::error(errc::not_found, folder.native(),
                           ": no such folder, expected one with config.json and model.safetensors");
    }
    LOWBIT_TRY_ASSIGN(auto config, load_config(folder));
    const std::string policy = !options.policy.empty() ? options.policy
                               : config.packed.has_value()
                                   ? config.packed->policy
                                   : std::string(scheme_name(config.recognised));
    LOWBIT_TRY(detail::check_zero(options, policy));
    auto model = config.packed.has_value()
                     ? detail::open_packed(folder, std::move(config), options)
                     : import_by_name<Policies>(folder, std::move(config), options.policy,
                                                options.zero.empty() ? "torch" : options.zero,
                                                options.formats);
    if (!model) return model;
    LOWBIT_TRY(detail::check_policy(*model, folder.native()));
    LOWBIT_TRY(detail::find_pooling(at.folder, options.pooling, *model));
    return model;
  });
}

/// Writes `model` as a packed folder, atomically. Tokenizer files are copied from
/// `tokenizer_source`, a folder or name as for open_model. Only a packed folder with no other files
/// in it is replaced. Errors: those of output_folder and write_safetensors
inline status save_packed(const canonical_model& model, const std::filesystem::path& target,
                          const model_files& tokenizer_source,
                          existing overwrite = existing::refuse) {
  return detail::without_exceptions(target.native(), [&]() -> status {
    LOWBIT_TRY_ASSIGN(auto output,
                      output_folder::create(target, overwrite, replaceable_packed_folder()));
    std::vector<tensor_to_write> tensors;
    for (const stored_tensor& t : model.tensors()) {
      const std::vector<std::size_t> shape(t.shape, t.shape + t.rank);
      tensors.push_back({t.name, t.type, shape, {t.data, t.bytes()}});
    }
    LOWBIT_TRY(
        write_safetensors(output.folder() / "model.safetensors", tensors, {{"format", "lowbit"}}));
    nlohmann::json config = model.config.raw;
    if (model.config.shape.has_labels() && !model.config.multiple_choice)
      config["num_labels"] = model.config.shape.labels;
    config["quantization_config"] =
        packed_fields({1, model.policy, model.zero}, model.config.embedding);
    LOWBIT_TRY(write_file(output.folder() / "config.json", config.dump(2) + "\n"));
    LOWBIT_TRY_ASSIGN(const auto source, locate_model(tokenizer_source));
    for (const char* name : tokenizer_file_names) {
      if (!source.transformer.has(name)) continue;
      if (const auto bytes = source.transformer.bytes(name)) {
        LOWBIT_TRY(write_file(output.folder() / name, std::string(*bytes)));
      } else {
        std::filesystem::copy_file(source.transformer / name, output.folder() / name);
      }
    }
    return output.commit();
  });
}

}  // namespace lowbit::inline LOWBIT_ISA
