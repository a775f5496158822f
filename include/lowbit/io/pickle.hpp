// SPDX-License-Identifier: Apache-2.0
// A machine for the few pickle instructions that files of tensors need. It executes nothing: a
// pickle may only make numbers, strings, tuples, lists, dictionaries and the objects of
// pickle_function; any other instruction, and any other function, is an error that names it and its
// place. Values are small and copied, containers are numbers of their items: nesting, sharing and
// cycles cost no more than their bytes in the file.
//
// Format: Python's pickletools.py; what torch.save writes: torch/serialization.py
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/pickle_values.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// Runs one pickle at the start of `bytes`.
class pickle_machine {
 public:
  /// `base`: the place of `bytes` in the file `name`, for messages. Both are kept by reference.
  pickle_machine(std::span<const std::byte> bytes, std::size_t base, std::string_view name)
      : bytes_(bytes), base_(base), name_(name) {}

  /// Errors: malformed for a pickle that is cut or contradicts itself; unsupported for an
  /// instruction
  ///         or function that tensors do not need
  /// Cost:   time n log n in the bytes of the pickle, at most 64 bytes of memory per byte
  result<pickle_value> run() {
    for (;;) {
      here_ = at_;
      const auto code = take(1);
      if (!code) return cut();
      if (**code == '.')
        return stack_.size() == 1 && marks_.empty() ? result(stack_[0]) : unbalanced();
      if (const status done = step(static_cast<unsigned char>(**code)); !done.ok()) return done;
    }
  }

  /// Bytes that run() has read.
  [[nodiscard]] std::size_t size() const { return at_; }
  [[nodiscard]] std::string_view text(const pickle_value& value) const {
    return {chars() + value.number, value.count};
  }
  [[nodiscard]] std::span<const pickle_value> children(const pickle_value& value) const {
    return std::span(children_).subspan(static_cast<std::size_t>(value.number), value.count);
  }
  /// Items of all containers, in the order in which they were added.
  [[nodiscard]] std::span<const pickle_item> items() const { return items_; }
  [[nodiscard]] std::span<const pickle_value> storages() const { return storages_; }

 private:
  using purpose = pickle_function::purpose;

  [[nodiscard]] const char* chars() const { return reinterpret_cast<const char*>(bytes_.data()); }

  template <class... Parts>
  [[nodiscard]] status error(errc code, const Parts&... parts) const {
    return status::error(code, name_, ": byte ", base_ + here_, ": ", parts...);
  }
  [[nodiscard]] status cut() const {
    return error(errc::malformed, "the pickle is cut: the file ends too early");
  }
  [[nodiscard]] status unbalanced() const {
    return error(errc::malformed, "pickle instruction without its operands");
  }

  /// The next `count` bytes.
  std::optional<const char*> take(std::uint64_t count) {
    if (count > bytes_.size() - at_) return std::nullopt;
    const char* from = chars() + at_;
    at_ += static_cast<std::size_t>(count);
    return from;
  }
  template <class T>
  status read(T& value) {
    const auto from = take(sizeof value);
    if (!from) return cut();
    std::memcpy(&value, *from, sizeof value);
    return {};
  }

  void push(pickle_value value) { stack_.push_back(value); }
  void push(pickle_kind kind, std::int64_t number, std::size_t count = 0) {
    push({kind, static_cast<std::uint32_t>(count), number});
  }

  template <class Length>
  status push_text() {
    Length length = 0;
    LOWBIT_TRY(read(length));
    const std::size_t begin = at_;
    if (length > std::numeric_limits<std::uint32_t>::max() || !take(length)) return cut();
    push(pickle_kind::text, static_cast<std::int64_t>(begin), static_cast<std::size_t>(length));
    return {};
  }
  template <class T>
  status push_integer() {
    T value = 0;
    LOWBIT_TRY(read(value));
    push(pickle_kind::integer, value);
    return {};
  }
  /// A little-endian number of any length. One that does not fit becomes the largest: no size or
  /// offset is as large.
  status push_long() {
    std::uint8_t length = 0;
    LOWBIT_TRY(read(length));
    const auto from = take(length);
    if (!from) return cut();
    std::uint64_t value = length != 0 && (*from)[length - 1] < 0 ? ~std::uint64_t{0} : 0;
    if (length <= sizeof value) {
      if (length != 0) std::memcpy(&value, *from, length);
    } else {
      value = std::numeric_limits<std::int64_t>::max();
    }
    push(pickle_kind::integer, static_cast<std::int64_t>(value));
    return {};
  }

