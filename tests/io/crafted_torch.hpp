// SPDX-License-Identifier: Apache-2.0
// Files of torch.save made by hand: zip archives of stored entries, and the pickle of one tensor.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace crafted {

struct zip_member {
  std::string name, data;
  unsigned method = 0;
  unsigned flags = 0;
};

inline std::string little_endian(std::uint64_t value, unsigned bytes) {
  std::string out;
  for (unsigned i = 0; i < bytes; ++i) {
    out += static_cast<char>(value & 255U);
    value >>= 8U;
  }
  return out;
}

/// `wide`: every size and place stands in zip64 fields.
inline std::string zip(const std::vector<zip_member>& members, bool wide = false) {
  const auto le = little_endian;
  constexpr std::uint64_t saturated = 0xFFFFFFFF;
  std::string file, directory;
  for (const zip_member& m : members) {
    const std::string shared = le(20, 2) + le(m.flags, 2) + le(m.method, 2) + le(0, 8);
    const std::string sizes = le(m.data.size(), 4) + le(m.data.size(), 4) + le(m.name.size(), 2);
    directory += "PK\1\2" + le(20, 2) + shared;
    if (wide) {
      directory += le(saturated, 4) + le(saturated, 4) + le(m.name.size(), 2) + le(28, 2) +
                   le(0, 10) + le(saturated, 4) + m.name + le(1, 2) + le(24, 2) +
                   le(m.data.size(), 8) + le(m.data.size(), 8) + le(file.size(), 8);
    } else {
      directory += sizes + le(0, 12) + le(file.size(), 4) + m.name;
    }
    file += "PK\3\4" + shared + sizes + le(0, 2) + m.name + m.data;
  }
  const std::uint64_t begin = file.size();
  file += directory;
  const std::uint64_t end = file.size();
  if (wide) {
    file += "PK\6\6" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(members.size(), 8) +
            le(members.size(), 8) + le(directory.size(), 8) + le(begin, 8);
    file += "PK\6\7" + le(0, 4) + le(end, 8) + le(1, 4);
  }
  const std::uint64_t count = wide ? 0xFFFF : members.size();
  return file + "PK\5\6" + le(0, 4) + le(count, 2) + le(count, 2) +
         le(wide ? saturated : directory.size(), 4) + le(wide ? saturated : begin, 4) + le(0, 2);
}

inline std::string pickled(std::string_view text) {
  return "X" + little_endian(text.size(), 4) + std::string(text);
}
inline std::string pickled(std::int32_t value) {
  return "J" + little_endian(static_cast<std::uint32_t>(value), 4);
}
inline std::string pickled(const std::vector<std::int32_t>& values) {
  std::string out = "(";
  for (const std::int32_t value : values) out += pickled(value);
  return out + "t";
}

/// A float tensor in storage "0" of `count` elements.
inline std::string pickled_tensor(std::int32_t count, std::int32_t offset,
                                  const std::vector<std::int32_t>& shape,
                                  const std::vector<std::int32_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n((" + pickled("storage") + "ctorch\nFloatStorage\n" +
         pickled("0") + pickled("cpu") + pickled(count) + "tQ" + pickled(offset) + pickled(shape) +
         pickled(strides) + "\x89}tR";
}

/// A pickle of a dictionary; `items`: pairs of keys and values.
inline std::string pickled_dict(const std::string& items) { return "\x80\2}(" + items + "u."; }

/// The file of a pickle and storage "0" with `floats` floats.
inline std::string torch_zip(const std::string& pickle, std::size_t floats) {
  return zip({{"m/data.pkl", pickle}, {"m/data/0", std::string(4 * floats, '\0')}});
}

}  // namespace crafted
