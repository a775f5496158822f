// SPDX-License-Identifier: Apache-2.0
// Bad data gives a message, never a crash: inputs outside their tables, workspaces one byte too
// small, tensors that are missing or have another shape, type or stray bits.
#include <catch2/catch_test_macros.hpp>

#include "../support/archs.hpp"
#include "../support/compare.hpp"
#include "../support/two_threads.hpp"
#include "random_model.hpp"

namespace {

using namespace lowbit_test;
using lowbit::errc;
using lowbit::status;
using lowbit::policy::bibert;
using lowbit::policy::bit;
using lowbit::policy::fp32;

constexpr lowbit::model_shape shape = ragged_shape();

// Memory can be sized when compiling.
constexpr lowbit::batch_limits one_sentence{16, 1, 16, 1};
template <class Policy>
constexpr std::size_t bytes =
    lowbit::classifier<Policy, lowbit::scalar>::workspace_bytes(shape, one_sentence);
static_assert(bytes<fp32> > 0 && bytes<fp32> % lowbit::buffer_alignment == 0);
static_assert(bytes<bibert> < bytes<fp32>);
static_assert(bytes<lowbit::policy::bibert_plus_one> < bytes<bibert>);
static_assert(bytes<bit> > 0);
static_assert(lowbit::classifier<bibert, lowbit::scalar>::workspace_bytes(shape, {17, 2, 16, 1}) >
              bytes<bibert>);
static_assert(lowbit::classifier<bibert, lowbit::scalar>::workspace_bytes(shape, {16, 1, 16, 2}) >
              bytes<bibert>);
alignas(lowbit::buffer_alignment) std::byte static_workspace[bytes<bibert>];

/// A run with one thing wrong; the logits must stay as they are.
struct input_case {
  std::vector<std::int32_t> ids{1, 2, 3, 4, 5}, types{0, 1, 0, 1, 0}, positions{0, 1, 2, 0, 1};
  std::vector<std::uint32_t> offsets{0, 3, 5}, valid;

  [[nodiscard]] status run() const {
    static const tensor_store tensors = random_model<bibert>(shape, 400);
    static const loaded_model<bibert, lowbit::scalar> loaded(tensors, shape);
    const lowbit::token_input in{
        ids.data(),
        types.data(),
        positions.data(),
        {offsets.data(), offsets.size() - 1, valid.empty() ? nullptr : valid.data()}};
    two_threads serial{1};
    const guarded<std::byte> memory(1 << 20);
    const canary_matrix<float> logits(in.batch.sentences, shape.labels, shape.labels + 1);
    const status s = loaded.model.run(in, memory.data(), memory.size(), logits.view(), serial);
    CHECK(logits.damage() == "");
    if (!s.ok()) CHECK(s.code() == errc::invalid_argument);
    return s;
  }
};

template <class Policy>
status load(const tensor_store& tensors, const lowbit::model_shape& s = shape) {
  using model = lowbit::classifier<Policy, lowbit::scalar>;
  const guarded<std::byte> memory(model::model_bytes(tensors.weights(), s));
  lowbit::arena space(memory.data(), memory.size());
  model m;
  return m.load(space, tensors.weights(), s);
}

/// A model whose packed weights were stored and moved, with the tables that stay beside them.
template <class Policy>
struct stored_image {
  using model = lowbit::classifier<Policy, lowbit::scalar>;
  static constexpr std::size_t bytes = model::image_bytes(shape);
  static constexpr std::size_t object_bytes = model::object_bytes(shape);

  guarded<std::byte> memory{bytes}, objects{object_bytes};
  tensor_store tables;

