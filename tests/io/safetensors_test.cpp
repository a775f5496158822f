// SPDX-License-Identifier: Apache-2.0
#include "lowbit/io/safetensors.hpp"

#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "crafted.hpp"
#include "expect_error.hpp"

using lowbit::element_type;
using lowbit::errc;
using lowbit::safetensors_file;
using lowbit::tensor_view;

namespace {

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  std::vector<std::byte> out(values.size() * sizeof(T));
  std::memcpy(out.data(), values.data(), out.size());
  return out;
}

}  // namespace

TEST_CASE("safetensors reads tensors sorted by name with their metadata", "[io][safetensors]") {
  const auto file =
      crafted::safetensors(R"({"z":{"dtype":"I8","shape":[3],"data_offsets":[8,11]},)"
                           R"("__metadata__":{"format":"pt"},)"
                           R"("a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}   )",
                           11);
  const auto opened = safetensors_file::parse(file, "f");
  REQUIRE(opened.ok());
  REQUIRE(opened->tensors().size() == 2);
  CHECK(opened->tensors()[0].name == "a");
  CHECK(opened->tensors()[1].name == "z");
  const tensor_view* a = opened->find("a");
  REQUIRE(a != nullptr);
  CHECK(a->type == element_type::f32);
  CHECK(a->shape == std::vector<std::size_t>{2, 1});
  CHECK(a->element_count() == 2);
  CHECK(a->data.size() == 8);
  const tensor_view* z = opened->find("z");
  REQUIRE(z != nullptr);
  CHECK(z->data.data() == a->data.data() + 8);
  CHECK(opened->find("b") == nullptr);
  CHECK(opened->find("") == nullptr);
  CHECK(opened->metadata().at("format") == "pt");
}

TEST_CASE("safetensors accepts a scalar, empty tensors and a file without tensors",
          "[io][safetensors]") {
  const auto file =
      crafted::safetensors(R"({"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},)"
                           R"("e":{"dtype":"F32","shape":[0,7],"data_offsets":[0,0]},)"
                           R"("f":{"dtype":"F32","shape":[7,0],"data_offsets":[8,8]}})",
                           8);
  const auto opened = safetensors_file::parse(file, "f");
  REQUIRE(opened.ok());
  CHECK(opened->find("s")->element_count() == 1);
  CHECK(opened->find("e")->element_count() == 0);
  CHECK(opened->find("f")->element_count() == 0);
  CHECK(safetensors_file::parse(crafted::safetensors("{}", 0), "f").ok());
}

TEST_CASE("safetensors knows the name and size of every dtype", "[io][safetensors]") {
  struct row {
    const char* name;
    std::size_t size;
  };
  const row rows[] = {{"F64", 8},     {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1},
                      {"F8_E5M2", 1}, {"I64", 8}, {"U64", 8}, {"I32", 4},  {"U32", 4},
                      {"I16", 2},     {"U16", 2}, {"I8", 1},  {"U8", 1},   {"BOOL", 1}};
  for (const row& r : rows) {
    INFO(r.name);
    const auto type = lowbit::element_type_from_name(r.name);
    REQUIRE(type.has_value());
    CHECK(lowbit::name_of(*type) == r.name);
    CHECK(lowbit::size_of(*type) == r.size);
  }
  CHECK_FALSE(lowbit::element_type_from_name("f32").has_value());
  CHECK_FALSE(lowbit::element_type_from_name("").has_value());
}

TEST_CASE("safetensors views survive a move of the file object", "[io][safetensors]") {
  const crafted::scratch_folder scratch;
  const auto path = scratch.path() / "m.safetensors";
  crafted::write(path, crafted::safetensors(crafted::one_tensor("\"U8\"", "[4]", "[0,4]"), 4));
  auto opened = safetensors_file::open(path);
  REQUIRE(opened.ok());
  safetensors_file moved = *std::move(opened);
  const std::vector<safetensors_file> held = [&] {
    std::vector<safetensors_file> files;
    files.push_back(std::move(moved));
    files.emplace_back();  // may reallocate
    return files;
  }();
  const tensor_view* a = held[0].find("a");
  REQUIRE(a != nullptr);
  CHECK(std::to_integer<int>(a->data[3]) == 3);
  held[0].release_pages();
  CHECK(std::to_integer<int>(a->data[3]) == 3);
  CHECK(*a->file == path.native());
}

