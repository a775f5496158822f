// SPDX-License-Identifier: Apache-2.0
// lowbit convert: writes a model as a C++ header, an assembly file and the bytes that it includes,
// for programs without a file system (docs/embedded.md).
#include <fmt/core.h>

#include <filesystem>
#include <fstream>

#include "arguments.hpp"
#include "lowbit/io/model_folder.hpp"
#include "lowbit/io/output_folder.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/text/ascii_tables.hpp"
#include "lowbit/text/tokenizer_files.hpp"
#include "messages.hpp"
#include "output.hpp"
#include "program.hpp"

namespace lowbit_tool {
namespace {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct convert_options {
  std::string input;
  std::string output;
  std::string to = "header";
  std::string layout = "scalar";
  std::string tokenizer = "ascii";
  std::string name;
  std::string policy;
  std::string zero;
  bool overwrite = false;
};

/// A policy whose packed weights can be stored: every size follows from the shape.
struct packable_policy {
  const char* name;
  const char* zero;  // "": not a choice
  const char* type;  // in C++
  result<std::vector<std::byte>> (*pack)(const lowbit::canonical_model&);
};

template <class Policy>
result<std::vector<std::byte>> pack_image(const lowbit::canonical_model& model) {
  using classifier = lowbit::classifier<Policy, lowbit::scalar>;
  const lowbit::model_shape& shape = model.config.shape;
  lowbit::aligned_buffer image(classifier::image_bytes(shape));
  lowbit::aligned_buffer objects(classifier::object_bytes(shape));
  classifier packed;
  LOWBIT_TRY(packed.pack_image(image.data(), image.size(), objects.data(), objects.size(),
                               model.weights(), shape));
  return std::vector<std::byte>(image.data(), image.data() + image.size());
}

constexpr packable_policy packable_policies[] = {
    {"bibert", "torch", "lowbit::policy::bibert", pack_image<lowbit::policy::bibert>},
    {"bibert", "plus-one", "lowbit::policy::bibert_plus_one",
     pack_image<lowbit::policy::bibert_plus_one>},
    {"bit", "", "lowbit::policy::bit", pack_image<lowbit::policy::bit>},
};

result<packable_policy> find_packable(const lowbit::canonical_model& model) {
  for (const packable_policy& p : packable_policies) {
    const std::string zero = p.zero;
    if (model.policy == p.name && (zero.empty() || model.zero == zero)) return p;
  }
  return status::error(errc::unsupported, "policy ", model.policy,
                       " cannot be packed for a program without files, expected bibert or bit");
}

status check_choice(const char* option, const std::string& found, const char* known,
                    bool is_known) {
  if (is_known) return {};
  return status::error(errc::invalid_argument, option, ": ", lowbit::detail::quote_name(found),
                       ", expected ", known);
}

/// A name for C++: what is not a letter, digit or underscore becomes an underscore.
result<std::string> identifier_of(const convert_options& o) {
  std::string name = o.name;
  if (name.empty()) {
    const auto path = std::filesystem::path(o.input).lexically_normal();
    name = (path.has_filename() ? path : path.parent_path()).filename().string();
    for (char& c : name) {
      if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
    }
    if (!name.empty() && std::isdigit(static_cast<unsigned char>(name[0])))
      name.insert(0, "model_");
  }
  const bool good = !name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])) &&
                    std::all_of(name.begin(), name.end(), [](unsigned char c) {
                      return c < 0x80 && (std::isalnum(c) != 0 || c == '_');
                    });
  if (good) return name;
  return status::error(errc::invalid_argument, "--name: ", lowbit::detail::quote_name(name),
                       ", expected a C++ identifier");
}

/// Text between the quotes of a C++ string literal.
std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code >= 0x7F || c == '"' || c == '\\' || c == '?') {
      out += fmt::format("\\{:03o}", code);
    } else {
      out += c;
    }
  }
  return out;
}

