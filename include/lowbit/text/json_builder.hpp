// SPDX-License-Identifier: Apache-2.0
// A JSON tree built from parser events. Must not know where the text comes from.
// The parser's own tree reader is not used: it lets the last of two equal keys win, which smuggles
// a second meaning past a reader that took the first; it has no limit of depth or size; and with a
// callback it looks through all earlier elements at the end of each nested one.
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
  /// Of that object; members of other names are checked, but not kept. Empty: all are kept.
  std::span<const std::string_view> members{};
};

namespace detail {

/// Errors of a builder do not name the file: the caller does.
class json_builder {
 public:
  using json = nlohmann::json;

  json_builder(std::size_t text_bytes, const json_limits& limits)
      : limits_(limits), budget_(base_budget + budget_per_byte * text_bytes) {}

  bool null() { return add(nullptr, 0); }
  bool boolean(bool value) { return add(value, 0); }
  bool number_integer(json::number_integer_t value) { return add(value, 0); }
  bool number_unsigned(json::number_unsigned_t value) { return add(value, 0); }
  bool number_float(json::number_float_t value, const std::string&) { return add(value, 0); }
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
    if (stack_.size() == 1 && !is_wanted(value)) {  // of the outermost object
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
  // A tree may take this many bytes: what files of real models need several times over, and a few
  // times the text whatever it says. Two bytes of text, [], are a node and a vector.
  static constexpr std::size_t base_budget = std::size_t{32} << 20;
  static constexpr std::size_t budget_per_byte = 8;
  /// A member is a node of a red-black tree: three pointers and a colour, key and value.
  static constexpr std::size_t member_bytes = 5 * sizeof(void*) + sizeof(std::string);

  /// Of an allocation of this size: allocators keep its size beside it.
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

  /// Puts a value where the text has it and remembers the place.
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
  std::size_t skipped_depth_ = 0;  // arrays and objects that are open inside a member to skip
  bool skip_next_ = false;         // the value of a member to skip
  std::size_t values_ = 0;
  std::size_t used_ = 0;
  status error_;
};

/// The JSON value that `text` is.
///
/// Errors: malformed for bad syntax or UTF-8, two equal keys in one object, bytes after the value,
///         a limit that is passed, or what the text is instead of JSON. Throws: no memory.
/// Cost:   at most limits.values tree nodes and a few times the bytes of the text, whatever it says
[[nodiscard]] inline result<nlohmann::json> build_json(std::string_view text,
                                                       const json_limits& limits) {
  if (text.size() > limits.bytes) {
    return status::error(errc::malformed, text.size(), " bytes of JSON, expected at most ",
                         limits.bytes);
  }
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos) {  // ends a parse
    return unless_foreign(
        text, status::error(errc::malformed, "not valid JSON at byte ", zero, ": a zero byte"));
  }
  json_builder builder(text.size(), limits);
  const bool complete = nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  auto value = builder.finish(complete);
  if (!value) return unless_foreign(text, value.status());
  return value;
}

}  // namespace detail
}  // namespace lowbit::inline LOWBIT_ISA
