// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes are a file of torch.save whose tensors can be read, or an error.
//
// The first byte chooses how the rest is used: even, as a file; odd, as two bytes of length, a
// pickle of that length and the bytes of storage "0", from which a zip archive is made. Without the
// second way almost no mutant would get past the zip archive.
#include "lowbit/io/torch_file.hpp"

#include "../io/crafted_torch.hpp"
#include "mutate.hpp"

namespace {

using namespace lowbit_fuzz;

/// Instructions and arguments of them; none of these is in words without 0 bytes.
const words known = [] {
  words all = words_of("( ) t } ] s u a e b Q R . N \x85 \x86 \x87 \x88 \x89 \x93 \x94 q h");
  for (const char* function : {"torch._utils\n_rebuild_tensor_v2", "torch\nFloatStorage",
                               "torch\nBoolStorage", "collections\nOrderedDict", "os\nsystem"})
    all.push_back("c" + std::string(function) + "\n");
  for (const std::int32_t number : {0, 1, 2, 4, -1, 1 << 30})
    all.push_back(crafted::pickled(number));
  for (const char* text : {"storage", "0", "a", "cpu"}) all.push_back(crafted::pickled(text));
  return all;
}();

struct split_input {
  std::string pickle, data;
};
split_input take_apart(std::string_view rest) {
  if (rest.size() < 2) return {};
  const std::size_t length =
      static_cast<unsigned char>(rest[0]) + 256U * static_cast<unsigned char>(rest[1]);
  rest.remove_prefix(2);
  return {std::string(rest.substr(0, length)),
          std::string(rest.substr(std::min(length, rest.size())))};
}

void check(std::string_view file) {
  const auto bytes = std::as_bytes(std::span(file));
  const auto opened = lowbit::torch_file::parse(bytes, "fuzz");
  if (!opened) {
    require_message(opened.status());
    return;
  }
  ++accepted;
  std::size_t copied = 0;
  std::string_view previous;
  for (const lowbit::tensor_view& tensor : opened->tensors()) {
    const std::byte* const begin = tensor.data.data();
    const bool is_view = begin >= bytes.data() && begin < bytes.data() + bytes.size();
    require(!is_view || begin + tensor.data.size() <= bytes.data() + bytes.size());
    if (!is_view) copied += tensor.data.size();
    require(tensor.element_count() * lowbit::size_of(tensor.type) == tensor.data.size());
    require(lowbit::detail::tensor_bytes(tensor.type, tensor.shape) == tensor.data.size());
    require(&tensor == opened->tensors().data() || previous < tensor.name);
    previous = tensor.name;
    const auto values = lowbit::read_f32(tensor);
    if (values) (void)lowbit::check_finite(tensor.place(), *values);
  }
  require(copied <= bytes.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest = text_of(data, size).substr(1);
  if (data[0] % 2 == 0) {
    check(rest);
  } else {
    const split_input parts = take_apart(rest);
    check(crafted::zip({{"m/data.pkl", parts.pickle}, {"m/data/0", parts.data}}));
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  if (size == 0 || data[0] % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  random_source random(seed);
  split_input parts = take_apart(text_of(data, size).substr(1));
  if (below(random, 2) == 0) {
    parts.pickle.insert(below(random, parts.pickle.size() + 1), known[below(random, known.size())]);
  } else {
    mutate_bytes(below(random, 4) == 0 ? parts.data : parts.pickle, max_size);
  }
  parts.pickle.resize(std::min<std::size_t>(parts.pickle.size(), 65535));
  std::string out =
      '\1' + crafted::little_endian(parts.pickle.size(), 2) + parts.pickle + parts.data;
  out.resize(std::min(out.size(), max_size));
  std::copy(out.begin(), out.end(), data);
  return out.size();
}
