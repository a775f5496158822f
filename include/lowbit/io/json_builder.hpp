// SPDX-License-Identifier: Apache-2.0
// A JSON tree built from parser events. Must not know where the text comes from.
// The parser's own tree reader is not used: it lets the last of two equal keys win, which smuggles
// a second meaning past a reader that took the first, and it has no limit of depth or size.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct json_limits {
  std::size_t bytes = 100'000'000;
  std::size_t depth = 64;
  std::size_t values = 4'000'000;  ///< 2 bytes of text can become a tree node of 16 bytes
};

namespace detail {

class json_builder {
 public:
  using json = nlohmann::json;

  json_builder(std::string_view name, const json_limits& limits) : name_(name), limits_(limits) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(json::number_integer_t value) { return add(value); }
  bool number_unsigned(json::number_unsigned_t value) { return add(value); }
  bool number_float(json::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(json::binary_t&) { return false; }  // never sent for JSON text
  bool start_object(std::size_t) { return open(json::object()); }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_array() { return close(); }

  bool key(std::string& value) {
    const auto [place, inserted] = stack_.back()->emplace(value, nullptr);
    if (!inserted) {
      error_ = status::error(errc::malformed, name_, ": key ", quote_name(value), " appears twice");
      return false;
    }
    value_of_key_ = &*place;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception& error) {
    std::string_view what = error.what();
    if (const auto tag = what.find("] "); tag != std::string_view::npos)
      what.remove_prefix(tag + 2);
    error_ = status::error(errc::malformed, name_, ": not valid JSON at byte ", position, ": ",
                           printable(what, 200));
    return false;
  }

  [[nodiscard]] result<json> finish(bool complete) {
    if (!error_.ok()) return error_;
    if (!complete) return status::error(errc::malformed, name_, ": not valid JSON");
    return std::move(root_);
  }

 private:
  /// Puts a value where the text has it and remembers the place.
  bool add(json value) {
    if (++values_ > limits_.values) {
      error_ = status::error(errc::malformed, name_, ": more than ", limits_.values,
                             " JSON values, the limit");
      return false;
    }
    if (stack_.empty()) {
      root_ = std::move(value);
      last_ = &root_;
    } else if (stack_.back()->is_array()) {
      stack_.back()->push_back(std::move(value));
      last_ = &stack_.back()->back();
    } else {
      *value_of_key_ = std::move(value);
      last_ = value_of_key_;
    }
    return true;
  }

  bool open(json empty) {
    if (stack_.size() == limits_.depth) {
      error_ = status::error(errc::malformed, name_, ": JSON nested deeper than ", limits_.depth,
                             ", the limit");
      return false;
    }
    if (!add(std::move(empty))) return false;
    stack_.push_back(last_);
    return true;
  }

  bool close() {
    stack_.pop_back();
    return true;
  }

  std::string_view name_;
  json_limits limits_;
  json root_;
  json* last_ = nullptr;
  json* value_of_key_ = nullptr;
  std::vector<json*> stack_;  // open arrays and objects; only the last one grows, so none moves
  std::size_t values_ = 0;
  status error_;
};

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
