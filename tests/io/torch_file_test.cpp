// SPDX-License-Identifier: Apache-2.0
// Files that torch.save wrote (golden/make-torch.py), and what no torch.save would write.
#include "lowbit/io/torch_file.hpp"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "crafted.hpp"
#include "crafted_torch.hpp"
#include "expect_error.hpp"
#include "lowbit/io/safetensors.hpp"

using lowbit::errc;
using lowbit::torch_file;
using namespace crafted;

namespace {

std::filesystem::path golden(const char* name) {
  return std::filesystem::path(__FILE__).parent_path() / "golden" / name;
}

lowbit::result<torch_file> parse_torch(std::string_view file) {
  return torch_file::parse(std::as_bytes(std::span(file)), "f.bin");
}
void refuse_torch(std::string_view file, errc code, std::initializer_list<std::string_view> parts) {
  const auto opened = parse_torch(file);
  REQUIRE_FALSE(opened.ok());
  expect_error(opened.status(), code, parts);
  CHECK(opened.status().message().starts_with("f.bin: "));
}
/// The file of one tensor "a".
std::string one(std::int32_t count, std::int32_t offset, const std::vector<std::int32_t>& shape,
                const std::vector<std::int32_t>& strides, std::size_t floats) {
  return torch_zip(pickled_dict(pickled("a") + pickled_tensor(count, offset, shape, strides)),
                   floats);
}
const std::string sound = pickled("a") + pickled_tensor(4, 0, {2, 2}, {2, 1});

}  // namespace

TEST_CASE("files of torch.save have the tensors of the safetensors file", "[io][torch]") {
  const auto expected = lowbit::safetensors_file::open(golden("tensors.safetensors")).value();
  REQUIRE(expected.tensors().size() == 24);
  for (const char* name : {"zip.bin", "zip_protocol4.bin", "legacy.bin"}) {
    INFO(name);
    auto opened = torch_file::open(golden(name));
    INFO(opened.status().message());
    REQUIRE(opened.ok());
    const torch_file file = *std::move(opened);  // views survive a move
    REQUIRE(file.tensors().size() == expected.tensors().size());
    for (const lowbit::tensor_view& e : expected.tensors()) {
      INFO(e.name);
      const lowbit::tensor_view* t = file.find(e.name);
      REQUIRE(t != nullptr);
      CHECK(t->type == e.type);
      CHECK(t->shape == e.shape);
      CHECK(std::equal(t->data.begin(), t->data.end(), e.data.begin(), e.data.end()));
    }
    CHECK(file.find("table")->data.data() == file.find("tied")->data.data());  // no copy
    CHECK(file.find("rows")->data.data() == file.find("table")->data.data() + 16);
    CHECK(file.find("b") == nullptr);
    file.release_pages();
    CHECK(file.find("table")->place() == golden(name).native() + ": tensor \"table\"");
  }
}

TEST_CASE("a file of torch.save that is cut anywhere is refused", "[io][torch][negative]") {
  for (const char* name : {"zip.bin", "legacy.bin"}) {
    const std::string whole = read(golden(name));
    for (std::size_t size = 0; size < whole.size(); ++size) {
      if (parse_torch(std::string_view(whole).substr(0, size)).ok())
        FAIL(name << ": accepted when cut at byte " << size);
    }
    refuse_torch(std::string_view(whole).substr(0, whole.size() - 1), errc::malformed, {"cut"});
  }
}

TEST_CASE("zip64 archives are read", "[io][torch]") {
  const std::vector<zip_member> members = {{"m/data.pkl", pickled_dict(sound)},
                                           {"m/data/0", std::string(16, 'x')}};
  const auto file = parse_torch(zip(members, true));
  INFO(file.status().message());
  REQUIRE(file.ok());
  CHECK(file->find("a")->data.size() == 16);
  const std::string wide = zip(members, true);
  for (const auto& [back, what] : {std::pair(22 + 20 + 56 - 48, "directory"),  // directory's place
                                   std::pair(22 + 20 + 56 - 40, "directory"),  // its size
                                   std::pair(22 + 20 + 56 - 32, "entries"),    // its entries
                                   std::pair(22 + 20 - 8, "zip64")}) {  // place of the end record
    std::string bad = wide;
    bad[bad.size() - static_cast<std::size_t>(back) + (back == 50 ? 7 : 6)] = '\x7F';
    refuse_torch(bad, errc::malformed, {what});
  }
}

