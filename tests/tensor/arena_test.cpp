// SPDX-License-Identifier: Apache-2.0
#include "lowbit/tensor/arena.hpp"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>

#include "../support/guarded.hpp"

namespace {

struct layout {
  float* floats;
  char* one;
  lowbit::matrix_view<std::int32_t> matrix;
  lowbit::vector_view<lowbit::word> nothing;
};
constexpr layout plan(lowbit::arena& memory) {
  layout l{};
  l.floats = memory.take<float>(17);
  l.one = memory.take<char>(1);
  l.matrix = memory.take_matrix<std::int32_t>(3, 5, 16);
  l.nothing = memory.take_vector<lowbit::word>(0);
  return l;
}
constexpr std::size_t planned_bytes() {
  lowbit::arena measure;
  plan(measure);
  return measure.used();
}
static_assert(planned_bytes() == 128 + 64 + 192);

}  // namespace

TEST_CASE("an arena hands out what it measured, aligned and without overlap", "[arena]") {
  const lowbit_test::guarded<std::byte> memory(planned_bytes());
  lowbit::arena space(memory.data(), memory.size());
  const layout l = plan(space);
  CHECK(space.used() == planned_bytes());
  CHECK_FALSE(space.measuring());
  for (const void* p : {static_cast<const void*>(l.floats), static_cast<const void*>(l.one),
                        static_cast<const void*>(l.matrix.data)}) {
    CHECK(reinterpret_cast<std::uintptr_t>(p) % lowbit::buffer_alignment == 0);
  }
  CHECK(reinterpret_cast<std::byte*>(l.floats + 17) <= reinterpret_cast<std::byte*>(l.one));
  CHECK(l.one + 1 <= reinterpret_cast<char*>(l.matrix.data));
  CHECK(reinterpret_cast<std::byte*>(l.matrix.row(2) + 16) == memory.end());
  CHECK(&l.matrix(1, 4) == l.matrix.data + 20);
  CHECK(&l.matrix.rows_from(1, 2)(1, 0) == l.matrix.row(2));
}

TEST_CASE("a rewound arena hands out the same memory again", "[arena]") {
  lowbit::aligned_buffer buffer(256);
  REQUIRE(buffer.data() != nullptr);
  lowbit::arena space(buffer.data(), buffer.size());
  CHECK(space.take<char>(1) == reinterpret_cast<char*>(buffer.data()));
  const std::size_t mark = space.position();
  const float* first = space.take<float>(4);
  space.rewind(mark);
  CHECK(space.used() == 128);  // the most that was ever taken, what a buffer must hold
  CHECK(space.take<float>(30) == first);
  CHECK(space.used() == 192);
}

TEST_CASE("float rows are whole vectors and never a multiple of 1 KiB apart", "[arena]") {
  for (std::size_t cols = 1; cols < 5000; ++cols) {
    const std::size_t stride = lowbit::float_stride(cols);
    REQUIRE(stride >= cols);
    REQUIRE(stride < cols + 2 * lowbit::virtual_lanes);
    REQUIRE(stride % lowbit::virtual_lanes == 0);
    REQUIRE(stride * sizeof(float) % 1024 != 0);
  }
}

TEST_CASE("an aligned buffer without memory has no bytes", "[arena]") {
  // A caller that compares sizes must not take it for one that is large enough.
  const lowbit::aligned_buffer buffer(std::size_t{1} << 60);
  CHECK(buffer.data() == nullptr);
  CHECK(buffer.size() == 0);
}

TEST_CASE("an aligned buffer may be empty and is aligned", "[arena]") {
  for (const std::size_t bytes : {0U, 1U, 64U, 1000U}) {
    const lowbit::aligned_buffer buffer(bytes);
    REQUIRE(buffer.data() != nullptr);
    CHECK(buffer.size() == bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % lowbit::buffer_alignment == 0);
  }
}