  explicit stored_image(std::uint64_t seed) : tables(random_model<Policy>(shape, seed)) {
    const guarded<std::byte> first(bytes), used(object_bytes);
    model m;
    const status packed =
        m.pack_image(first.data(), bytes, used.data(), object_bytes, tables.weights(), shape);
    INFO(packed.message());
    REQUIRE(packed.ok());
    std::memcpy(memory.data(), first.data(), bytes);
    std::vector<std::string> names;
    for (const lowbit::stored_tensor& t : tables.weights()) {
      const std::string name = t.name;
      const bool embedding =
          name.starts_with("bert.embeddings.") && !name.starts_with("bert.embeddings.LayerNorm");
      if (!embedding && t.elements() != 1) names.push_back(name);
    }
    for (const std::string& name : names) tables.remove(name);
  }
  status use(model& m, const lowbit::model_shape& s = shape) const {
    return m.use_image({memory.data(), bytes}, objects.data(), object_bytes, tables.weights(), s);
  }
};

}  // namespace

TEST_CASE("a token id, type or position outside its table is named", "[model][errors]") {
  CHECK(input_case{}.run().ok());
  input_case c;
  SECTION("ids") {
    c.ids[3] = -1;
    CHECK(c.run().message() == "token id -1 at token 3, expected 0 to 96");
    c.ids[3] = 97;
    CHECK(c.run().message() == "token id 97 at token 3, expected 0 to 96");
    c.ids[3] = INT32_MIN;
    CHECK(c.run().message() == "token id -2147483648 at token 3, expected 0 to 96");
    c.ids[3] = 96;
    CHECK(c.run().ok());
  }
  SECTION("types") {
    c.types[4] = 2;
    CHECK(c.run().message() == "token type 2 at token 4, expected 0 to 1");
    c.types[4] = -1;
    CHECK(c.run().message() == "token type -1 at token 4, expected 0 to 1");
  }
  SECTION("positions") {
    c.positions[0] = 70;
    CHECK(c.run().message() == "position 70 at token 0, expected 0 to 69");
    c.positions[0] = -1;
    CHECK(c.run().message() == "position -1 at token 0, expected 0 to 69");
    c.positions[0] = 69;
    CHECK(c.run().ok());
  }
}

TEST_CASE("an empty or over-long sentence is named, no sentence at all is no work",
          "[model][errors]") {
  input_case c;
  SECTION("empty") {
    c.offsets = {0, 3, 3, 5};
    CHECK(c.run().message() == "sentence 1 has no tokens");
  }
  SECTION("over-long") {
    c.ids.assign(75, 1);
    c.types.assign(75, 0);
    c.positions.assign(75, 0);
    c.offsets = {0, 5, 75};
    CHECK(c.run().ok());  // 70 fit
    c.offsets = {0, 4, 75};
    CHECK(c.run().message() == "sentence 1 has 71 tokens, the model takes at most 70");
  }
  SECTION("falling offsets") {
    c.offsets = {0, 5, 3};
    CHECK_FALSE(c.run().ok());
  }
  SECTION("padded") {
    c.valid = {2, 2};
    CHECK(c.run().message() == "a padded batch, this policy takes sentences without padding");
  }
  SECTION("nothing") {
    c.offsets = {0};
    CHECK(c.run().ok());
  }
}

TEST_CASE("a workspace of the exact size passes, one byte less names the bytes needed",
          "[model][errors]") {
  random_source random(410);
  const tensor_store tensors = random_model<bibert>(shape, 411);
  const loaded_model<bibert, lowbit::scalar> loaded(tensors, shape);
  const std::vector<sentence> sentences{random_sentence(shape, 16, random)};
  const std::size_t order[] = {0};
  const packed_batch batch(sentences, order);
  const canary_matrix<float> logits(1, shape.labels, shape.labels);
  const auto run = [&](auto& executor, std::byte* memory, std::size_t n) {
    return loaded.model.run(batch.input(), memory, n, logits.view(), executor);
  };
  const auto check = [&](auto& executor) {
    const std::size_t needed = loaded.model.workspace_bytes(shape, {16, 1, 16, executor.workers()});
    const guarded<std::byte> memory(needed);
    CHECK(run(executor, memory.data(), needed).ok());
    const status s = run(executor, memory.data(), needed - 1);
    CHECK(s.code() == errc::workspace_too_small);
    CHECK(s.message() == "workspace of " + std::to_string(needed - 1) +
                             " bytes, this batch needs " + std::to_string(needed));
    for (const std::size_t bytes : {std::size_t{0}, needed}) {
      const status none = run(executor, nullptr, bytes);
      CHECK(none.code() == errc::workspace_too_small);
      CHECK(none.message().starts_with("workspace of 0 bytes"));
    }
  };
  two_threads serial{1};
  two_threads pair;
  check(serial);
  check(pair);
  CHECK(run(serial, static_workspace, sizeof static_workspace).ok());
}