TEST_CASE("zip archives that are no files of torch.save are refused", "[io][torch][negative]") {
  const std::string pickle = pickled_dict(sound);
  const std::string data(16, 'x');
  for (const char* name : {"/etc/passwd", "../x", "m/../x", "m/..", "m\\x", "..", ""})
    refuse_torch(zip({{"m/data.pkl", pickle}, {name, data}}), errc::malformed,
                 {"relative name", name});
  refuse_torch(zip({{"m/data.pkl", pickle}, {"m/data/0", data, 8}}), errc::unsupported,
               {"\"m/data/0\"", "deflate", "stored"});
  refuse_torch(zip({{"m/data.pkl", pickle}, {"m/data/0", data, 12}}), errc::unsupported,
               {"method 12"});
  refuse_torch(zip({{"m/data.pkl", pickle}, {"m/data/0", data, 0, 1}}), errc::malformed,
               {"encrypted"});
  refuse_torch(zip({{"m/data.pkl", pickle}, {"m/data/0", data}, {"m/data/0", data}}),
               errc::malformed, {"\"m/data/0\"", "twice"});
  refuse_torch(zip({{"m/data.pkl", pickle}, {"n/data.pkl", pickle}}), errc::malformed,
               {"two entries"});
  refuse_torch(zip({{"word/document.xml", data}}), errc::unsupported, {"data.pkl"});
  refuse_torch(zip({}), errc::malformed, {"neither"});
  refuse_torch(zip({{"m/data.pkl", pickle}, {"m/constants.pkl", ""}}), errc::unsupported,
               {"TorchScript", "state_dict"});
  refuse_torch(zip({{"m/data.pkl", pickle}, {"m/data/0", data}, {"m/byteorder", "big"}}),
               errc::unsupported, {"byteorder", "\"big\""});

  const std::string good = zip({{"m/data.pkl", pickle}, {"m/data/0", data}});
  REQUIRE(parse_torch(good).ok());
  const std::size_t last = good.rfind("PK\1\2");
  const std::size_t first = good.find("PK\1\2");
  const auto changed = [&](std::size_t at, std::string_view bytes) {
    std::string file = good;
    return file.replace(at, bytes.size(), bytes);
  };
  refuse_torch(changed(last + 42, std::string(4, '\0')), errc::malformed, {"no local header"});
  refuse_torch(changed(last + 42, little_endian(good.size(), 4)), errc::malformed, {"in front of"});
  refuse_torch(changed(last + 20, little_endian(127, 4) + little_endian(127, 4)), errc::malformed,
               {"of 127 bytes"});
  refuse_torch(changed(last + 20, "\x0F"), errc::malformed, {"stores 15 bytes"});
  refuse_torch(changed(first + 20, std::string(8, '\x7F')), errc::malformed, {"m/data.pkl"});
  refuse_torch(changed(first, "QK"), errc::malformed, {"directory entry"});
  refuse_torch(changed(good.size() - 14, little_endian(3, 2) + little_endian(3, 2)),
               errc::malformed, {"entries, expected"});
  refuse_torch(changed(good.size() - 6, "\xFE\xFF\xFF\x7F"), errc::malformed, {"zip directory"});
  // the second entry begins inside the data of the first
  const std::string inner = "PK\3\4" + std::string(22, '\0') + little_endian(8, 2) +
                            std::string(2, '\0') + "m/data/0" + data;
  const std::string outer = zip({{"m/x", inner}, {"m/data/0", data}});
  std::string overlapping = outer;
  overlapping.replace(outer.rfind("PK\1\2") + 42, 4, little_endian(outer.find(inner), 4));
  refuse_torch(overlapping, errc::malformed, {"\"m/x\"", "\"m/data/0\"", "overlap"});
}

TEST_CASE("pickles that do more than make tensors are refused", "[io][torch][negative]") {
  const auto pickle = [](const std::string& body) { return torch_zip("\x80\2" + body, 4); };
  const auto unsupported = errc::unsupported;
  const std::string file = pickle("cos\nsystem\n(" + pickled("echo") + "tR.");
  refuse_torch(file, unsupported,
               {"\"os.system\"", "byte " + std::to_string(file.find("cos\n")), "executed"});
  refuse_torch(pickle(pickled("os") + pickled("system") + "\x93."), unsupported, {"\"os.system\""});
  refuse_torch(pickle("c__builtin__\neval\n."), unsupported, {"\"__builtin__.eval\""});
  refuse_torch(pickle("cmine\nFloatStorage\n."), unsupported, {"\"mine.FloatStorage\""});
  refuse_torch(pickle("ctorch._utils\n_rebuild_tensor_v3\n."), unsupported, {"_rebuild_tensor_v3"});
  for (const char* code : {"i", "o", "\x81", "\x92", "P", "0", "2", "G", "\x8e", "B", "\x97"})
    refuse_torch(pickle(std::string("N)") + code + "N."), unsupported, {"pickle instruction"});
  refuse_torch(pickle("ctorch\nFloatStorage\n)R."), unsupported, {"torch.FloatStorage"});
  refuse_torch(pickle("ccollections\nOrderedDict\nN\x85R."), unsupported, {"OrderedDict"});
  refuse_torch(pickle("ctorch._utils\n_rebuild_parameter\nN\x88}\x87R."), unsupported,
               {"parameter"});
  refuse_torch(pickle("N)R."), errc::malformed, {"call of None"});
  refuse_torch(pickle("N}b."), unsupported, {"attributes of None"});
  refuse_torch(pickle("NQ."), errc::malformed, {"persistent id"});
  refuse_torch(torch_zip("\x80\1}.", 0), unsupported, {"protocol 1"});
  for (const char* body : {"", "(", "X\4", "J\1", "c", "cos", "}(N", "q"})
    refuse_torch(pickle(body), errc::malformed, {"cut"});
  for (const char* body : {".", "N(.", "t.", "\x85.", "R.", "s.", "u.", "a.", "b.", "Q.", "}(Nu.",
                           "(s.", "NN.", "\x93.", "q\1.", "}N(Nu.", "(}N(ss."})
    refuse_torch(pickle(body), errc::malformed, {"operands"});
  refuse_torch(pickle("N(NNu."), errc::malformed, {"items of None"});
  refuse_torch(pickle("h\1."), errc::malformed, {"number 1"});
}

