// SPDX-License-Identifier: Apache-2.0
// A linear layer of a sparse codec gives the bits of the dense layer with the same zeros, and a
// layer of a list of codecs runs the one that its file names.
#include "lowbit/nn/sparse_linear.hpp"

#include "../codec/encoded_weights.hpp"
#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "lowbit/epilogue/activation.hpp"
#include "lowbit/nn/encoded.hpp"
#include "lowbit/policy/quantized.hpp"

namespace {

using namespace lowbit_test;
using lowbit::any_of;
using lowbit::block;
using lowbit::f32;
using lowbit::linear_format;
using lowbit::sparse;
namespace activation = lowbit::activation;
using int8 = lowbit::int8<lowbit::scale::row>;

using f32_format = linear_format<f32, activation::f32>;
using int8_format = linear_format<int8, activation::int8_per_token>;

static_assert(lowbit::sparse_codec<lowbit::pruned<80>> && !lowbit::sparse_codec<int8>);
static_assert(lowbit::float_codec<sparse<>> && lowbit::integer_codec<sparse<int8>>);
static_assert(std::is_same_v<lowbit::policy::pruned<80>::linear::op, lowbit::mul_add>);
static_assert(std::is_same_v<lowbit::policy::gobo<4>::linear::op, lowbit::decoded_mul_add>);
static_assert(std::is_same_v<linear_format<lowbit::codebook<16>, activation::f32>::op,
                             lowbit::lookup_mul_add>);
static_assert(std::is_same_v<lowbit::policy::pruned<80, int8, block<16, 4>>::linear::op,
                             lowbit::code_dot<8>>);

constexpr std::size_t m = 21, n = 50, k = 75;

/// The tensors of layer "dense" under a codec.
template <class Codec>
class layer_tensors {
 public:
  layer_tensors(const std::vector<float>& w, const std::vector<float>& bias)
      : encoded_(encode_matrix<Codec>(w, n, k)) {
    encoded_.add(".bias", lowbit::element_type::f32, {n}, bias);
    for (lowbit::encoded_tensor& t : encoded_.tensors) {
      names_.push_back(t.suffix == ".bias" ? "dense.bias" : "dense.weight" + t.suffix);
      add(t);
    }
  }
  /// Names the codec in the file.
  void name_format(const std::string& format) {
    names_.push_back("dense.weight.format");
    std::vector<std::byte> text(format.size());
    std::memcpy(text.data(), format.data(), format.size());
    format_ = {"", lowbit::element_type::u8, {format.size()}, text};
    add(format_);
  }
  [[nodiscard]] lowbit::weight_set weights() const { return {tensors_.data(), tensors_.size()}; }