status check_is_converted(const std::filesystem::path& folder) {
  std::string first;
  std::ifstream file(folder / "model.hpp");
  if (std::getline(file, first) && first.starts_with("// Written by lowbit")) return {};
  return status::error(errc::invalid_argument, (folder / "model.hpp").native(),
                       ": was not written by lowbit convert, expected another output folder");
}

/// The bytes of the model and the header that describes them.
class device_model {
 public:
  device_model(std::string name, std::string source)
      : name_(std::move(name)), source_(std::move(source)) {}

  status add(const lowbit::canonical_model& model, const packable_policy& policy) {
    LOWBIT_TRY_ASSIGN(const auto image, policy.pack(model));
    image_bytes_ = image.size();
    append(image.data(), image.size());
    policy_ = policy.type;
    shape_ = model.config.shape;
    longest_ = model.config.max_tokens();
    for (std::size_t i = 0; i < shape_.labels; ++i) labels_.push_back(model.config.label(i));
    for (const lowbit::stored_tensor& t : model.tensors()) {
      if (!is_read_in_place(t)) continue;
      tensors_ +=
          fmt::format("    {{\"{}\", bytes + {}, lowbit::element_type::{}, {}, {{{}, {}}}}},\n",
                      literal(t.name), append(t.data, t.bytes()), name_of_type(t.type), t.rank,
                      t.shape[0], t.shape[1]);
    }
    return {};
  }

  void add(const lowbit::ascii_tables& t) {
    const auto place = [&](const auto& values) {
      return append(values.data(), values.size() * sizeof values[0]);
    };
    const std::size_t before = bytes_.size();
    std::string out =
        "inline lowbit::ascii_vocabulary vocabulary() {\n"
        "  static constexpr lowbit::ascii_vocabulary::added added[] = {\n";
    for (const auto& [text, id] : t.added)
      out += fmt::format("      {{\"{}\", {}}},\n", literal(text), id);
    out += fmt::format(
        "      {{}}}};\n  lowbit::ascii_vocabulary v;\n"
        "  v.bytes = reinterpret_cast<const char*>(bytes + {});\n",
        place(t.bytes));
    out += fmt::format("  v.offsets = reinterpret_cast<const std::uint16_t*>(bytes + {});\n",
                       place(t.offsets));
    out += fmt::format("  v.ids = reinterpret_cast<const std::uint16_t*>(bytes + {});\n",
                       place(t.ids));
    out += fmt::format("  v.wraps = reinterpret_cast<const std::uint32_t*>(bytes + {});\n",
                       place(t.wraps));
    out += fmt::format("  v.starts = reinterpret_cast<const std::uint16_t*>(bytes + {});\n",
                       place(t.starts));
    out += fmt::format(
        "  v.wrap_count = {};\n  v.words = {};\n  v.pieces = {};\n"
        "  v.tokens = added;\n  v.token_count = {};\n  v.unknown = {};\n"
        "  v.classifier = {};\n  v.separator = {};\n  v.max_characters = {};\n"
        "  v.lower_case = {};\n  return v;\n}}\n",
        t.wraps.size(), t.words, t.ids.size(), t.added.size(), t.unknown, t.classifier, t.separator,
        t.max_characters, t.lower_case);
    tokenizer_ = out;
    table_bytes_ = bytes_.size() - before;
  }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::size_t image_bytes() const { return image_bytes_; }
  [[nodiscard]] std::size_t table_bytes() const { return table_bytes_; }

