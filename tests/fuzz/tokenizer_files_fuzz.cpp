// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any files of a tokenizer are a tokenizer that encodes a text as every tokenizer
// does, or an error. Parts: the files below in their order, then the text; an empty part is a file
// that is not there.
#include "encoding_checks.hpp"
#include "mutate.hpp"
#include "scratch_files.hpp"

namespace {

using namespace lowbit_fuzz;

constexpr const char* files[] = {"vocab.txt",
                                 "tokenizer.json",
                                 "tokenizer_config.json",
                                 "special_tokens_map.json",
                                 "added_tokens.json",
                                 "vocab.json",
                                 "merges.txt"};
constexpr std::size_t part_count = std::size(files) + 1;

const words known = words_of(
    "[PAD] [UNK] [CLS] [SEP] [MASK] ##s hello added_tokens content id single_word lstrip "
    "rstrip normalized special normalizer BertNormalizer clean_text handle_chinese_chars "
    "strip_accents lowercase pre_tokenizer BertPreTokenizer post_processor "
    "TemplateProcessing BertProcessing model type WordPiece unk_token "
    "continuing_subword_prefix max_input_chars_per_word vocab truncation padding "
    "direction Right strategy LongestFirst pad_token cls_token sep_token mask_token "
    "additional_special_tokens do_lower_case do_basic_tokenize tokenize_chinese_chars "
    "tokenizer_class BertTokenizer model_max_length added_tokens_decoder "
    "extra_special_tokens BPE merges fuse_unk byte_fallback ignore_merges dropout "
    "end_of_word_suffix Sequence normalizers pretokenizers processors NFC NFD NFKC NFKD Lowercase "
    "StripAccents Strip strip_left Replace pattern String Regex content Prepend prepend Nmt "
    "Whitespace WhitespaceSplit ByteLevel add_prefix_space trim_offsets use_regex Punctuation "
    "behavior Removed Isolated MergedWithPrevious MergedWithNext Contiguous Digits "
    "individual_digits Split invert RobertaProcessing RobertaTokenizer <0x41>");

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const scratch_files folder;
  const parts all = split(text_of(data, size), part_count);
  for (std::size_t i = 0; i < std::size(files); ++i) folder.set(files[i], all[i]);
  const auto tokenizer = lowbit::tokenizer::load(folder.path());
  if (!tokenizer) {
    require_message(tokenizer.status());
    return 0;
  }
  ++accepted;
  for (std::size_t i = 0; i < tokenizer->vocabulary_size(); ++i) {
    const auto id = static_cast<std::int32_t>(i);
    require(!tokenizer->token(id).empty() && tokenizer->id(tokenizer->token(id)) == id);
  }
  const std::string& text = all.back();
  check_text(*tokenizer, text, 3 + text.size() % 16);
  check_pair(*tokenizer, text, "hello world", 3 + text.size() % 16);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using enum part_kind;
  return mutate_parts(data, size, max_size, seed, 0,
                      {text, json, json, json, json, json, text, text}, known);
}
