// SPDX-License-Identifier: Apache-2.0
// Reader of the files that torch.save writes (pytorch_model.bin): a dictionary of tensors, in the
// zip form of PyTorch 1.6 and later or in the form before it. Independent of the meaning of
// tensors. Nothing is executed (io/pickle.hpp). Contiguous tensors are views of the mapped file,
// tied ones of the same bytes; the others (a transposed matrix) are copied, at most as many bytes
// as the file has.
//
// Format: torch/serialization.py, torch/_utils.py (_rebuild_tensor_v2) of PyTorch 2.8
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/bits.hpp"
#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/mapped_file.hpp"
#include "lowbit/io/pickle.hpp"
#include "lowbit/io/strided_elements.hpp"
#include "lowbit/io/tensor_view.hpp"
#include "lowbit/io/zip_archive.hpp"
#include "lowbit/text/foreign_file.hpp"

namespace lowbit::inline LOWBIT_ISA {

/// An open file of torch.save. Views stay valid while this object lives, even after a move.
class torch_file {
 public:
  /// Maps and validates a file.
  ///
  /// Errors: those of mapped_file::open; malformed for a violation of the format; unsupported for a
  ///         pickle that makes anything but a dictionary of tensors, and for compressed entries
  static result<torch_file> open(const std::filesystem::path& path) {
    LOWBIT_TRY_ASSIGN(auto mapping, mapped_file::open(path));
    auto file = parse(mapping.bytes(), path.native());
    if (file) file->mapping_ = std::move(mapping);
    return file;
  }

  /// Validates bytes that the caller keeps alive; `name` starts every message.
  static result<torch_file> parse(std::span<const std::byte> bytes, std::string name) {
    return detail::without_exceptions(name, [&]() -> result<torch_file> {
      torch_file file;
      file.name_ = std::make_shared<const std::string>(name);
      LOWBIT_TRY(file.read(bytes));
      return file;
    });
  }

  /// Sorted by name (byte order); names are unique.
  [[nodiscard]] std::span<const tensor_view> tensors() const { return tensors_; }
  /// The tensor, or nullptr.
  [[nodiscard]] const tensor_view* find(std::string_view name) const {
    return detail::find_sorted(tensors_, name);
  }
  /// See mapped_file::release_pages; no effect for parse()d bytes.
  void release_pages() const { mapping_.release_pages(); }

 private:
  /// Bytes of the storages by key.
  using storage_map = std::map<std::string_view, std::span<const std::byte>>;
  static constexpr std::size_t largest_pickle = std::size_t{1} << 22U;  // 30,000 tensors

  template <class... Parts>
  [[nodiscard]] status error(errc code, const Parts&... parts) const {
    return status::error(code, *name_, ": ", parts...);
  }

  status read(std::span<const std::byte> bytes) {
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    copy_budget_ = bytes.size();
    if (all.starts_with("PK\3\4")) return read_archive(bytes);
    if (is_legacy(all)) return read_legacy(bytes);
    if (all.starts_with('\x80'))
      return error(errc::malformed, "a Python pickle without the magic number of torch.save");
    const auto unknown =
        status::error(errc::malformed, "neither a zip archive nor the magic number of torch.save");
    return detail::unless_foreign(all, detail::expected_file::weights, unknown).in(*name_);
  }

  // --- The zip form: NAME/data.pkl and one entry per storage, NAME/data/KEY

  status read_archive(std::span<const std::byte> bytes) {
    LOWBIT_TRY_ASSIGN(const auto entries, read_zip(bytes, *name_));
    constexpr std::string_view suffix = "/data.pkl";
    const zip_entry* pickle = nullptr;
    for (const zip_entry& entry : entries) {
      if (!entry.name.ends_with(suffix)) continue;
      if (pickle != nullptr) return error(errc::malformed, "two entries data.pkl, expected one");
      pickle = &entry;
    }
    if (pickle == nullptr)
      return error(errc::unsupported,
                   "a zip archive without an entry data.pkl: not a file of torch.save");
    const std::string prefix(pickle->name.substr(0, pickle->name.size() + 1 - suffix.size()));
    const std::string data = prefix + "data/";
    storage_map storages;
    for (const zip_entry& entry : entries) {
      if (entry.name.starts_with(data))
        storages.emplace(entry.name.substr(data.size()), entry.data);
      if (entry.name == prefix + "constants.pkl")
        return error(errc::unsupported,
                     "a TorchScript program, expected a dictionary of tensors: "
                     "torch.save(model.state_dict(), ..)");
      if (entry.name != prefix + "byteorder") continue;
      const std::string_view order(reinterpret_cast<const char*>(entry.data.data()),
                                   entry.data.size());
      if (order != "little")
        return error(errc::unsupported, "byteorder is ", detail::quote_name(order),
                     ", expected \"little\"");
    }
    if (pickle->data.size() > largest_pickle) return too_large(pickle->data.size());
    const auto base = static_cast<std::size_t>(pickle->data.data() - bytes.data());
    pickle_machine machine(pickle->data, base, *name_);
    LOWBIT_TRY_ASSIGN(const auto root, machine.run());
    return read_tensors(machine, root, storages);
  }

