// SPDX-License-Identifier: Apache-2.0
// The entries of a zip archive in memory, as views of its bytes. Only stored (uncompressed) entries
// are accepted, because weights are read in place; nothing is ever inflated or extracted. Sizes and
// places come from the central directory, and every entry must lie in front of it without overlap.
//
// Format: PKWARE APPNOTE 6.3, sections 4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to
//         4.3.16 (zip64 and end records)
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/io/diagnostics.hpp"
#include "lowbit/io/tensor_view.hpp"

namespace lowbit::inline LOWBIT_ISA {

struct zip_entry {
  std::string_view name;
  std::span<const std::byte> data;
  std::size_t begin = 0;  ///< byte of the local header
  std::size_t end = 0;    ///< byte after the data
};

namespace detail {

class zip_reader {
 public:
  zip_reader(std::span<const std::byte> bytes, std::string_view name)
      : bytes_(bytes), name_(name) {}

  /// The entries, sorted by name.
  result<std::vector<zip_entry>> read() {
    LOWBIT_TRY(find_directory());
    std::vector<zip_entry> entries;
    std::size_t at = directory_;
    while (at < directory_end_) {
      LOWBIT_TRY_ASSIGN(const auto entry, read_entry(at));
      entries.push_back(entry);
    }
    if (entries.size() != count_) {
      return status::error(errc::malformed, name_, ": zip directory of ", entries.size(),
                           " entries, expected ", count_);
    }
    LOWBIT_TRY(check_apart(entries));
    return entries;
  }

 private:
  template <class T>
  [[nodiscard]] T load(std::size_t at) const {
    return load_unaligned<T>(bytes_.data() + at);
  }
  [[nodiscard]] std::uint32_t u16(std::size_t at) const { return load<std::uint16_t>(at); }
  [[nodiscard]] std::uint32_t u32(std::size_t at) const { return load<std::uint32_t>(at); }
  [[nodiscard]] std::uint64_t u64(std::size_t at) const { return load<std::uint64_t>(at); }
  [[nodiscard]] bool has(std::size_t at, std::size_t count) const {
    return at <= bytes_.size() && count <= bytes_.size() - at;
  }
  template <class... Parts>
  [[nodiscard]] status malformed(std::size_t at, const Parts&... parts) const {
    return status::error(errc::malformed, name_, ": byte ", at, ": ", parts...);
  }

  /// The end record is the last thing in the file but for a comment, whose length it states.
  status find_directory() {
    constexpr std::size_t record = 22;
    constexpr std::size_t longest_comment = 65535;
    const std::size_t last = bytes_.size() < record ? 0 : bytes_.size() - record;
    const std::size_t first = last > longest_comment ? last - longest_comment : 0;
    for (std::size_t at = last + 1; at-- > first && has(at, record);) {
      if (u32(at) != 0x06054b50U || u16(at + 20) != bytes_.size() - at - record) continue;
      std::uint64_t offset = u32(at + 16);
      std::uint64_t size = u32(at + 12);
      count_ = u16(at + 10);
      end_ = at;
      if (u16(at + 4) != u16(at + 6) || u16(at + 8) != u16(at + 10))
        return malformed(at, "zip archive in several parts, expected one");
      if (offset == saturated32 || size == saturated32 || count_ == 0xFFFFU)
        LOWBIT_TRY(read_zip64(at, offset, size));
      if (offset > end_ || size > end_ - offset) {
        return malformed(at, "zip directory of ", size, " bytes at ", offset,
                         ", expected it to end at most at ", end_);
      }
      directory_ = static_cast<std::size_t>(offset);
      directory_end_ = static_cast<std::size_t>(offset + size);
      return {};
    }
    return status::error(errc::malformed, name_,
                         ": begins as a zip archive but has no end record: the file is cut or "
                         "damaged; download it again");
  }

  status read_zip64(std::size_t at, std::uint64_t& offset, std::uint64_t& size) {
    constexpr std::size_t locator = 20;
    constexpr std::size_t record = 56;
    if (at < locator || u32(at - locator) != 0x07064b50U)
      return malformed(at, "no zip64 locator in front of the end record");
    const std::uint64_t place = u64(at - locator + 8);
    if (place > at - locator || at - locator - place < record)
      return malformed(at - locator, "zip64 end record at ", place, ", outside the file");
    end_ = static_cast<std::size_t>(place);
    if (u32(end_) != 0x06064b50U) return malformed(end_, "no zip64 end record");
    count_ = u64(end_ + 32);
    size = u64(end_ + 40);
    offset = u64(end_ + 48);
    return {};
  }

