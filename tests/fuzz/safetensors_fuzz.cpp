// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes are a safetensors file whose views lie inside the bytes, or an error.
//
// The first byte chooses how the rest is used: even, as a file; odd, as a header and the data after
// it, to which the matching length is added. Without the second way almost no mutant would pass the
// length check.
#include <cstring>

#include "lowbit/io/safetensors.hpp"
#include "mutate.hpp"

namespace {

using namespace lowbit_fuzz;

const words known = words_of(
    "dtype shape data_offsets __metadata__ format pt F64 F32 F16 BF16 I64 I32 I16 I8 U8 "
    "BOOL F8_E4M3");

std::vector<std::byte> with_length(std::span<const std::byte> rest) {
  const parts all = split({reinterpret_cast<const char*>(rest.data()), rest.size()}, 2);
  const std::uint64_t length = all[0].size();
  std::vector<std::byte> file(sizeof length + all[0].size() + all[1].size());
  std::memcpy(file.data(), &length, sizeof length);
  std::memcpy(file.data() + sizeof length, all[0].data(), all[0].size());
  std::memcpy(file.data() + sizeof length + all[0].size(), all[1].data(), all[1].size());
  return file;
}

void check(std::span<const std::byte> bytes) {
  const auto file = lowbit::safetensors_file::parse(bytes, "fuzz");
  if (!file) {
    require_message(file.status());
    return;
  }
  ++accepted;
  std::size_t covered = 0;
  std::string_view previous;
  for (const lowbit::tensor_view& tensor : file->tensors()) {
    require(tensor.data.data() >= bytes.data());
    require(tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size());
    require(tensor.element_count() * lowbit::size_of(tensor.type) == tensor.data.size());
    require(&tensor == file->tensors().data() || previous < tensor.name);
    require(file->find(tensor.name) == &tensor);
    previous = tensor.name;
    covered += tensor.data.size();
    const auto values = lowbit::read_f32(tensor);
    if (values) (void)lowbit::check_finite(tensor.place(), *values);
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  require(covered == bytes.size() - sizeof length - length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = std::as_bytes(std::span(data, size)).subspan(1);
  if (data[0] % 2 == 0) {
    check(rest);
  } else {
    check(with_length(rest));
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  if (size != 0 && data[0] % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  return mutate_parts(data, size, max_size, seed, 1, {part_kind::json, part_kind::bytes}, known);
}
