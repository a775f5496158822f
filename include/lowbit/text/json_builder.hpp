// SPDX-License-Identifier: Apache-2.0
// Builds a JSON tree from parser events, independent of the source of the text. nlohmann's own tree
// builder is not used because it keeps the last of duplicate keys, so another reader that keeps the
// first would see a different document; because it has no limits on depth or size; and because with
// a callback it scans all earlier elements at the end of each nested one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/text/foreign_file.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct json_limits {
  std::size_t bytes = 100'000'000;
  std::size_t depth = 64;
  std::size_t values = 4'000'000;
  bool object = false;  ///< the text must be an object
  /// Members of that object to keep; others are checked but dropped. Empty: keep all.
  std::span<const std::string_view> members{};
  /// Reads numbers that are no integers; nullptr: the nearest double.
  double (*decimal)(std::string_view) = nullptr;
};

namespace detail {

/// Errors do not name the file; the caller adds its name.
class json_builder {
 public:
  using json = nlohmann::json;

  json_builder(std::size_t text_bytes, const json_limits& limits)
      : limits_(limits), budget_(base_budget + budget_per_byte * text_bytes) {}

  bool null() { return add(nullptr, 0); }
  bool boolean(bool value) { return add(value, 0); }
  bool number_integer(json::number_integer_t value) { return add(value, 0); }
  bool number_unsigned(json::number_unsigned_t value) { return add(value, 0); }
  bool number_float(json::number_float_t value, const std::string& text) {
    return add(limits_.decimal == nullptr ? value : limits_.decimal(text), 0);
  }
  bool string(std::string& value) {
    const std::size_t bytes = block_bytes(sizeof value) + heap_bytes(value);
    return add(std::move(value), bytes);
  }
  bool binary(json::binary_t&) { return false; }  // never sent for JSON text
  bool start_object(std::size_t) {
    return open(json::object(), block_bytes(sizeof(json::object_t)));
  }
  bool end_object() { return close(); }
  bool start_array(std::size_t) { return open(json::array(), block_bytes(sizeof(json::array_t))); }
  bool end_array() { return close(); }

  bool key(std::string& value) {
    if (skipped_depth_ != 0) return true;
    if (stack_.size() == 1 && !is_wanted(value)) {  // members of the outermost object
      skip_next_ = true;
      return true;
    }
    if (!take(member_bytes + heap_bytes(value))) return false;
    const auto [place, inserted] = stack_.back()->emplace(value, nullptr);
    if (!inserted) {
      error_ = status::error(errc::malformed, "key \"", std::string_view(value).substr(0, 120),
                             "\" appears twice");
      return false;
    }
    value_of_key_ = &*place;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const json::exception& error) {
    std::string_view what = error.what();
    if (const auto tag = what.find("] "); tag != std::string_view::npos)
      what.remove_prefix(tag + 2);
    error_ = status::error(errc::malformed, "not valid JSON at byte ", position, ": ",
                           what.substr(0, 200));
    return false;
  }

  [[nodiscard]] result<json> finish(bool complete) {
    if (!error_.ok()) return error_;
    if (!complete) return status::error(errc::malformed, "not valid JSON");
    return std::move(root_);
  }

 private:
  // Memory limit of a tree: several times what files of real models need, plus a few times the size
  // of the text. Two bytes of text, [], already take a node and a vector.
  static constexpr std::size_t base_budget = std::size_t{32} << 20;
  static constexpr std::size_t budget_per_byte = 8;
  /// A member is a red-black tree node: three pointers and a colour, key and value.
  static constexpr std::size_t member_bytes = 5 * sizeof(void*) + sizeof(std::string);

  /// Bytes of an allocation, including the allocator's size field.
  [[nodiscard]] static constexpr std::size_t block_bytes(std::size_t bytes) {
    return bytes + sizeof(void*);
  }
  [[nodiscard]] static std::size_t heap_bytes(const std::string& text) {
    return text.size() < 16 ? 0 : block_bytes(text.size() + 1);
  }
  [[nodiscard]] bool is_wanted(std::string_view member) const {
    return limits_.members.empty() || !root_.is_object() ||
           std::find(limits_.members.begin(), limits_.members.end(), member) !=
               limits_.members.end();
  }

  bool take(std::size_t bytes) {
    if (bytes <= budget_ - used_) {
      used_ += bytes;
      return true;
    }
    error_ = status::error(errc::malformed, "JSON values that take more than ", budget_,
                           " bytes of memory, the limit for a text of this size");
    return false;
  }

  /// Adds a value at the current position and remembers its address.
  bool add(json value, std::size_t bytes) {
    if (skipped_depth_ != 0) return true;
    if (std::exchange(skip_next_, false)) return true;
    if (++values_ > limits_.values) {
      error_ =
          status::error(errc::malformed, "more than ", limits_.values, " JSON values, the limit");
      return false;
    }
    if (!take(sizeof(json) + bytes)) return false;
    if (stack_.empty()) {
      if (limits_.object && !value.is_object()) {
        error_ = status::error(errc::malformed, "JSON ", value.type_name(), ", expected an object");
        return false;
      }
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

  bool open(json empty, std::size_t bytes) {
    if (stack_.size() + skipped_depth_ == limits_.depth) {
      error_ =
          status::error(errc::malformed, "JSON nested deeper than ", limits_.depth, ", the limit");
      return false;
    }
    if (skip_next_ || skipped_depth_ != 0) {
      skip_next_ = false;
      ++skipped_depth_;
      return true;
    }
    if (!add(std::move(empty), bytes)) return false;
    stack_.push_back(last_);
    return true;
  }

  bool close() {
    if (skipped_depth_ != 0) {
      --skipped_depth_;
    } else {
      stack_.pop_back();
    }
    return true;
  }

  json_limits limits_;
  std::size_t budget_;
  json root_;
  json* last_ = nullptr;
  json* value_of_key_ = nullptr;
  std::vector<json*> stack_;  // open arrays and objects; only the last one grows, so none moves
  std::size_t skipped_depth_ = 0;  // nesting depth inside a skipped member
  bool skip_next_ = false;         // the next value belongs to a skipped member
  std::size_t values_ = 0;
  std::size_t used_ = 0;
  status error_;
};

/// Parses `text` as one JSON value.
///
/// Errors: malformed for bad syntax or UTF-8, duplicate keys in an object, bytes after the value,
/// an
///         exceeded limit; if the text is a known other file type, the message says so. Throws:
///         std::bad_alloc.
/// Cost:   at most limits.values tree nodes and a few times the bytes of the text
[[nodiscard]] inline result<nlohmann::json> build_json(std::string_view text,
                                                       const json_limits& limits) {
  if (text.size() > limits.bytes) {
    return unless_foreign(text, expected_file::json,
                          status::error(errc::malformed, text.size(),
                                        " bytes of JSON, expected at most ", limits.bytes));
  }
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {  // ends parsing
    return unless_foreign(
        text, expected_file::json,
        status::error(errc::malformed, "not valid JSON at byte ", zero, ": a zero byte"));
  }
  json_builder builder(text.size(), limits);
  const bool complete = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  auto value = builder.finish(complete);
  if (!value) return unless_foreign(text, expected_file::json, value.status());
  return value;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
