// SPDX-License-Identifier: Apache-2.0
// Changes that keep the form of an input: members of JSON are replaced, copied, renamed and dropped
// where changed bytes would nearly always be a syntax error; code points are put into text; the
// offsets of a safetensors header are made to fit its shapes again.
#pragma once

#include <cstring>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <random>

#include "fuzz.hpp"
#include "lowbit/io/json.hpp"
#include "lowbit/io/tensor_view.hpp"

namespace lowbit_fuzz {

enum class part_kind : std::uint8_t { json, text, bytes };

/// Keys, names and tokens that mean something in an input.
using words = std::vector<std::string>;
inline words words_of(std::string_view text) {
  words all;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    all.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all;
}

using random_source = std::minstd_rand;
inline std::size_t below(random_source& random, std::size_t n) { return n == 0 ? 0 : random() % n; }

inline void mutate_bytes(std::string& part, std::size_t max_size) {
  const std::size_t size = std::min(part.size(), max_size);
  part.resize(std::max<std::size_t>(max_size, 1));
  part.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(part.data()), size, part.size()));
}

inline void collect(nlohmann::json& value, std::vector<nlohmann::json*>& all) {
  all.push_back(&value);
  if (!value.is_structured()) return;
  for (nlohmann::json& member : value) collect(member, all);
}

inline nlohmann::json odd_value(random_source& random, const words& known) {
  static const auto odd = nlohmann::json::parse(
      R"([null, true, false, 0, 1, 2, 3, 8, -1, 255, 65536, 1e-12, 0.5, 1e300, 9223372036854775808,
          18446744073709551615, "", "\n", "\u001b[2J", "0", [], {}, [1, 2], {"0": "no"}])");
  if (!known.empty() && random() % 2 == 0) return known[below(random, known.size())];
  return odd[below(random, odd.size())];
}

/// One member more, less or changed.
inline void mutate_json(nlohmann::json& root, random_source& random, const words& known) {
  std::vector<nlohmann::json*> all;
  collect(root, all);
  nlohmann::json& at = *all[below(random, all.size())];
  const nlohmann::json donor = *all[below(random, all.size())];
  switch (below(random, 8)) {
    case 0:
      at = donor;
      return;
    case 1:
      if (at.is_structured() && !at.empty()) {
        auto member = at.begin();
        std::advance(member, static_cast<std::ptrdiff_t>(below(random, at.size())));
        at.erase(member);
        return;
      }
      break;
    case 2:
    case 3:
      if (at.is_array()) {
        at.push_back(random() % 2 == 0 ? donor : odd_value(random, known));
        return;
      }
      if (at.is_object()) {
        std::string key = known.empty() ? "x" : known[below(random, known.size())];
        if (!at.empty() && random() % 2 == 0) {
          auto member = at.begin();
          std::advance(member, static_cast<std::ptrdiff_t>(below(random, at.size())));
          key = member.key() + std::to_string(random() % 3);
        }
        at[key] = random() % 2 == 0 ? donor : odd_value(random, known);
        return;
      }
      break;
    case 4:
    case 5:
      if (at.is_number_integer()) {
        constexpr std::int64_t steps[] = {-1, 1, 2, -2, 8, 256};
        const auto value = at.get<std::int64_t>();
        if (value >= -1000 && value <= std::int64_t{1} << 40)
          at = value + steps[below(random, std::size(steps))];
        return;
      }
      if (at.is_string()) {
        std::string text = at.get<std::string>();
        mutate_bytes(text, text.size() + 8);
        if (!nlohmann::json(text)
                 .dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore)
                 .empty())
          at = text;
        return;
      }
      break;
    default:
      break;
  }
  at = odd_value(random, known);
}

inline void mutate_json_text(std::string& part, std::size_t max_size, random_source& random,
                             const words& known) {
  auto value = lowbit::parse_json(part, "mutant");
  if (!value || random() % 8 == 0) return mutate_bytes(part, max_size);
  for (std::size_t changes = 1 + below(random, 3); changes != 0; --changes)
    mutate_json(*value, random, known);
  std::string text = value->dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore);
  if (text.size() <= max_size) part = std::move(text);
}