 private:
  void add(const lowbit::encoded_tensor& t) {
    lowbit::stored_tensor stored{
        names_.back().c_str(), t.bytes.data(), t.type, t.shape.size(), {1, 1}};
    for (std::size_t i = 0; i < t.shape.size(); ++i) stored.shape[i] = t.shape[i];
    tensors_.push_back(stored);
  }
  lowbit::encoded_matrix encoded_;
  lowbit::encoded_tensor format_;
  std::deque<std::string> names_;
  std::vector<lowbit::stored_tensor> tensors_;
};

/// The layer's output for x (M, K), through the encoding of its input.
template <class Format, class Arch>
std::vector<float> output_of(const lowbit::weight_set& weights, const std::vector<float>& x) {
  const std::size_t tokens = x.size() / k;
  lowbit::linear<Format, Arch> layer;
  lowbit::arena measure;
  REQUIRE(layer.load(measure, weights, lowbit::tensor_name("dense"), n, k).ok());
  const guarded<std::byte> memory(measure.used());
  lowbit::arena space(memory.data(), memory.size());
  const lowbit::status loaded = layer.load(space, weights, lowbit::tensor_name("dense"), n, k);
  INFO(loaded.message());
  REQUIRE(loaded.ok());
  REQUIRE(layer.outputs() == n);

  lowbit::encoded_rows<Format> rows;
  lowbit::arena row_measure;
  rows.plan(row_measure, tokens, k);
  const guarded<std::byte> row_memory(row_measure.used());
  lowbit::arena row_space(row_memory.data(), row_memory.size());
  rows.plan(row_space, tokens, k);
  lowbit::serial executor;
  lowbit::encode_rows<Arch>(rows, {x.data(), tokens, k, k}, tokens, layer.input(), executor,
                            lowbit::row_marks{});
  std::vector<float> out(tokens * n);
  layer.run(rows.first(tokens),
            layer.to_output(rows.scales) |
                lowbit::store{lowbit::matrix_view<float>{out.data(), tokens, n, n}},
            executor);
  return out;
}

struct layer_case {
  std::vector<float> w, bias, x;
  explicit layer_case(random_source& random)
      : w(random.floats(n * k, 0.0F, 0.3F)),
        bias(random.floats(n, 0.0F, 1.0F)),
        x(random.floats(m * k, 0.0F, 1.0F)) {
    for (float& v : w) v = random.below(100) < 80 ? 0.0F : v;
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("a sparse linear layer gives the bits of the dense one", "[linear][sparse]",
                        compiled_archs) {
  need_arch<TestType>();
  random_source random(600);
  CAPTURE(random.seed());
  const layer_case c(random);
  const auto check = [&]<class Codec, class Dense>(Codec, Dense) {
    const layer_tensors<Codec> sparse_file(c.w, c.bias);
    const layer_tensors<typename Dense::weights> dense_file(c.w, c.bias);
    using format = linear_format<Codec, typename Dense::input>;
    CAPTURE(Codec::name);
    CHECK(difference(output_of<format, TestType>(sparse_file.weights(), c.x),
                     output_of<Dense, TestType>(dense_file.weights(), c.x)) == "");
  };
  check(sparse<>{}, f32_format{});
  check(sparse<f32, block<16, 1>>{}, f32_format{});
  check(sparse<int8>{}, int8_format{});
  check(sparse<int8, block<16, 4>>{}, int8_format{});
}

TEMPLATE_LIST_TEST_CASE("a layer of many codecs runs the one that its file names",
                        "[linear][sparse]", compiled_archs) {
  need_arch<TestType>();
  random_source random(601);
  CAPTURE(random.seed());
  const layer_case c(random);
  using any = linear_format<any_of<f32, lowbit::bf16, sparse<>, sparse<f32, block<16, 1>>>,
                            activation::f32>;
  const auto check = [&]<class Codec>(Codec) {
    layer_tensors<Codec> file(c.w, c.bias);
    const auto expected =
        output_of<linear_format<Codec, activation::f32>, TestType>(file.weights(), c.x);
    file.name_format(Codec::name);
    CAPTURE(Codec::name);
    CHECK(difference(output_of<any, TestType>(file.weights(), c.x), expected) == "");
  };
  check(f32{});
  check(lowbit::bf16{});
  check(sparse<>{});
  check(sparse<f32, block<16, 1>>{});
  const layer_tensors<f32> plain(c.w, c.bias);  // names no format: f32
  CHECK(difference(output_of<any, TestType>(plain.weights(), c.x),
                   output_of<f32_format, TestType>(plain.weights(), c.x)) == "");

  using coded = linear_format<any_of<f32, lowbit::bf16, lowbit::f16, lowbit::codebook<8>,
                                     lowbit::codebook<256>, lowbit::gobo<3>, lowbit::gobo<4>>,
                              activation::f32>;
  const auto check_decoded =
      [&]<class Codec>(Codec) {  // decoded block by block, or once and for all
        layer_tensors<Codec> file(c.w, c.bias);
        std::vector<float> floats(n * k);
        typename Codec::reader reader;
        REQUIRE(reader.open(file.weights(), lowbit::tensor_name("dense.weight"), n, k).ok());
        for (std::size_t r = 0; r < n; ++r) reader.floats(r, floats.data() + r * k);
        const auto expected =
            output_of<f32_format, TestType>(layer_tensors<f32>(floats, c.bias).weights(), c.x);
        CAPTURE(lowbit::format_name<Codec>);
        CHECK(difference(
                  output_of<linear_format<Codec, activation::f32>, TestType>(file.weights(), c.x),
                  expected) == "");
        file.name_format(std::string(lowbit::format_name<Codec>));
        CHECK(difference(output_of<coded, TestType>(file.weights(), c.x), expected) == "");
      };
  check_decoded(lowbit::gobo<3>{});
  check_decoded(lowbit::gobo<4>{});
  check_decoded(lowbit::codebook<8>{});
  check_decoded(lowbit::codebook<256>{});
  check_decoded(lowbit::bf16{});
  check_decoded(lowbit::f16{});

  using groups = lowbit::int4<lowbit::scale::group<32>>;
  using any_integer =
      linear_format<any_of<int8, lowbit::int4<>, groups, sparse<int8>>, activation::int8_per_token>;
  layer_tensors<lowbit::int4<>> four(c.w, c.bias);
  const auto expected =
      output_of<linear_format<lowbit::int4<>, activation::int8_per_token>, TestType>(four.weights(),
                                                                                     c.x);
  four.name_format("int4");
  CHECK(difference(output_of<any_integer, TestType>(four.weights(), c.x), expected) == "");
  layer_tensors<groups> grouped(c.w, c.bias);
  const auto in_groups = output_of<linear_format<groups, activation::int8_per_token>, TestType>(
      grouped.weights(), c.x);
  CHECK(difference(in_groups, expected) != "");
  grouped.name_format("int4g32");
  CHECK(difference(output_of<any_integer, TestType>(grouped.weights(), c.x), in_groups) == "");
}

TEST_CASE("a sparse layer names the tensor or the format that does not fit", "[linear][sparse]") {
  random_source random(602);
  const layer_case c(random);
  layer_tensors<sparse<>> file(c.w, c.bias);
  lowbit::arena measure;
  lowbit::linear<linear_format<sparse<>, activation::f32>, lowbit::scalar> layer;
  expect_error(layer.load(measure, file.weights(), lowbit::tensor_name("dense"), n, k + 6),
               lowbit::errc::shape_mismatch, {"dense.weight.mask", "[50, 10]", "[50, 11]"});
  expect_error(layer.load(measure, file.weights(), lowbit::tensor_name("dense"), n + 1, k),
               lowbit::errc::shape_mismatch, {"dense.weight.offsets", "[1, 52]"});
  file.name_format("dense8");
  lowbit::linear<linear_format<any_of<f32, sparse<>>, activation::f32>, lowbit::scalar> any;
  expect_error(any.load(measure, file.weights(), lowbit::tensor_name("dense"), n, k),
               lowbit::errc::unsupported,
               {"dense.weight", "format \"dense8\" is not one of f32, sparse"});
}