  [[nodiscard]] status too_large(std::size_t size) const {
    return error(errc::unsupported, "pickle of ", size, " bytes, expected at most ",
                 largest_pickle);
  }

  // --- The form before PyTorch 1.6: pickles of a magic number, the protocol, a description of the
  //     system, the dictionary and the storages' keys; then for each key the number of elements in
  //     8 bytes, and the elements

  static bool is_legacy(std::string_view all) {
    constexpr std::string_view magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    return all.starts_with('\x80') && all.size() > 2 && all.substr(2).starts_with(magic);
  }

  status read_legacy(std::span<const std::byte> bytes) {
    std::size_t at = 15;  // behind the magic number
    const auto next = [&] {
      const auto rest = bytes.subspan(at);
      return pickle_machine(rest.first(std::min(rest.size(), largest_pickle)), at, *name_);
    };
    pickle_machine protocol = next();
    LOWBIT_TRY_ASSIGN(const auto version, protocol.run());
    if (version.kind != pickle_kind::integer || version.number != 1001)
      return error(errc::unsupported, "another protocol of torch.save, expected 1001");
    at += protocol.size();
    pickle_machine system = next();
    LOWBIT_TRY_ASSIGN(const auto described, system.run());
    for (const pickle_item& item : system.items()) {
      const bool order =
          item.key.kind == pickle_kind::text && system.text(item.key) == "little_endian";
      if (order && item.container == described.number && item.value.number != 1)
        return error(errc::unsupported, "little_endian is false, expected true");
    }
    at += system.size();
    pickle_machine machine = next();
    LOWBIT_TRY_ASSIGN(const auto root, machine.run());
    at += machine.size();
    pickle_machine keys = next();
    LOWBIT_TRY_ASSIGN(const auto list, keys.run());
    at += keys.size();
    std::map<std::string_view, std::size_t> element_bytes;
    for (const pickle_value& id : machine.storages()) {
      LOWBIT_TRY_ASSIGN(const auto storage, read_storage(machine, id, "a storage"));
      element_bytes[storage.key] = size_of(storage.type);
    }
    storage_map storages;
    for (const pickle_item& item : keys.items()) {
      if (item.container != list.number || item.value.kind != pickle_kind::text) continue;
      const auto key = keys.text(item.value);
      const auto element = element_bytes.find(key);
      if (element == element_bytes.end())
        return error(errc::malformed, "storage ", detail::quote_name(key), " has no type");
      std::size_t size = 0;
      const auto rest = bytes.subspan(at);
      if (rest.size() < sizeof(std::uint64_t) ||
          !checked_multiply(detail::load_unaligned<std::uint64_t>(rest.data()), element->second,
                            size) ||
          size > rest.size() - sizeof(std::uint64_t)) {
        return error(
            errc::malformed, "byte ", at, ": storage ", detail::quote_name(key),
            " is larger than the rest of the file: it is cut or damaged; download it again");
      }
      if (!storages.emplace(key, rest.subspan(sizeof(std::uint64_t), size)).second)
        return error(errc::malformed, "storage ", detail::quote_name(key), " appears twice");
      at += sizeof(std::uint64_t) + size;
    }
    return read_tensors(machine, root, storages);
  }

  // --- Tensors

  struct storage_id {
    std::string_view key;
    element_type type = element_type::f32;
    std::size_t count = 0;
  };

  /// ("storage", type, key, location, elements), in older files also a view, which must be None.
  [[nodiscard]] result<storage_id> read_storage(const pickle_machine& machine,
                                                const pickle_value& id,
                                                std::string_view place) const {
    using kind = pickle_kind;
    const auto parts =
        id.kind == kind::storage ? machine.children(id) : std::span<const pickle_value>();
    const bool sound = (parts.size() == 5 || parts.size() == 6) && parts[0].kind == kind::text &&
                       machine.text(parts[0]) == "storage" && parts[1].kind == kind::function &&
                       parts[2].kind == kind::text && parts[4].kind == kind::integer &&
                       parts[4].number >= 0 && parts.back().kind != kind::tuple;
    if (!sound)
      return error(errc::unsupported, place, ": no storage as torch.save writes it, expected one");
    const pickle_function& type = pickle_functions[static_cast<std::size_t>(parts[1].number)];
    if (type.use != pickle_function::purpose::storage)
      return error(errc::malformed, place, ": storage of type ", type.name);
    return storage_id{machine.text(parts[2]), type.type, static_cast<std::size_t>(parts[4].number)};
  }

