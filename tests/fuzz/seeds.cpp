// SPDX-License-Identifier: Apache-2.0
// Writes the inputs that fuzzing starts from: sound ones, as small as they can be, and none of them
// kept in the repository.
//   lowbit_fuzz_seeds TESTS_FOLDER NEW_FOLDER: one folder for each target
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>

#include "../io/crafted_torch.hpp"
#include "fuzz.hpp"
#include "lowbit/io/model_folder.hpp"
#include "lowbit/text/precompiled_charsmap.hpp"
#include "scratch_files.hpp"
#include "session.hpp"

namespace {

using namespace lowbit_fuzz;
using crafted::read;
using lowbit::head_kind;
using nlohmann::json;
namespace fs = std::filesystem;

class seed_folder {
 public:
  explicit seed_folder(const fs::path& path) : path_(path) { fs::create_directories(path); }
  void add(const std::string& name, const std::string& input) const {
    crafted::write(path_ / name, input);
  }

 private:
  fs::path path_;
};

std::vector<fs::path> golden_models(const fs::path& tests) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(tests / "golden"))
    if (fs::exists(entry.path() / "config.json")) folders.push_back(entry.path());
  return folders;
}

/// The classifiers of other model families.
std::vector<fs::path> family_models(const fs::path& tests) {
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(tests / "golden/families"))
    if (entry.path().native().ends_with("-sequence")) folders.push_back(entry.path());
  return folders;
}

/// The header and the data of a safetensors file.
std::pair<json, std::string> parts_of(const std::string& file) {
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof length);
  return {json::parse(file.substr(sizeof length, length)), file.substr(sizeof length + length)};
}

// --- Model folders ---------------------------------------------------------------------------

lowbit::model_shape tiny_shape(head_kind head) {
  lowbit::model_shape s;
  s.layers = 1;
  s.hidden = 8;
  s.heads = 2;
  s.intermediate = 12;
  s.vocabulary = 8;
  s.positions = 6;
  s.head = head;
  s.labels = head == head_kind::span ? 2 : 3;
  return s;
}

const char* architecture_of(head_kind head) {
  switch (head) {
    case head_kind::sequence:
      return "BertForSequenceClassification";
    case head_kind::token:
      return "BertForTokenClassification";
    case head_kind::span:
      return "BertForQuestionAnswering";
    case head_kind::masked_lm:
      return "BertForMaskedLM";
    case head_kind::mean_embedding:
    case head_kind::cls_embedding:
    case head_kind::pooled_embedding:
      break;
  }
  return "BertModel";
}

json config_of(const lowbit::model_shape& s) {
  return {{"architectures", {architecture_of(s.head)}},
          {"num_hidden_layers", s.layers},
          {"hidden_size", s.hidden},
          {"num_attention_heads", s.heads},
          {"intermediate_size", s.intermediate},
          {"vocab_size", s.vocabulary},
          {"max_position_embeddings", s.positions}};
}

std::string loader_input(char policy, char flags, const json& config, const json& index,
                         const json& first, const json& second, const std::string& data) {
  const auto text = [](const json& value) { return value.is_null() ? "" : value.dump(); };
  return std::string{policy, flags} +
         join({text(config), text(index), text(first), text(second), data});
}

/// What a checkpoint that was trained for the policy says of itself, shapes apart.
json scheme_fields(const std::string& policy) {
  const auto bits = [&](char letter) {
    return policy[policy.find(letter, policy.find('_')) + 1] - '0';
  };
  if (policy == "bit")
    return {{"weight_bits", 1},
            {"weight_quant_method", "bwn"},
            {"input_bits", 1},
            {"input_quant_method", "elastic"}};
  if (policy.starts_with("ternarybert"))
    return {
        {"weight_bits", 2}, {"input_bits", bits('a')}, {"clip_val", 2.5}, {"quantize_act", true}};
  if (policy.starts_with("binarybert"))
    return {{"weight_bits", bits('w')},
            {"weight_quant_method", bits('w') == 1 ? "bwn" : "twn"},
            {"input_bits", bits('a')},
            {"input_quant_method", bits('a') == 8 ? "uniform" : "lsq"}};
  return json::object();
}

/// A random model, packed.
std::string packed_seed(const std::string& policy, const std::string& zero, head_kind head) {
  auto model = lowbit_tool::random_model(tiny_shape(head), policy, zero, 1).value();
  model.config.raw = config_of(model.config.shape);
  model.config.raw.update(scheme_fields(policy));
  if (model.config.shape.hidden_act == lowbit::activation_function::relu)
    model.config.raw["hidden_act"] = "relu";
  const scratch_files scratch;
  const fs::path folder = scratch.path() / "packed";
  if (const auto saved = lowbit::save_packed(model, folder, scratch.path()); !saved.ok())
    throw std::runtime_error(std::string(saved.message()));
  const auto [header, data] = parts_of(read(folder / "model.safetensors"));
  return loader_input(0, 4, json::parse(read(folder / "config.json")), {}, header, {}, data);
}

