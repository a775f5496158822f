// SPDX-License-Identifier: Apache-2.0
// libFuzzer target: any bytes are a safetensors file whose views lie inside the bytes, or an error.
//
// The first byte chooses how the rest is used: even, as a file; odd, as a header that ends at the
// last '}' with the data after it, to which the matching length is added. Without the second way
// almost no mutant would pass the length check.
//
//   clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all
//       -Iinclude tests/fuzz/safetensors_fuzz.cpp -o safetensors_fuzz
//   ./safetensors_fuzz -max_total_time=300 -max_len=4096 -malloc_limit_mb=16
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "lowbit/io/safetensors.hpp"

namespace {

void require(bool condition) {
  if (!condition) __builtin_trap();
}

std::vector<std::byte> with_length(std::span<const std::byte> rest) {
  const std::string_view text(reinterpret_cast<const char*>(rest.data()), rest.size());
  const std::size_t brace = text.rfind('}');
  const std::uint64_t length = brace == std::string_view::npos ? 0 : brace + 1;
  std::vector<std::byte> file(sizeof length);
  std::memcpy(file.data(), &length, sizeof length);
  file.insert(file.end(), rest.begin(), rest.end());
  return file;
}

void check(std::span<const std::byte> bytes) {
  const auto file = lowbit::safetensors_file::parse(bytes, "fuzz");
  if (!file) {
    require(!file.status().message().empty());
    return;
  }
  std::size_t covered = 0;
  std::string_view previous;
  for (const lowbit::tensor_view& tensor : file->tensors()) {
    require(tensor.data.data() >= bytes.data());
    require(tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size());
    require(tensor.element_count() * lowbit::dtype_size(tensor.type) == tensor.data.size());
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