  status push_function(std::string_view module, std::string_view name) {
    for (std::size_t i = 0; i < pickle_functions.size(); ++i) {
      if (pickle_functions[i].module != module || pickle_functions[i].name != name) continue;
      push(pickle_kind::function, static_cast<std::int64_t>(i));
      return {};
    }
    return error(errc::unsupported, "function ",
                 detail::quote_name(std::string(module) + "." + std::string(name)),
                 ", expected only those that make tensors; nothing in the file was executed");
  }
  status push_global() {
    std::string_view parts[2];
    for (std::string_view& part : parts) {
      const std::size_t begin = at_;
      const std::string_view rest(chars() + begin, bytes_.size() - begin);
      const std::size_t end = rest.find('\n');
      if (end == rest.npos) return cut();
      part = rest.substr(0, end);
      at_ += end + 1;
    }
    return push_function(parts[0], parts[1]);
  }

  /// Removes the top `count` values and makes them children.
  pickle_value pop_children(pickle_kind kind, std::size_t count) {
    const auto first = static_cast<std::int64_t>(children_.size());
    children_.insert(children_.end(), stack_.end() - static_cast<std::ptrdiff_t>(count),
                     stack_.end());
    stack_.resize(stack_.size() - count);
    return {kind, static_cast<std::uint32_t>(count), first};
  }
  [[nodiscard]] bool has(std::size_t count) const {
    return stack_.size() - (marks_.empty() ? 0 : marks_.back()) >= count;
  }
  status make_tuple(std::size_t count) {
    if (!has(count)) return unbalanced();
    push(pop_children(pickle_kind::tuple, count));
    return {};
  }
  /// The number of values above the last mark, which is removed.
  std::optional<std::size_t> pop_mark() {
    if (marks_.empty()) return std::nullopt;
    const std::size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return count;
  }

  /// Moves the top `count` values into the container below them.
  status add_items(pickle_kind kind, std::optional<std::size_t> count) {
    const std::size_t width = kind == pickle_kind::dict ? 2 : 1;
    if (!count || *count % width != 0 || !has(*count + 1)) return unbalanced();
    const std::size_t first = stack_.size() - *count;
    const pickle_value container = stack_[first - 1];
    if (container.kind != kind)
      return error(errc::malformed, "items of ", name_of(container.kind), ", expected ",
                   name_of(kind));
    for (std::size_t i = first; i < stack_.size(); i += width) {
      pickle_item item{container.number, {}, stack_[i + width - 1]};
      if (width == 2) item.key = stack_[i];
      items_.push_back(item);
    }
    stack_.resize(first);
    return {};
  }

  status remember(std::uint32_t index) {
    if (!has(1)) return unbalanced();
    memo_[index] = stack_.back();
    return {};
  }
  template <class Index>
  status remember() {
    Index index = 0;
    LOWBIT_TRY(read(index));
    return remember(index);
  }
  template <class Index>
  status recall() {
    Index index = 0;
    LOWBIT_TRY(read(index));
    const auto found = memo_.find(index);
    if (found == memo_.end())
      return error(errc::malformed, "no value was stored as number ", index);
    push(found->second);
    return {};
  }

  /// Replaces a function and its arguments by what it makes.
  status call() {
    if (!has(2)) return unbalanced();
    const pickle_value arguments = stack_.back();
    const pickle_value function = stack_[stack_.size() - 2];
    if (function.kind != pickle_kind::function || arguments.kind != pickle_kind::tuple)
      return error(errc::malformed, "call of ", name_of(function.kind), " with ",
                   name_of(arguments.kind), ", expected a function and a tuple");
    stack_.resize(stack_.size() - 2);
    const pickle_function& f = pickle_functions[static_cast<std::size_t>(function.number)];
    const auto given = children(arguments);
    if (f.use == purpose::ordered_dict && given.empty()) {
      push(pickle_kind::dict, containers_++);
    } else if (f.use == purpose::tensor && (given.size() == 6 || given.size() == 7)) {
      push({pickle_kind::tensor, arguments.count, arguments.number});
    } else if (f.use == purpose::parameter && given.size() == 3 &&
               given[0].kind == pickle_kind::tensor) {
      push(given[0]);
    } else {
      return error(
          errc::unsupported, "call of ", f.module, ".", f.name, " with ", given.size(),
          " arguments, expected a dictionary, tensor or parameter as torch.save writes it");
    }
    return {};
  }
  /// Attributes of a dictionary (torch's _metadata) are dropped.
  status set_attributes() {
    if (!has(2)) return unbalanced();
    const pickle_kind target = stack_[stack_.size() - 2].kind;
    if (target != pickle_kind::dict || stack_.back().kind != pickle_kind::dict)
      return error(errc::unsupported, "attributes of ", name_of(target),
                   ", expected only those of a dictionary");
    stack_.pop_back();
    return {};
  }
  status make_storage() {
    if (!has(1)) return unbalanced();
    if (stack_.back().kind != pickle_kind::tuple)
      return error(errc::malformed, "persistent id is ", name_of(stack_.back().kind),
                   ", expected a tuple");
    stack_.back().kind = pickle_kind::storage;
    storages_.push_back(stack_.back());
    return {};
  }
  status start() {
    std::uint8_t version = 0;
    LOWBIT_TRY(read(version));
    if (version >= 2 && version <= 5) return {};
    return error(errc::unsupported, "pickle protocol ", version, ", expected 2 to 5");
  }