TEST_CASE("a missing tensor is named, whichever it is", "[model][errors]") {
  const auto check = [&]<class Policy>(Policy) {
    std::vector<std::string> names;
    const tensor_store all = random_model<Policy>(shape, 420);
    for (const lowbit::stored_tensor& t : all.weights()) names.emplace_back(t.name);
    for (const std::string& name : names) {
      tensor_store tensors = random_model<Policy>(shape, 420);
      tensors.remove(name);
      const status s = load<Policy>(tensors);
      CHECK(s.code() == errc::not_found);
      CHECK(s.message() == "tensor " + name + " is missing");
    }
  };
  check(fp32{});
  check(bibert{});
  check(bit{});
}

TEST_CASE("a tensor of another shape or type is named, whichever it is", "[model][errors]") {
  const auto check = [&]<class Policy>(Policy) {
    std::vector<std::string> names;
    const tensor_store all = random_model<Policy>(shape, 430);
    for (const lowbit::stored_tensor& t : all.weights()) names.emplace_back(t.name);
    for (const std::string& name : names) {
      tensor_store tensors = random_model<Policy>(shape, 430);
      lowbit::stored_tensor& t = tensors.descriptor(name);
      CAPTURE(name);
      ++t.shape[0];
      status s = load<Policy>(tensors);
      CHECK(s.code() == errc::shape_mismatch);
      CHECK(s.message().starts_with("tensor " + name + " has shape ["));
      --t.shape[0];
      t.type = t.type == lowbit::element_type::f32 ? lowbit::element_type::u8
                                                   : lowbit::element_type::f32;
      s = load<Policy>(tensors);
      CHECK(s.code() == errc::malformed);
      CHECK(s.message().starts_with("tensor " + name + " is "));
    }
  };
  check(fp32{});
  check(bibert{});
  check(bit{});
}

TEST_CASE("set pad bits are named by tensor and row", "[model][errors]") {
  tensor_store tensors = random_model<bibert>(shape, 440);
  tensors.bytes("bert.encoder.layer.1.output.dense.weight.codes")[11 * 45 - 1] |= std::byte{0x80};
  const status s = load<bibert>(tensors);
  CHECK(s.code() == errc::malformed);
  CHECK(s.message() ==
        "tensor bert.encoder.layer.1.output.dense.weight.codes row 44 has bits set past column 83");
}

TEST_CASE("pad bits of the word table do not reach the sum", "[model][errors]") {
  const tensor_store tensors = random_model<bibert>(shape, 450);
  tensor_store padded = random_model<bibert>(shape, 450);
  auto& codes = padded.bytes("bert.embeddings.word_embeddings.weight.codes");
  for (std::size_t row = 0; row < shape.vocabulary; ++row) codes[row * 6 + 5] |= std::byte{0xE0};
  const status s = load<bibert>(padded);
  if (!s.ok()) {  // refusing them is as good
    CHECK(s.message().starts_with("tensor bert.embeddings.word_embeddings.weight.codes"));
    return;
  }
  const loaded_model<bibert, lowbit::scalar> a(tensors, shape);
  const loaded_model<bibert, lowbit::scalar> b(padded, shape);
  random_source random(451);
  const std::vector<sentence> sentences{random_sentence(shape, 16, random)};
  const std::size_t order[] = {0};
  const packed_batch batch(sentences, order);
  two_threads serial{1};
  CHECK(difference(run_model(a.model, batch.input(), serial),
                   run_model(b.model, batch.input(), serial)) == "");
}

