// SPDX-License-Identifier: Apache-2.0
// The program `lowbit` as a user runs it, on folders of random checkpoints.
#pragma once

#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../io/crafted.hpp"
#include "../model/random_model.hpp"
#include "lowbit/io/safetensors_writer.hpp"
#include "lowbit/text/tokenizer.hpp"

#ifndef LOWBIT_PROGRAM
#error "define LOWBIT_PROGRAM as the path of the program lowbit"
#endif

namespace lowbit_test {

inline const std::vector<std::string> words{
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "new", "york", "is", "big", "##ger",
    "##s",   ",",     ".",     "a",     "b",      "c",   "d",    "e",  "so",  "##ul"};

inline lowbit::model_shape shape_of(lowbit::head_kind head) {
  lowbit::model_shape s = ragged_shape();
  s.head = head;
  s.labels = head == lowbit::head_kind::span ? 2 : 3;
  return s;
}

/// A checkpoint folder of one head.
class model_folder {
 public:
  model_folder(lowbit::head_kind head, const char* architecture, std::uint64_t seed)
      : shape(shape_of(head)), tensors(random_model<lowbit::policy::fp32>(shape, seed)) {
    std::vector<lowbit::tensor_to_write> all;
    for (const lowbit::stored_tensor& t : tensors.weights()) {
      all.push_back({t.name,
                     lowbit::element_type::f32,
                     {t.shape, t.shape + t.rank},
                     {t.data, t.elements() * sizeof(float)}});
    }
    REQUIRE(lowbit::write_safetensors(scratch_.path() / "model.safetensors", all, {}).ok());
    nlohmann::json config = {
        {"num_hidden_layers", shape.layers},  {"hidden_size", shape.hidden},
        {"num_attention_heads", shape.heads}, {"intermediate_size", shape.intermediate},
        {"vocab_size", shape.vocabulary},     {"max_position_embeddings", shape.positions},
        {"architectures", {architecture}}};
    if (head == lowbit::head_kind::token)
      config["id2label"] = {{"0", "O"}, {"1", "B-x"}, {"2", "I-x"}};
    crafted::write(scratch_.path() / "config.json", config.dump());
    std::string vocabulary;
    for (const std::string& word : words) vocabulary += word + "\n";
    for (std::size_t i = words.size(); i < shape.vocabulary; ++i)
      vocabulary += "[unused" + std::to_string(i) + "]\n";
    crafted::write(scratch_.path() / "vocab.txt", vocabulary);
  }

  [[nodiscard]] std::string path() const { return scratch_.path().native(); }

  /// What the weights in memory give for an encoding.
  template <class Model>
  std::vector<float> run(const lowbit::encoding& e, std::vector<std::uint32_t> asked = {}) const {
    const loaded_bert<Model> loaded(tensors, shape);
    const std::uint32_t offsets[] = {0, static_cast<std::uint32_t>(e.ids.size())};
    lowbit::token_input in{e.ids.data(), e.type_ids.data(), nullptr, {offsets, 1}};
    in.masked = {asked.data(), asked.size()};
    lowbit::serial serial;
    return run_model(loaded.model, in, serial);
  }

  lowbit::model_shape shape;
  tensor_store tensors;

 private:
  crafted::scratch_folder scratch_;
};

struct ended {
  int code;
  std::string out;  // stdout and stderr
};
inline ended run_program(const std::string& arguments, const std::string& input = "/dev/null") {
  const std::string command = std::string(LOWBIT_PROGRAM) + " " + arguments + " 2>&1 <" + input;
  std::FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  ended e{0, ""};
  char part[4096];
  for (std::size_t n = 0; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) e.out.append(part, n);
  const int status = ::pclose(pipe);
  e.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return e;
}
inline nlohmann::json run_json(const std::string& arguments) {
  const ended e = run_program(arguments + " --json");
  INFO(arguments << ": " << e.out);
  REQUIRE(e.code == 0);
  return nlohmann::json::parse(e.out);
}
inline void check_refusal(const std::string& arguments, const std::string& message) {
  const ended e = run_program(arguments);
  CAPTURE(arguments, e.out);
  CHECK(e.code == 1);
  CHECK(e.out.find(message) != std::string::npos);
  CHECK(std::count(e.out.begin(), e.out.end(), '\n') == 1);
}

inline const lowbit::tokenizer& tokenizer() {
  static const auto made = lowbit::tokenizer::from_vocabulary(words).value();
  return made;
}

}  // namespace lowbit_test