/// A code point of any plane, as UTF-8, somewhere; or changed bytes.
inline void mutate_text(std::string& part, std::size_t max_size, random_source& random,
                        const words& known) {
  if (random() % 3 == 0 || part.size() + 8 > max_size) return mutate_bytes(part, max_size);
  const std::size_t at = below(random, part.size() + 1);
  if (!known.empty() && random() % 3 == 0) {
    part.insert(at, known[below(random, known.size())]);
    part.resize(std::min(part.size(), max_size));
    return;
  }
  constexpr std::uint32_t ends[] = {0x80, 0x250, 0x370, 0x3100, 0xA000, 0x10000, 0x110000};
  const std::uint32_t c =
      static_cast<std::uint32_t>(random()) % ends[below(random, std::size(ends))];
  std::string code;
  const auto byte = [&](std::uint32_t b) { code += static_cast<char>(b); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6);
    byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {  // surrogates, too
    byte(0xE0 | c >> 12);
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18);
    byte(0x80 | (c >> 12 & 0x3F));
    byte(0x80 | (c >> 6 & 0x3F));
    byte(0x80 | (c & 0x3F));
  }
  part.insert(at, code);
}

/// Where the data of a safetensors header ends, by its own words.
inline std::size_t data_end(const nlohmann::json& header) {
  std::size_t end = 0;
  for (const auto& [name, tensor] : header.items()) {
    if (!tensor.is_object() || !tensor.contains("data_offsets")) continue;
    const auto& offsets = tensor["data_offsets"];
    if (offsets.is_array() && offsets.size() == 2 && offsets[1].is_number_unsigned())
      end = std::max(end, offsets[1].get<std::size_t>());
  }
  return end;
}

/// Makes the offsets of a header what its types and shapes say; every tensor keeps its data, cut or
/// filled up. What is no header, or one of large tensors, stays as it is.
inline void repair_offsets(std::string& header, std::string& data) {
  auto parsed = lowbit::parse_json(header, "mutant");
  if (!parsed || !parsed->is_object()) return;
  struct moved_tensor {
    std::size_t begin, bytes;
    nlohmann::json* tensor;
  };
  std::vector<moved_tensor> all;
  for (auto& [name, tensor] : parsed->items()) {
    if (name == "__metadata__" || !tensor.is_object()) continue;
    std::size_t bytes = 1;
    const auto& type = tensor["dtype"];
    if (type == "F32" || type == "I32") bytes = 4;
    if (type == "F16" || type == "BF16") bytes = 2;
    if (type == "F64" || type == "I64") bytes = 8;
    for (const auto& extent : tensor["shape"]) {
      if (!extent.is_number_unsigned() || extent > 4096) return;
      bytes *= extent.get<std::size_t>();
      if (bytes > 1 << 16) return;
    }
    const auto& offsets = tensor["data_offsets"];
    const bool known = offsets.is_array() && !offsets.empty() && offsets[0].is_number_unsigned();
    all.push_back({known ? offsets[0].get<std::size_t>() : data.size(), bytes, &tensor});
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const moved_tensor& a, const moved_tensor& b) { return a.begin < b.begin; });
  std::string moved;
  for (const moved_tensor& t : all) {
    const std::size_t begin = moved.size();
    if (t.begin < data.size()) moved += data.substr(t.begin, t.bytes);
    moved.resize(begin + t.bytes, '<');
    (*t.tensor)["data_offsets"] = {begin, moved.size()};
  }
  header = parsed->dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore);
  data = std::move(moved);
}

/// Changes one part. Bytes at the start that choose options belong to no part: `options` of them.
inline std::size_t mutate_parts(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                unsigned seed, std::size_t options,
                                std::initializer_list<part_kind> kinds, const words& known) {
  random_source random(seed + 1);
  if (size <= options) return LLVMFuzzerMutate(data, size, max_size);
  parts all = split(text_of(data, size).substr(options), kinds.size());
  if (options != 0 && random() % 8 == 0) {
    data[below(random, options)] = static_cast<std::uint8_t>(random());
    return size;
  }
  const std::size_t chosen = below(random, kinds.size());
  std::string& part = all[chosen];
  const std::size_t room = max_size - std::min(max_size, size) + part.size();
  switch (kinds.begin()[chosen]) {
    case part_kind::json:
      mutate_json_text(part, room, random, known);
      break;
    case part_kind::text:
      mutate_text(part, room, random, known);
      break;
    case part_kind::bytes:
      mutate_bytes(part, room);
      break;
  }
  const std::string input = join(all);
  const std::size_t bytes = std::min(input.size(), max_size - options);
  std::memcpy(data + options, input.data(), bytes);
  return options + bytes;
}

}  // namespace lowbit_fuzz