TEST_CASE("a shape that cannot be is refused with the field's name", "[model][errors]") {
  const tensor_store tensors = random_model<bibert>(shape, 460);
  lowbit::model_shape s = shape;
  s.heads = 4;
  CHECK(load<bibert>(tensors, s).message() ==
        "hidden_size 45 is not a multiple of num_attention_heads 4");
  s = shape;
  s.layers = 0;
  CHECK(load<bibert>(tensors, s).message() == "num_hidden_layers is 0, expected 1 to 1024");
  s = shape;
  s.vocabulary = (1 << 24) + 1;
  CHECK(load<bibert>(tensors, s).message() == "vocab_size is 16777217, expected 1 to 16777216");
  s = shape;
  s.layer_norm_eps = 0.0F;
  CHECK(load<bibert>(tensors, s).message() == "layer_norm_eps is not between 0 and 1");
}

TEST_CASE("an image of packed weights is used where it is and gives the same logits",
          "[model][image]") {
  random_source random(450);
  const std::vector<sentence> sentences{random_sentence(shape, 16, random)};
  const std::size_t order[] = {0};
  const packed_batch batch(sentences, order);
  const auto check = [&]<class Policy>(Policy) {
    const stored_image<Policy> image(451);
    const std::vector<std::byte> before(image.memory.begin(), image.memory.end());
    typename stored_image<Policy>::model stored;
    const status used = image.use(stored);
    INFO(used.message());
    REQUIRE(used.ok());
    const tensor_store tensors = random_model<Policy>(shape, 451);
    const loaded_model<Policy, lowbit::scalar> loaded(tensors, shape);
    two_threads serial{1};
    CHECK(run_model(stored, batch.input(), serial) ==
          run_model(loaded.model, batch.input(), serial));
    CHECK(std::equal(before.begin(), before.end(), image.memory.begin()));  // read-only
    // Objects and image make up what a loaded model takes.
    CHECK(loaded.memory.size() == image.bytes - sizeof(lowbit::image_header) + image.object_bytes);
  };
  check(bibert{});
  check(bit{});
}

TEST_CASE("an image for something else is refused with what it is for", "[model][image]") {
  const stored_image<bibert> image(460);
  stored_image<bibert>::model m;
  auto* header = reinterpret_cast<lowbit::image_header*>(image.memory.data());
  const lowbit::image_header good = *header;
  const auto refused = [&](const std::string& message) {
    const status s = image.use(m);
    CHECK(s.code() == errc::malformed);
    CHECK(s.message() == message);
    *header = good;
  };
  std::memcpy(header->layout, "avx512", 7);
  refused("image packed for avx512, this program runs on scalar");
  std::memcpy(header->policy, "bit\0\0\0", 7);
  refused("image of policy bit, expected bibert");
  header->magic[7] = '2';
  refused("not an image of packed weights");
  ++header->bytes;
  refused("image of " + std::to_string(image.bytes) + " bytes whose header says " +
          std::to_string(image.bytes + 1) + ", expected " + std::to_string(image.bytes));
  lowbit::model_shape other = shape;
  other.heads = 5;
  CHECK(image.use(m, other).message() == "image of a model with another shape");
  CHECK(m.use_image({image.memory.data(), 3}, nullptr, 0, {}, shape).message() ==
        "image of 3 bytes, expected " + std::to_string(image.bytes));
  const std::size_t needed = image.object_bytes;
  const status s = m.use_image({image.memory.data(), image.bytes}, image.objects.data(), needed - 1,
                               image.tables.weights(), shape);
  CHECK(s.code() == errc::workspace_too_small);
  CHECK(s.message() == "memory for objects of " + std::to_string(needed - 1) +
                           " bytes, this model needs " + std::to_string(needed));
  CHECK(m.pack_image(image.memory.data(), 100, image.objects.data(), needed, {}, shape).message() ==
        "image of 100 bytes, this model needs " + std::to_string(image.bytes));
  CHECK(image.use(m).ok());
}
