// SPDX-License-Identifier: Apache-2.0
// The subset of the ONNX format needed for a graph of operators with constant tensors: protocol
// buffer messages written front to back (fields named in onnx.proto). Independent of any model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lowbit_bench {

enum class onnx_type : std::uint8_t { f32 = 1, u8 = 2, i8 = 3, i32 = 6 };

struct onnx_attribute {
  const char* name;
  bool is_float;
  std::int64_t integer;
  float number;
};
[[nodiscard]] inline onnx_attribute integer_attribute(const char* name, std::size_t value) {
  return {name, false, static_cast<std::int64_t>(value), 0};
}
[[nodiscard]] inline onnx_attribute float_attribute(const char* name, float value) {
  return {name, true, 0, value};
}

/// A dimension by its extent, or by a name if it is known only at run time.
struct onnx_extent {
  std::int64_t value = 0;
  const char* name = nullptr;
};

class onnx_graph {
 public:
  /// "" as an input: omitted. Operators are from com.microsoft unless `standard`.
  void node(const char* op, const std::vector<std::string>& inputs,
            const std::vector<std::string>& outputs,
            const std::vector<onnx_attribute>& attributes = {}, bool standard = false);
  void constant(const std::string& name, onnx_type type, const std::vector<std::size_t>& shape,
                std::span<const std::byte> bytes);
  void floats(const std::string& name, const std::vector<std::size_t>& shape,
              std::span<const float> values) {
    constant(name, onnx_type::f32, shape, std::as_bytes(values));
  }
  void input(const char* name, onnx_type type, const std::vector<onnx_extent>& shape);
  void output(const char* name, onnx_type type, const std::vector<onnx_extent>& shape);

  /// The whole model, as the bytes of an .onnx file.
  [[nodiscard]] std::string model() const;

 private:
  std::string nodes_, constants_, inputs_, outputs_;  // fields of GraphProto
};

}  // namespace lowbit_bench