  static std::optional<std::vector<std::size_t>> read_sizes(const pickle_machine& machine,
                                                            const pickle_value& tuple) {
    if (tuple.kind != pickle_kind::tuple || tuple.count > detail::strided_elements::dimensions)
      return std::nullopt;
    std::vector<std::size_t> sizes;
    for (const pickle_value& size : machine.children(tuple)) {
      if (size.kind != pickle_kind::integer || size.number < 0) return std::nullopt;
      sizes.push_back(static_cast<std::size_t>(size.number));
    }
    return sizes;
  }

  status read_tensors(const pickle_machine& machine, const pickle_value& root,
                      const storage_map& storages) {
    if (root.kind != pickle_kind::dict)
      return error(errc::unsupported, "holds ", name_of(root.kind),
                   ", expected a dictionary of tensors: torch.save(model.state_dict(), ..)");
    std::map<std::string_view, pickle_value> by_name;
    for (const pickle_item& item : machine.items()) {
      if (item.container != root.number) continue;
      if (item.key.kind != pickle_kind::text)
        return error(errc::malformed, "a key is ", name_of(item.key.kind), ", expected a name");
      const auto key = machine.text(item.key);
      if (!by_name.emplace(key, item.value).second)
        return error(errc::malformed, "tensor ", detail::quote_name(key), " appears twice");
      if (item.value.kind != pickle_kind::tensor)
        return error(errc::unsupported, detail::quote_name(key), " is ", name_of(item.value.kind),
                     ", expected a tensor: torch.save(model.state_dict(), ..)");
    }
    for (const auto& [key, value] : by_name) {
      tensor_view tensor{std::string(key), element_type::f32, {}, {}, name_};
      LOWBIT_TRY(read_tensor(machine, machine.children(value), storages, tensor));
      tensors_.push_back(std::move(tensor));
    }
    return {};
  }

  /// `arguments`: storage, offset, shape, strides, requires_grad, hooks and, in newer files,
  /// metadata.
  status read_tensor(const pickle_machine& machine, std::span<const pickle_value> arguments,
                     const storage_map& storages, tensor_view& tensor) {
    const std::string place = "tensor " + detail::quote_name(tensor.name);
    LOWBIT_TRY_ASSIGN(const auto id, read_storage(machine, arguments[0], place));
    auto shape = read_sizes(machine, arguments[2]);
    auto strides = read_sizes(machine, arguments[3]);
    if (arguments[1].kind != pickle_kind::integer || arguments[1].number < 0 || !shape ||
        !strides || shape->size() != strides->size()) {
      return error(errc::malformed, place, ": no offset, shape and strides of at most ",
                   detail::strided_elements::dimensions, " dimensions, expected them");
    }
    if (arguments.size() == 7 && arguments[6].kind != pickle_kind::none)
      return error(errc::unsupported, place, ": has metadata (a negated or conjugated view?)");
    const auto found = storages.find(id.key);
    if (found == storages.end())
      return error(errc::not_found, place, ": the file has no storage ",
                   detail::quote_name(id.key));
    const std::size_t element = size_of(id.type);
    if (found->second.size() % element != 0 || found->second.size() / element != id.count) {
      return error(errc::malformed, place, ": storage ", detail::quote_name(id.key), " has ",
                   found->second.size(), " bytes, expected ", id.count, " elements of ", element);
    }
    const auto bytes = detail::tensor_bytes(id.type, *shape);
    if (!bytes)
      return error(errc::malformed, place, ": shape ", detail::shape_text(*shape),
                   " has more bytes than can be counted");
    tensor.type = id.type;
    tensor.shape = *shape;
    if (*bytes == 0) return {};
    const detail::strided_elements elements{static_cast<std::size_t>(arguments[1].number),
                                            *std::move(shape), *std::move(strides)};
    const auto end = elements.end();
    if (!end || *end > id.count)
      return error(errc::malformed, place, ": shape ", detail::shape_text(tensor.shape),
                   " reaches outside its storage of ", id.count, " elements");
    if (elements.contiguous()) {
      tensor.data = found->second.subspan(elements.first * element, *bytes);
      return {};
    }
    if (*bytes > copy_budget_)
      return error(errc::unsupported, place,
                   ": tensors that are not contiguous have more bytes "
                   "than the file, expected fewer");
    copy_budget_ -= *bytes;
    copies_.push_back(std::make_unique<std::byte[]>(*bytes));
    const std::span<std::byte> copy(copies_.back().get(), *bytes);
    elements.copy(found->second, element, copy);
    tensor.data = copy;
    return {};
  }

  mapped_file mapping_;
  std::shared_ptr<const std::string> name_;
  std::vector<std::unique_ptr<std::byte[]>> copies_;
  std::size_t copy_budget_ = 0;
  std::vector<tensor_view> tensors_;
};

}  // namespace lowbit::inline LOWBIT_ISA
