// SPDX-License-Identifier: Apache-2.0
// The part of Catch2 that the tests of archs and kernels use, in one header, so that they run on a
// processor for which no Catch2 library is installed. Every section runs in order, once.
#pragma once

#include <cstdio>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace plain_tests {

struct test_case {
  std::string name;
  std::string_view tags;
  void (*run)();
};
inline std::vector<test_case>& cases() {
  static std::vector<test_case> all;
  return all;
}
inline bool add(std::string name, std::string_view tags, void (*run)()) {
  cases().push_back({std::move(name), tags, run});
  return true;
}

struct skipped {};
struct failed {};
inline std::string information;  // of the last INFO
inline std::size_t failures = 0;
inline std::size_t checks = 0;

inline bool check(bool holds, const char* file, int line, const char* expression) {
  ++checks;
  if (!holds) {
    ++failures;
    std::printf("%s:%d: FAILED: %s\n  %s\n", file, line, expression, information.c_str());
  }
  return holds;
}

template <class List>
struct each_type;
template <class... Types>
struct each_type<std::tuple<Types...>> {
  template <class Add>
  static bool add(Add add_case) {
    (add_case(std::type_identity<Types>{}), ...);
    return true;
  }
};

}  // namespace plain_tests

#define PLAIN_CASE(id, name, tags)                                                    \
  static void plain_case_##id();                                                      \
  static const bool plain_added_##id = plain_tests::add(name, tags, plain_case_##id); \
  static void plain_case_##id()
#define PLAIN_TYPED(id, title, tags, list)                                                        \
  template <class TestType>                                                                       \
  static void plain_case_##id();                                                                  \
  static const bool plain_added_##id =                                                            \
      plain_tests::each_type<list>::add([]<class Type>(std::type_identity<Type>) {                \
        plain_tests::add(std::string(Type::name) + ": " + (title), tags, &plain_case_##id<Type>); \
      });                                                                                         \
  template <class TestType>                                                                       \
  static void plain_case_##id()
// Another level, which expands __LINE__.
#define PLAIN_CASE_AT(line, ...) PLAIN_CASE(line, __VA_ARGS__)
#define PLAIN_TYPED_AT(line, ...) PLAIN_TYPED(line, __VA_ARGS__)
#define TEST_CASE(...) PLAIN_CASE_AT(__LINE__, __VA_ARGS__)
#define TEMPLATE_LIST_TEST_CASE(...) PLAIN_TYPED_AT(__LINE__, __VA_ARGS__)

#define SECTION(name) if (static_cast<void>(name); true)
#define INFO(...)                                \
  do {                                           \
    std::ostringstream plain_text;               \
    plain_text << __VA_ARGS__;                   \
    plain_tests::information = plain_text.str(); \
  } while (false)
#define CAPTURE(...) static_cast<void>(0)
#define CHECK(...) plain_tests::check(bool(__VA_ARGS__), __FILE__, __LINE__, #__VA_ARGS__)
#define CHECK_FALSE(...) \
  plain_tests::check(!bool(__VA_ARGS__), __FILE__, __LINE__, "not " #__VA_ARGS__)
#define REQUIRE(...)                                      \
  do {                                                    \
    if (!CHECK(__VA_ARGS__)) throw plain_tests::failed(); \
  } while (false)
#define REQUIRE_FALSE(...)                                      \
  do {                                                          \
    if (!CHECK_FALSE(__VA_ARGS__)) throw plain_tests::failed(); \
  } while (false)
#define STATIC_REQUIRE(...) static_assert(__VA_ARGS__)
#define STATIC_REQUIRE_FALSE(...) static_assert(!(__VA_ARGS__))
#define SKIP(...) throw plain_tests::skipped()
#define FAIL(...)      \
  do {                 \
    INFO(__VA_ARGS__); \
    REQUIRE(false);    \
  } while (false)