  status write(const convert_options& o) const {
    LOWBIT_TRY_ASSIGN(
        auto folder,
        lowbit::output_folder::create(
            o.output, o.overwrite ? lowbit::existing::replace : lowbit::existing::refuse,
            {{"model.hpp", "model.S", "model.bin"}, check_is_converted}));
    const std::string_view bytes(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    LOWBIT_TRY(lowbit::write_file(folder.folder() / "model.bin", bytes));
    LOWBIT_TRY(lowbit::write_file(folder.folder() / "model.S", assembly()));
    LOWBIT_TRY(lowbit::write_file(folder.folder() / "model.hpp", header()));
    return folder.commit();
  }

 private:
  /// What use_image() reads beside the image: embedding tables and single scales.
  static bool is_read_in_place(const lowbit::stored_tensor& t) {
    const std::string_view name = t.name;
    return t.elements() == 1 || (name.starts_with("bert.embeddings.") &&
                                 !name.starts_with("bert.embeddings.LayerNorm."));
  }
  static std::string name_of_type(lowbit::element_type type) {
    std::string name = lowbit::name_of(type);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
  }

  /// Returns the offset.
  std::size_t append(const void* data, std::size_t count) {
    bytes_.resize(lowbit::round_up(bytes_.size(), lowbit::buffer_alignment));
    const std::size_t at = bytes_.size();
    const auto* from = static_cast<const std::byte*>(data);
    bytes_.insert(bytes_.end(), from, from + count);
    return at;
  }

  [[nodiscard]] std::string assembly() const {
    return fmt::format(
        "// Written by lowbit convert. Assemble with the folder of model.bin in the include path.\n"
        "  .section .rodata.lowbit_model, \"a\", %progbits\n"
        "  .balign {}\n  .global lowbit_{}_bytes\nlowbit_{}_bytes:\n"
        "  .incbin \"model.bin\"\n",
        lowbit::buffer_alignment, name_, name_);
  }

  [[nodiscard]] std::string header() const {
    const lowbit::model_shape& s = shape_;
    std::string labels;
    for (const std::string& label : labels_) labels += fmt::format("    \"{}\",\n", literal(label));
    return fmt::format(
               "// Written by lowbit {} convert from {}: packed for arch scalar of this version.\n"
               "#pragma once\n\n"
               "#include \"lowbit/model/classifier.hpp\"\n"
               "#include \"lowbit/text/ascii_wordpiece.hpp\"\n\n"
               "extern \"C\" const std::byte lowbit_{}_bytes[{}];\n\n"
               "namespace {} {{\n\n"
               "inline constexpr const std::byte* bytes = lowbit_{}_bytes;\n"
               "using policy = {};\n"
               "using classifier = lowbit::classifier<policy, lowbit::scalar>;\n\n",
               LOWBIT_VERSION, literal(source_), name_, bytes_.size(), name_, name_, policy_) +
           fmt::format(
               "inline constexpr lowbit::model_shape shape{{\n"
               "    .layers = {},\n    .hidden = {},\n    .heads = {},\n"
               "    .intermediate = {},\n    .vocabulary = {},\n    .positions = {},\n"
               "    .token_types = {},\n    .labels = {},\n    .layer_norm_eps = {:a}F,\n"
               "    .pooler_act = static_cast<lowbit::pooler_activation>({}),\n"
               "    .attention = {},\n"
               "    .hidden_act = static_cast<lowbit::activation_function>({}),\n"
               "    .embedding = {},\n    .shared_layers = {}}};\n\n",
               s.layers, s.hidden, s.heads, s.intermediate, s.vocabulary, s.positions,
               s.token_types, s.labels, static_cast<double>(s.layer_norm_eps),
               static_cast<int>(s.pooler_act), s.attention, static_cast<int>(s.hidden_act),
               s.embedding, s.shared_layers) +
           fmt::format(
               "/// Longest text, in tokens, with its special tokens.\n"
               "inline constexpr std::size_t max_tokens = {};\n"
               "inline constexpr lowbit::packed_image image{{bytes, {}}};\n"
               "static_assert(image.bytes == classifier::image_bytes(shape),\n"
               "              \"lowbit: model.bin was packed by another version of the "
               "library; run lowbit convert again\");\n"
               "/// RAM of the loaded model, and of one text of at most `tokens` tokens.\n"
               "inline constexpr std::size_t object_bytes = "
               "classifier::object_bytes(shape);\n"
               "constexpr std::size_t workspace_bytes(std::size_t tokens) {{\n"
               "  return classifier::workspace_bytes(shape, {{tokens, 1, tokens, 1}});\n"
               "}}\n\n"
               "/// What the model reads beside the image.\n"
               "inline constexpr lowbit::stored_tensor tensors[] = {{\n{}}};\n"
               "inline constexpr lowbit::weight_set tables{{tensors, sizeof tensors / "
               "sizeof *tensors}};\n\n"
               "inline constexpr const char* labels[] = {{\n{}}};\n\n",
               longest_, image_bytes_, tensors_, labels) +
           tokenizer_ + fmt::format("\n}}  // namespace {}\n", name_);
  }

  std::string name_, source_, policy_, tensors_, tokenizer_;
  std::vector<std::string> labels_;
  lowbit::model_shape shape_;
  std::size_t longest_ = 0, image_bytes_ = 0, table_bytes_ = 0;
  std::vector<std::byte> bytes_;
};

status run(const convert_options& o) {
  LOWBIT_TRY(check_choice("--to", o.to, "header", o.to == "header"));
  LOWBIT_TRY(check_choice("--layout", o.layout, "scalar", o.layout == "scalar"));
  LOWBIT_TRY(check_choice("--tokenizer", o.tokenizer, "ascii or none",
                          o.tokenizer == "ascii" || o.tokenizer == "none"));
  LOWBIT_TRY_ASSIGN(const auto name, identifier_of(o));
  LOWBIT_TRY_ASSIGN(const auto model, lowbit::open_model(o.input, {o.policy, o.zero}));
  for (const std::string& warning : model.warnings) warn(warning);
  if (model.config.shape.head != lowbit::head_kind::sequence) {
    return status::error(errc::unsupported, o.input, ": a ", model.config.kind(),
                         " model, expected a sequence classification model");
  }
  const auto policy = find_packable(model);
  if (!policy) return policy.status().in(o.input);
  device_model out(name, std::filesystem::path(o.input).filename().string());
  if (const status added = out.add(model, *policy); !added.ok()) return added.in(o.input);
  if (o.tokenizer == "ascii") {
    LOWBIT_TRY_ASSIGN(const auto at, lowbit::locate_model(o.input));
    LOWBIT_TRY_ASSIGN(const auto parts, lowbit::detail::read_tokenizer(at.transformer));
    const auto tables = lowbit::ascii_tables::make(parts);
    if (!tables) {
      return status::error(tables.status().code(), o.input, ": ", tables.status().message(),
                           "; --tokenizer none converts the model alone");
    }
    out.add(*tables);
  }
  LOWBIT_TRY(out.write(o));
  put("{}: {} bytes, of which {} packed weights and {} tokenizer tables\n", escaped(o.output),
      out.size(), out.image_bytes(), out.table_bytes());
  return {};
}

}  // namespace

void add_convert(CLI::App& program, action& chosen) {
  auto o = std::make_shared<convert_options>();
  CLI::App* verb =
      program.add_subcommand("convert", "Write a model as C++ for programs without files");
  verb->add_option("--to", o->to, "header: a folder with model.hpp, model.S and model.bin")
      ->capture_default_str();
  verb->add_option("--layout", o->layout, "arch that the weights are packed for: scalar")
      ->capture_default_str();
  verb->add_option("--tokenizer", o->tokenizer, "ascii: tables of WordPiece for ASCII text; none")
      ->capture_default_str();
  verb->add_option("--name", o->name, "namespace in C++ (default: the name of the model folder)");
  verb->add_option("-p,--policy", o->policy, "bibert or bit (default: as in config.json)");
  verb->add_option("--zero", o->zero, "bibert: value of sign(0), 0 (torch) or +1 (plus-one)");
  add_argument(*verb, "in", o->input, "model folder")->required();
  add_argument(*verb, "-o,--output,out", o->output, "output folder")->required();
  verb->add_flag("--replace,--overwrite", o->overwrite, "replace a folder that it wrote");
  verb->callback([o, &chosen] { chosen = [o] { return run(*o); }; });
}

}  // namespace lowbit_tool