TEST_CASE("safetensors reads floats from data at every alignment", "[io][safetensors]") {
  for (std::size_t shift = 0; shift < 8; ++shift) {
    const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                               R"("b":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}})" +
                               std::string(shift, ' ');
    auto file = crafted::safetensors(header, 0);
    for (const std::byte b : bytes_of<float>({1.5F, -0.25F})) file.push_back(b);
    for (const std::byte b : bytes_of<double>({-3.0})) file.push_back(b);
    const auto opened = safetensors_file::parse(file, "f");
    REQUIRE(opened.ok());
    CHECK(lowbit::read_f32(*opened->find("a")).value() == std::vector<float>{1.5F, -0.25F});
    CHECK(lowbit::read_f32(*opened->find("b")).value() == std::vector<float>{-3.0F});
  }
}

TEST_CASE("read_f32 converts every F16 and BF16 pattern exactly", "[io][tensor_view]") {
  std::vector<std::uint16_t> patterns(65536);
  for (std::size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<std::uint16_t>(i);
  lowbit::tensor_view view;
  view.shape = {patterns.size()};
  view.data = std::as_bytes(std::span<const std::uint16_t>(patterns));
  view.type = lowbit::element_type::f16;
  const std::vector<float> halves = lowbit::read_f32(view).value();
  view.type = lowbit::element_type::bf16;
  const std::vector<float> brains = lowbit::read_f32(view).value();
  std::vector<unsigned> wrong_halves, wrong_brains;
  for (unsigned bits = 0; bits < patterns.size(); ++bits) {
    const unsigned exponent = (bits >> 10U) & 31U;
    const int fraction = static_cast<int>(bits & 1023U);
    // binary16 by its definition: (-1)^s * 2^(e-15) * 1.fraction, subnormals at e = 0
    double expected = exponent == 0 ? std::ldexp(fraction, -24)
                                    : std::ldexp(1024 + fraction, static_cast<int>(exponent) - 25);
    if (exponent == 31) expected = std::numeric_limits<double>::infinity();
    if ((bits & 0x8000U) != 0) expected = -expected;
    const bool same =
        double{halves[bits]} == expected && std::signbit(halves[bits]) == ((bits & 0x8000U) != 0);
    const bool nan = exponent == 31 && fraction != 0;
    if (nan ? !std::isnan(halves[bits]) : !same) wrong_halves.push_back(bits);
    if (std::bit_cast<std::uint32_t>(brains[bits]) != bits << 16U) wrong_brains.push_back(bits);
  }
  CHECK(wrong_halves == std::vector<unsigned>{});
  CHECK(wrong_brains == std::vector<unsigned>{});
}

TEST_CASE("read_f32 refuses integers, wrong sizes and F64 values beyond float",
          "[io][tensor_view][negative]") {
  const std::vector<std::byte> eight(8);
  const tensor_view integers{"w", element_type::i8, {8}, eight, {}};
  expect_error(lowbit::read_f32(integers).status(), errc::unsupported,
               {"\"w\"", "dtype I8", "expected F32, F16, BF16 or F64"});
  std::vector<float> three(3);
  expect_error(lowbit::read_f32({"w", element_type::f32, {2}, eight, {}}, three),
               errc::shape_mismatch, {"\"w\"", "2 elements", "expected 3"});
  const auto big = bytes_of<double>({1.0, 1e300});
  expect_error(lowbit::read_f32({"w", element_type::f64, {2}, big, {}}).status(), errc::malformed,
               {"\"w\"", "element 1", "range"});
  CHECK(lowbit::read_f32({"w", element_type::f32, {0}, {}, {}}).value().empty());
}

TEST_CASE("check_finite names the tensor and the first bad element",
          "[io][tensor_view][negative]") {
  std::vector<float> values{0.0F, 1.0F, -3.4e38F, 1e-45F};
  CHECK(lowbit::check_finite("tensor w", values).ok());
  values[2] = std::numeric_limits<float>::quiet_NaN();
  expect_error(lowbit::check_finite("tensor w", values), errc::malformed,
               {"tensor w", "element 2", "NaN"});
  values[1] = -std::numeric_limits<float>::infinity();
  expect_error(lowbit::check_finite("tensor w", values), errc::malformed,
               {"element 1", "infinite"});
}

TEST_CASE("check_shape says the found and the expected shape", "[io][tensor_view][negative]") {
  const tensor_view tensor{"w", element_type::f32, {2, 3}, {}, {}};
  CHECK(lowbit::check_shape(tensor, {2, 3}).ok());
  expect_error(lowbit::check_shape(tensor, {3, 2}), errc::shape_mismatch,
               {"\"w\"", "[2, 3]", "expected [3, 2]"});
  expect_error(lowbit::check_shape(tensor, {6}), errc::shape_mismatch, {"expected [6]"});
  expect_error(lowbit::check_shape(tensor, {2, 3, 1}), errc::shape_mismatch, {"[2, 3, 1]"});
}