/// A float checkpoint, with a policy that is asked for, in one file or in two.
std::string checkpoint_seed(std::size_t policy, head_kind head, bool sharded) {
  auto model = lowbit_tool::random_model(tiny_shape(head), "fp32", "", 1).value();
  json config = config_of(model.config.shape);
  if (model.config.shape.has_labels()) config["num_labels"] = model.config.shape.labels;
  json index, headers[2];
  std::string data[2];
  for (const lowbit::stored_tensor& t : model.tensors()) {
    const std::string name = t.name;
    const bool second = sharded && name.find("embeddings") == std::string::npos;
    std::string& bytes = data[second ? 1 : 0];
    headers[second ? 1 : 0][name] = {{"dtype", "F32"},
                                     {"shape", std::vector<std::size_t>(t.shape, t.shape + t.rank)},
                                     {"data_offsets", {bytes.size(), bytes.size() + t.bytes()}}};
    bytes.append(reinterpret_cast<const char*>(t.data), t.bytes());
    if (sharded) index["weight_map"][name] = second ? "b.safetensors" : "a.safetensors";
  }
  // flags: two threads, packed again
  return loader_input(static_cast<char>(policy), 12, config, index, headers[0], headers[1],
                      data[0] + data[1]);
}

/// A checkpoint of a training code, cut to one layer and the extents of tiny_shape.
std::string cropped_seed(const fs::path& folder) {
  json config = json::parse(read(folder / "config.json"));
  const auto [header, data] = parts_of(read(folder / "model.safetensors"));
  std::map<std::size_t, std::size_t> extents;
  const auto crop = [&](const char* field, std::size_t to) {
    if (!config.contains(field)) return;
    extents[config[field].get<std::size_t>()] = to;
    config[field] = to;
  };
  crop("vocab_size", 8);
  crop("max_position_embeddings", 6);
  crop("intermediate_size", 12);
  crop("dyna_hidden_size", 4);
  crop("hidden_size", 8);
  config["num_attention_heads"] = 2;
  config["num_hidden_layers"] = 1;
  json small;
  std::string bytes;
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__" || name.find("layer.1.") != std::string::npos ||
        name.find("layer.2.") != std::string::npos)
      continue;
    const auto from = tensor["shape"].get<std::vector<std::size_t>>();
    std::vector<std::size_t> to;
    std::size_t count = 1;
    for (const std::size_t extent : from) {
      to.push_back(extents.contains(extent) ? extents.at(extent) : extent);
      count *= to.back();
    }
    const std::size_t size = tensor["dtype"] == "I64" ? 8 : tensor["dtype"] == "F32" ? 4 : 2;
    const std::size_t first = tensor["data_offsets"][0];
    const std::size_t begin = bytes.size();
    for (std::size_t i = 0; i < count; ++i) {
      std::size_t rest = i, at = 0, stride = 1;
      for (std::size_t d = to.size(); d-- > 0; stride *= from[d]) {
        at += rest % to[d] * stride;
        rest /= to[d];
      }
      bytes.append(data, first + at * size, size);
    }
    small[name] = {
        {"dtype", tensor["dtype"]}, {"shape", to}, {"data_offsets", {begin, bytes.size()}}};
  }
  return loader_input(0, 12, config, {}, small, {}, bytes);
}

void write_loader_seeds(const fs::path& tests, const seed_folder& out) {
  for (const head_kind head : {head_kind::sequence, head_kind::token, head_kind::span,
                               head_kind::masked_lm, head_kind::mean_embedding}) {
    const std::string architecture = architecture_of(head);
    out.add("checkpoint-" + architecture, checkpoint_seed(0, head, false));
    out.add("packed-int8-" + architecture, packed_seed("int8", "", head));
  }
  out.add("checkpoint-sharded", checkpoint_seed(0, head_kind::sequence, true));
  for (std::size_t p = 0; p < std::size(lowbit::named_policies); ++p) {
    const lowbit::named_policy& named = lowbit::named_policies[p];
    if (named.name == "codebook256") continue;  // more values than any matrix here has
    out.add("packed-" + std::string(named.name),
            packed_seed(std::string(named.name), "", head_kind::sequence));
    if (named.encodes_floats())
      out.add("checkpoint-" + std::string(named.name),
              checkpoint_seed(p + 1, head_kind::sequence, false));
  }
  out.add("packed-bibert-plus-one", packed_seed("bibert", "plus-one", head_kind::sequence));
  for (const fs::path& folder : golden_models(tests))
    out.add("cropped-" + folder.filename().string(), cropped_seed(folder));
  for (const fs::path& folder : family_models(tests)) {
    const auto [header, data] = parts_of(read(folder / "model.safetensors"));
    const json config = json::parse(read(folder / "config.json"));
    out.add(folder.filename().string(), loader_input(0, 12, config, {}, header, {}, data));
  }
}