  status step(unsigned char code) {
    switch (code) {
      case 0x80:  // PROTO
        return start();
      case 0x95:  // FRAME
        return take(8) ? status() : cut();
      case 'N':
        push(pickle_kind::none, 0);
        return {};
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        push(pickle_kind::boolean, code == 0x88 ? 1 : 0);
        return {};
      case 'K':
        return push_integer<std::uint8_t>();
      case 'M':
        return push_integer<std::uint16_t>();
      case 'J':
        return push_integer<std::int32_t>();
      case 0x8a:  // LONG1
        return push_long();
      case 0x8c:  // SHORT_BINUNICODE
      case 'U':   // SHORT_BINSTRING, of Python 2
        return push_text<std::uint8_t>();
      case 'X':
      case 'T':  // BINSTRING, of Python 2
        return push_text<std::uint32_t>();
      case 0x8d:  // BINUNICODE8
        return push_text<std::uint64_t>();
      case '(':
        marks_.push_back(stack_.size());
        return {};
      case ')':
        return make_tuple(0);
      case 0x85:  // TUPLE1, TUPLE2, TUPLE3
      case 0x86:
      case 0x87:
        return make_tuple(code - 0x84U);
      case 't': {
        const auto count = pop_mark();
        return count ? make_tuple(*count) : unbalanced();
      }
      case '}':
      case ']':
        push(code == '}' ? pickle_kind::dict : pickle_kind::list, containers_++);
        return {};
      case 's':
      case 'u':
        return add_items(pickle_kind::dict, code == 's' ? 2 : pop_mark());
      case 'a':
      case 'e':
        return add_items(pickle_kind::list, code == 'a' ? 1 : pop_mark());
      case 'q':
        return remember<std::uint8_t>();
      case 'r':
        return remember<std::uint32_t>();
      case 0x94:  // MEMOIZE
        return remember(static_cast<std::uint32_t>(memo_.size()));
      case 'h':
        return recall<std::uint8_t>();
      case 'j':
        return recall<std::uint32_t>();
      case 'c':
        return push_global();
      case 0x93: {  // STACK_GLOBAL
        if (!has(2)) return unbalanced();
        const pickle_value name = stack_.back();
        const pickle_value module = stack_[stack_.size() - 2];
        if (name.kind != pickle_kind::text || module.kind != pickle_kind::text) return unbalanced();
        stack_.resize(stack_.size() - 2);
        return push_function(text(module), text(name));
      }
      case 'R':
        return call();
      case 'b':
        return set_attributes();
      case 'Q':
        return make_storage();
      default:
        return error(errc::unsupported, "pickle instruction ", static_cast<unsigned>(code),
                     ", expected only those that make tensors; nothing in the file was executed");
    }
  }

  std::span<const std::byte> bytes_;
  std::size_t base_;
  std::string_view name_;
  std::size_t at_ = 0;
  std::size_t here_ = 0;  // the instruction that runs
  std::int64_t containers_ = 0;
  std::vector<pickle_value> stack_;
  std::vector<std::size_t> marks_;  // sizes of the stack
  std::map<std::uint32_t, pickle_value> memo_;
  std::vector<pickle_value> children_;
  std::vector<pickle_item> items_;
  std::vector<pickle_value> storages_;
};

}  // namespace lowbit::inline LOWBIT_ISA
