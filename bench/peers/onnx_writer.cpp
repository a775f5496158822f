// SPDX-License-Identifier: Apache-2.0
#include "onnx_writer.hpp"

#include <cstring>

namespace lowbit_bench {
namespace {

constexpr int ir_version = 8;
constexpr int operator_set = 17;
constexpr int microsoft_set = 1;

// The wire format: a field is (number << 3 | kind), then a varint (0), a length and bytes (2), or
// four bytes (5).
void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 128; value >>= 7) to.push_back(static_cast<char>((value & 127U) | 128U));
  to.push_back(static_cast<char>(value));
}
void put_integer(std::string& to, unsigned field, std::int64_t value) {
  put_varint(to, field << 3U);
  put_varint(to, static_cast<std::uint64_t>(value));
}
void put_bytes(std::string& to, unsigned field, std::string_view bytes) {
  put_varint(to, field << 3U | 2U);
  put_varint(to, bytes.size());
  to.append(bytes);
}
void put_float(std::string& to, unsigned field, float value) {
  put_varint(to, field << 3U | 5U);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof bytes);
}

/// AttributeProto
std::string message(const onnx_attribute& a) {
  constexpr int type_float = 1;
  constexpr int type_integer = 2;
  std::string out;
  put_bytes(out, 1, a.name);
  if (a.is_float) {
    put_float(out, 2, a.number);
  } else {
    put_integer(out, 3, a.integer);
  }
  put_integer(out, 20, a.is_float ? type_float : type_integer);
  return out;
}

/// ValueInfoProto
std::string message(const char* name, onnx_type type, const std::vector<onnx_extent>& shape) {
  std::string extents;
  for (const onnx_extent& e : shape) {
    std::string extent;
    if (e.name != nullptr) {
      put_bytes(extent, 2, e.name);
    } else {
      put_integer(extent, 1, e.value);
    }
    put_bytes(extents, 1, extent);
  }
  std::string tensor;
  put_integer(tensor, 1, static_cast<std::int64_t>(type));
  put_bytes(tensor, 2, extents);
  std::string kind;
  put_bytes(kind, 1, tensor);
  std::string out;
  put_bytes(out, 1, name);
  put_bytes(out, 2, kind);
  return out;
}

std::string operator_set_id(const char* domain, int version) {
  std::string out;
  put_bytes(out, 1, domain);
  put_integer(out, 2, version);
  return out;
}

}  // namespace

void onnx_graph::node(const char* op, const std::vector<std::string>& inputs,
                      const std::vector<std::string>& outputs,
                      const std::vector<onnx_attribute>& attributes, bool standard) {
  std::string node;
  for (const std::string& name : inputs) put_bytes(node, 1, name);
  for (const std::string& name : outputs) put_bytes(node, 2, name);
  put_bytes(node, 3, outputs.front());
  put_bytes(node, 4, op);
  for (const onnx_attribute& a : attributes) put_bytes(node, 5, message(a));
  if (!standard) put_bytes(node, 7, "com.microsoft");
  put_bytes(nodes_, 1, node);
}

void onnx_graph::constant(const std::string& name, onnx_type type,
                          const std::vector<std::size_t>& shape, std::span<const std::byte> bytes) {
  std::string tensor;
  for (const std::size_t extent : shape) put_integer(tensor, 1, static_cast<std::int64_t>(extent));
  put_integer(tensor, 2, static_cast<std::int64_t>(type));
  put_bytes(tensor, 8, name);
  put_bytes(tensor, 9, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  put_bytes(constants_, 5, tensor);
}

void onnx_graph::input(const char* name, onnx_type type, const std::vector<onnx_extent>& shape) {
  put_bytes(inputs_, 11, message(name, type, shape));
}
void onnx_graph::output(const char* name, onnx_type type, const std::vector<onnx_extent>& shape) {
  put_bytes(outputs_, 12, message(name, type, shape));
}

std::string onnx_graph::model() const {
  std::string graph = nodes_;
  put_bytes(graph, 2, "encoder");
  graph += constants_ + inputs_ + outputs_;
  std::string out;
  put_integer(out, 1, ir_version);
  put_bytes(out, 2, "lowbit");
  put_bytes(out, 7, graph);
  put_bytes(out, 8, operator_set_id("", operator_set));
  put_bytes(out, 8, operator_set_id("com.microsoft", microsoft_set));
  return out;
}

}  // namespace lowbit_bench