// --- Texts and files of tokenizers -----------------------------------------------------------

void write_tokenizer_seeds(const fs::path& tests, const seed_folder& out) {
  const std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n!\na\n";
  const std::string text = "Hello <e1> worlds!  \xC3\xA9 \xE4\xB8\x80 a";
  out.add("vocabulary", join({vocabulary, "", "", "", "", "", "", text}));
  const json config = {{"do_lower_case", true},
                       {"tokenizer_class", "BertTokenizer"},
                       {"model_max_length", 16},
                       {"cls_token", "[CLS]"},
                       {"strip_accents", nullptr}};
  const json special = {{"cls_token", "[CLS]"},
                        {"unk_token", {{"content", "[UNK]"}, {"lstrip", false}}},
                        {"additional_special_tokens", {"world"}}};
  out.add("companions", join({vocabulary, "", config.dump(), special.dump(), "", "", "", text}));

  json root = json::parse(read(tests / "text/golden/tokenizer.json"));
  // The vocabulary would be nearly all of it.
  json words;
  for (const char* word : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "world", "##s"})
    words[word] = words.size();
  root["model"]["vocab"] = words;
  root["added_tokens"] = json::array();
  for (const char* word : {"[UNK]", "[CLS]", "<e1>", "new \xC3\xA9"}) {
    const bool known = words.contains(word);
    root["added_tokens"].push_back({{"id", known ? words[word].get<std::size_t>()
                                                 : words.size() + root["added_tokens"].size() - 2},
                                    {"content", word},
                                    {"single_word", false},
                                    {"lstrip", !known},
                                    {"rstrip", false},
                                    {"normalized", word[0] == 'n'},
                                    {"special", known}});
  }
  const auto token = [](const char* id, int type) {
    return json{{"SpecialToken", {{"id", id}, {"type_id", type}}}};
  };
  const auto sequence = [](const char* id, int type) {
    return json{{"Sequence", {{"id", id}, {"type_id", type}}}};
  };
  root["post_processor"] = {
      {"type", "BertProcessing"}, {"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  out.add("tokenizer-json", join({"", root.dump(), "", "", "", "", "", text}));
  root["post_processor"] = {{"type", "TemplateProcessing"},
                            {"single", {token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0)}},
                            {"pair",
                             {token("[CLS]", 0), sequence("A", 0), token("[SEP]", 0),
                              sequence("B", 1), token("[SEP]", 1)}},
                            {"special_tokens",
                             {{"[CLS]", {{"id", "[CLS]"}, {"ids", {2}}, {"tokens", {"[CLS]"}}}},
                              {"[SEP]", {{"id", "[SEP]"}, {"ids", {3}}, {"tokens", {"[SEP]"}}}}}}};
  out.add("template", join({"", root.dump(), "", "", "", "", "", text}));
}

/// Small tokenizers of the other kinds: every normalizer, pre-tokenizer and post-processor.
void write_pipeline_seeds(const fs::path& tests, const seed_folder& out) {
  const std::string text = "Hello <s>it's  \xC3\xA9\xE4\xB8\x80 \xEA\xB0\x80 12, a\xCC\x81 worlds!";
  const json all = json::parse(read(tests / "text/golden/pipelines.json")).at("pipelines");
  json model;
  for (std::size_t i = 0; i < all.size(); ++i) {
    json root = all[i].at("tokenizer");
    if (root["model"]["type"] == "BPE") {  // a vocabulary of a few tokens
      json words, merges = json::array({json::array({"l", "o"}), json::array({"lo", "w"})});
      for (const char* special :
           {"<s>", "<pad>", "</s>", "<unk>", "<mask>", "[CLS]", "[SEP]", "l", "o", "w", "lo", "low",
            "\xC4\xA0", "e", "a", "\xC3\x83", "<0x41>"})
        words[special] = words.size();
      const bool plain = root["model"]["continuing_subword_prefix"].is_null();
      root["model"]["vocab"] = words;
      root["model"]["merges"] = plain ? merges : json::array();
      root["added_tokens"] = json::array();
      for (const char* special : {"<unk>", "<mask>"})
        root["added_tokens"].push_back({{"id", words[special]}, {"content", special}});
      const auto fix = [&](auto& self, json& part) -> void {  // ids of special tokens
        for (const char* key : {"sep", "cls"}) {
          if (part.is_object() && part.contains(key))
            part[key][1] = words[part[key][0].get<std::string>()];
        }
        if (part.is_object() && part.contains("tokens")) {
          for (std::size_t t = 0; t < part["tokens"].size(); ++t)
            part["ids"][t] = words[part["tokens"][t].get<std::string>()];
        }
        if (part.is_structured())
          for (json& member : part) self(self, member);
      };
      fix(fix, root["post_processor"]);
      model = root["model"];
    }
    out.add("pipeline-" + std::to_string(i), join({"", root.dump(), "", "", "", "", "", text}));
  }
  const json config = {{"tokenizer_class", "RobertaTokenizer"}, {"add_prefix_space", true}};
  out.add("roberta", join({"", "", config.dump(), "", "", model["vocab"].dump(),
                           "#version: 0.2\nl o\nlo w\n", text}));
}