TEST_CASE("sharing, nesting and cycles cost what their bytes cost", "[io][torch]") {
  std::string deep = ")";
  for (int i = 0; i < 1'000'000; ++i) deep += '\x85';
  std::string doubled = "()q\1";  // 2^100,000 values, if each were counted
  for (int i = 0; i < 100'000; ++i) doubled += "h\1h\1\x86q\1";
  doubled += 't';
  for (const std::string& value :
       {std::string("]q\1h\1a"), deep, doubled, std::string("Nr\xFF\xFF\xFF\xFF")}) {
    const auto file =
        parse_torch(torch_zip("\x80\2}(" + sound + "u}" + pickled("x") + value + "sb.", 4));
    INFO(file.status().message());
    CHECK(file.ok());
  }
  refuse_torch(torch_zip(pickled_dict(sound + pickled("b") + "}" + std::string(1 << 22, 'N')), 4),
               errc::unsupported, {"pickle of"});
}

TEST_CASE("tensors reach nothing outside their storage", "[io][torch][negative]") {
  REQUIRE(parse_torch(one(4, 0, {2, 2}, {2, 1}, 4)).ok());
  REQUIRE(parse_torch(one(4, 3, {1, 1}, {9, 7}, 4)).ok());  // strides of extents of 1 do not matter
  REQUIRE(parse_torch(one(4, 9, {0, 5}, {5, 1}, 4)).ok());  // no element at all
  const auto malformed = errc::malformed;
  refuse_torch(one(4, 1, {2, 2}, {2, 1}, 4), malformed, {"\"a\"", "[2, 2]", "outside"});
  refuse_torch(one(4, 0, {2, 2}, {3, 1}, 4), malformed, {"outside"});
  refuse_torch(one(4, 0, {5}, {1}, 4), malformed, {"outside"});
  refuse_torch(one(4, 0, {1 << 30, 1 << 30, 1 << 30}, {0, 0, 0}, 4), malformed, {"counted"});
  refuse_torch(one(4, 0, {2, 2, 2}, {1 << 30, 1 << 30, 1 << 30}, 4), malformed, {"outside"});
  refuse_torch(one(4, 0, {1 << 20}, {0}, 4), errc::unsupported, {"\"a\"", "not contiguous"});
  refuse_torch(one(4, -1, {2}, {1}, 4), malformed, {"offset"});
  refuse_torch(one(4, 0, {-2}, {1}, 4), malformed, {"shape"});
  refuse_torch(one(4, 0, {2}, {-1}, 4), malformed, {"strides"});
  refuse_torch(one(4, 0, {2, 2}, {1}, 4), malformed, {"strides"});
  refuse_torch(one(4, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1}, 4), malformed,
               {"8 dimensions"});
  refuse_torch(one(5, 0, {2}, {1}, 4), malformed, {"storage \"0\"", "16 bytes", "5 elements"});
  refuse_torch(one(-4, 0, {2}, {1}, 4), errc::unsupported, {"storage"});
  refuse_torch(zip({{"m/data.pkl", pickled_dict(sound)}}), errc::not_found, {"no storage \"0\""});
  refuse_torch(torch_zip(pickled_dict(sound + sound), 4), malformed, {"\"a\"", "twice"});
  refuse_torch(torch_zip(pickled_dict(pickled("epoch") + "K\1" + sound), 4), errc::unsupported,
               {"\"epoch\" is an integer", "state_dict"});
  refuse_torch(torch_zip(pickled_dict(pickled("state_dict") + "}"), 4), errc::unsupported,
               {"\"state_dict\" is a dictionary"});
  refuse_torch(torch_zip(pickled_dict("K\1N"), 4), malformed, {"key is an integer"});
  refuse_torch(torch_zip("\x80\2" + pickled_tensor(4, 0, {4}, {1}) + ".", 4), errc::unsupported,
               {"holds a tensor", "state_dict"});
}

TEST_CASE("files that are nothing of torch.save are named", "[io][torch][negative]") {
  refuse_torch("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", errc::malformed,
               {"Git LFS", "git lfs pull"});
  refuse_torch("<!DOCTYPE html>", errc::malformed, {"web page"});
  refuse_torch("\x80\2}.", errc::malformed, {"pickle"});
  refuse_torch("", errc::malformed, {"neither"});
}
