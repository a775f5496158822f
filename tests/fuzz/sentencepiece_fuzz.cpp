// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes of a SentencePiece model are a charsmap and a Unigram model that
// normalize and split a text, or an error. Parts: the text, then the .model file.
#include "fuzz.hpp"
#include "lowbit/text/precompiled_charsmap.hpp"
#include "lowbit/text/sentencepiece_model.hpp"
#include "lowbit/text/unigram_model.hpp"
#include "mutate.hpp"

namespace {

using namespace lowbit_fuzz;
namespace d = lowbit::detail;

void normalize(const std::string& charsmap, d::normalized_text& text, std::size_t bytes) {
  const auto map = d::precompiled_charsmap::make(charsmap);
  if (!map) return require_message(map.status());
  map->apply(text);
  require(!d::find_invalid_utf8(text.text) && text.origins.size() == text.text.size());
  for (const std::size_t origin : text.origins) require(origin < bytes);
}

void split(const d::unigram_model& model, const d::vocabulary& words, std::string_view text) {
  std::vector<d::word_piece> tokens;
  d::unigram_model::scratch memory;
  model.split(words, text, tokens, memory);
  std::size_t begin = 0, end = 0;
  for (const d::word_piece& t : tokens) {
    require(t.id >= 0 && static_cast<std::size_t>(t.id) < words.size());
    require(t.begin == end || (t.begin == begin && t.end == end));  // tokens of bytes share a range
    begin = t.begin;
    end = t.end;
  }
  require(end == text.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const parts all = lowbit_fuzz::split(text_of(data, size), 2);
  auto model = d::read_sentencepiece_model(all[1]);
  if (!model) {
    require_message(model.status());
    return 0;
  }
  d::normalized_text text;
  if (!d::find_invalid_utf8(all[0])) {
    for (std::size_t at = 0; at < all[0].size(); at += d::utf8_length(all[0][at]))
      text(d::decode_utf8(all[0], at), at);
  }
  if (!model->charsmap.empty()) normalize(model->charsmap, text, all[0].size());
  const std::size_t count = model->pieces.size();
  const auto words = d::vocabulary::make(std::move(model->pieces), count, std::nullopt);
  if (!words) {
    require_message(words.status());
    return 0;
  }
  const auto unigram = d::unigram_model::make({std::move(model->scores), size % 2 == 0}, *words, 0);
  if (!unigram) {
    require_message(unigram.status());
    return 0;
  }
  ++accepted;
  ::split(*unigram, *words, text.text);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  using enum part_kind;
  return mutate_parts(data, size, max_size, seed, 0, {text, bytes}, {});
}