void write_text_seeds(const fs::path& tests, const seed_folder& out) {
  const json golden = json::parse(read(tests / "text/golden/encodings.json"));
  std::vector<std::string> texts;
  std::vector<const json*> open{&golden};
  while (!open.empty() && texts.size() < 60) {
    const json& value = *open.back();
    open.pop_back();
    if (value.is_string() && value.get_ref<const std::string&>().size() < 200)
      texts.push_back(value.get<std::string>());
    if (value.is_structured())
      for (const json& member : value) open.push_back(&member);
  }
  texts.emplace_back("Hello, world");
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const char options[] = {static_cast<char>(i % 3), static_cast<char>(i * 5)};
    out.add("text-" + std::to_string(i),
            std::string(options, 2) + join({texts[i], texts[i * 7 % texts.size()]}));
  }
}

void write_sentencepiece_seeds(const fs::path& tests, const seed_folder& out) {
  const json golden = json::parse(read(tests / "text/golden/unigram.json"));
  for (std::size_t i = 0; i < golden.at("folders").size(); ++i) {
    const json& folder = golden["folders"][i];
    const auto model =
        lowbit::detail::decode_base64(folder.at("bytes").get_ref<const std::string&>()).value();
    for (std::size_t c = 2; c < 6; ++c)
      out.add(std::to_string(i) + "-" + std::to_string(c),
              join({folder["cases"][c]["text"].get<std::string>(), model}));
  }
}

void write_all(const fs::path& tests, const fs::path& out) {
  write_loader_seeds(tests, seed_folder(out / "loader"));
  write_tokenizer_seeds(tests, seed_folder(out / "tokenizer_files"));
  write_pipeline_seeds(tests, seed_folder(out / "tokenizer_files"));
  write_text_seeds(tests, seed_folder(out / "text"));
  write_sentencepiece_seeds(tests, seed_folder(out / "sentencepiece"));
  const seed_folder configs(out / "json_config");
  for (const fs::path& folder : golden_models(tests))
    configs.add(folder.filename().string(), read(folder / "config.json"));
  for (const fs::path& folder : family_models(tests))
    configs.add(folder.filename().string(), read(folder / "config.json"));
  configs.add("packed", config_of(tiny_shape(head_kind::token)).dump());
  const seed_folder files(out / "safetensors");
  json header = {{"__metadata__", {{"format", "pt"}}},
                 {"w", {{"dtype", "F32"}, {"shape", {2, 3}}, {"data_offsets", {0, 24}}}},
                 {"h", {{"dtype", "F16"}, {"shape", {3}}, {"data_offsets", {24, 30}}}},
                 {"s", {{"dtype", "BF16"}, {"shape", json::array()}, {"data_offsets", {30, 32}}}},
                 {"e", {{"dtype", "F64"}, {"shape", {0, 9}}, {"data_offsets", {32, 32}}}},
                 {"b", {{"dtype", "U8"}, {"shape", {5}}, {"data_offsets", {32, 37}}}}};
  files.add("header", '\1' + join({header.dump(), std::string(37, 'x')}));
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.dump().size() & 255);
  file[1] = static_cast<char>(header.dump().size() >> 8);
  files.add("file", std::string(1, '\0') + file + header.dump() + std::string(37, 'x'));
  const seed_folder torch(out / "torch_file");
  for (const char* name : {"zip.bin", "zip_protocol4.bin", "legacy.bin"})
    torch.add(name, std::string(1, '\0') + read(tests / "io/golden" / name));
  const std::string pickle =
      crafted::pickled_dict(crafted::pickled("a") + crafted::pickled_tensor(4, 0, {2, 2}, {2, 1}) +
                            crafted::pickled("b") + crafted::pickled_tensor(4, 1, {2, 1}, {2, 1}));
  torch.add("pickle",
            '\1' + crafted::little_endian(pickle.size(), 2) + pickle + std::string(16, 'x'));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    write_all(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