  /// Reads the directory entry at `at` and moves `at` behind it.
  result<zip_entry> read_entry(std::size_t& at) const {
    constexpr std::size_t header = 46;
    const std::size_t here = at;
    if (directory_end_ - at < header || u32(at) != 0x02014b50U)
      return malformed(here, "no zip directory entry, expected one");
    const std::size_t name_bytes = u16(at + 28);
    const std::size_t extra_bytes = u16(at + 30);
    const std::size_t all = header + name_bytes + extra_bytes + u16(at + 32);
    if (directory_end_ - at < all) return malformed(here, "zip directory entry is cut");
    zip_entry entry;
    entry.name = text(at + header, name_bytes);
    LOWBIT_TRY(check_name(here, entry.name));
    std::uint64_t stored = u32(at + 20);
    std::uint64_t size = u32(at + 24);
    std::uint64_t local = u32(at + 42);
    LOWBIT_TRY(widen(at + header + name_bytes, extra_bytes, {&size, &stored, &local}));
    if ((u16(at + 8) & 1U) != 0)
      return malformed(here, "zip entry ", quote_name(entry.name), " is encrypted");
    if (const auto method = u16(at + 10); method != 0) {
      return status::error(errc::unsupported, name_, ": byte ", here, ": zip entry ",
                           quote_name(entry.name), " is compressed (",
                           method == 8 ? "deflate" : "method " + std::to_string(method),
                           "), expected a stored one, as torch.save writes");
    }
    if (stored != size) {
      return malformed(here, "zip entry ", quote_name(entry.name), " stores ", stored,
                       " bytes, expected its size, ", size);
    }
    LOWBIT_TRY(find_data(here, local, size, entry));
    at += all;
    return entry;
  }

  /// Replaces saturated 32-bit fields by those in the zip64 extra field, which has only these.
  status widen(std::size_t at, std::size_t bytes,
               std::initializer_list<std::uint64_t*> fields) const {
    const std::size_t end = at + bytes;
    std::size_t from = 0;
    std::size_t left = 0;
    for (std::size_t field = at; end - field >= 4;) {
      const std::size_t size = u16(field + 2);
      if (size > end - field - 4) return malformed(field, "zip extra field is cut");
      if (u16(field) == 1) {
        from = field + 4;
        left = size;
        break;
      }
      field += 4 + size;
    }
    for (std::uint64_t* value : fields) {
      if (*value != saturated32) continue;
      if (left < 8) return malformed(at, "zip64 field is missing");
      *value = u64(from);
      from += 8;
      left -= 8;
    }
    return {};
  }

  status find_data(std::size_t here, std::uint64_t local, std::uint64_t size,
                   zip_entry& entry) const {
    constexpr std::size_t header = 30;
    if (local > directory_ || directory_ - local < header)
      return malformed(here, "zip entry ", quote_name(entry.name), " at ", local,
                       ", expected it in front of the directory at ", directory_);
    entry.begin = static_cast<std::size_t>(local);
    const std::size_t name_bytes = u16(entry.begin + 26);
    const std::size_t before = header + name_bytes + u16(entry.begin + 28);
    if (directory_ - entry.begin < before || u32(entry.begin) != 0x04034b50U ||
        text(entry.begin + header, name_bytes) != entry.name) {
      return malformed(entry.begin, "no local header of zip entry ", quote_name(entry.name));
    }
    if (size > directory_ - entry.begin - before) {
      return malformed(here, "zip entry ", quote_name(entry.name), " of ", size,
                       " bytes, expected at most ", directory_ - entry.begin - before);
    }
    entry.data = bytes_.subspan(entry.begin + before, static_cast<std::size_t>(size));
    entry.end = entry.begin + before + entry.data.size();
    return {};
  }

  /// Nothing is ever extracted, but an archive that tries to reach elsewhere is no model.
  status check_name(std::size_t at, std::string_view entry) const {
    bool plain = !entry.empty() && entry.find_first_of(std::string_view("\\\0", 2)) == entry.npos;
    for (std::size_t begin = 0; plain && begin <= entry.size();) {
      const std::size_t end = std::min(entry.find('/', begin), entry.size());
      const std::string_view part = entry.substr(begin, end - begin);
      plain = part != ".." && (begin != 0 || !part.empty());
      begin = end + 1;
    }
    if (plain) return {};
    return malformed(at, "zip entry ", quote_name(entry),
                     ", expected a relative name without .. in it");
  }

  /// Sorts the entries by name; neither a byte nor a name may belong to two.
  status check_apart(std::vector<zip_entry>& entries) const {
    std::sort(entries.begin(), entries.end(),
              [](const zip_entry& a, const zip_entry& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].begin < entries[i - 1].end)
        return malformed(entries[i].begin, "zip entries ", quote_name(entries[i - 1].name), " and ",
                         quote_name(entries[i].name), " overlap");
    }
    std::sort(entries.begin(), entries.end(),
              [](const zip_entry& a, const zip_entry& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < entries.size(); ++i) {
      if (entries[i].name == entries[i - 1].name)
        return malformed(entries[i].begin, "zip entry ", quote_name(entries[i].name),
                         " appears twice");
    }
    return {};
  }

  [[nodiscard]] std::string_view text(std::size_t at, std::size_t count) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + at, count};
  }

  static constexpr std::uint64_t saturated32 = 0xFFFFFFFFU;

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::uint64_t count_ = 0;
  std::size_t directory_ = 0;
  std::size_t directory_end_ = 0;
  std::size_t end_ = 0;  // where the end records begin
};

}  // namespace detail

/// The entries of an archive in bytes that the caller keeps alive, sorted by name; `name` (a path)
/// starts every message.
///
/// Errors: malformed for a cut or contradictory archive, or a name that reaches outside;
/// unsupported
///         for a compressed entry
/// Cost:   time linear in the directory but for a sort; 64 bytes of memory per entry
inline result<std::vector<zip_entry>> read_zip(std::span<const std::byte> bytes,
                                               std::string_view name) {
  return detail::without_exceptions(name, [&]() { return detail::zip_reader(bytes, name).read(); });
}

}  // namespace lowbit::inline LOWBIT_ISA
