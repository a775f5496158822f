// SPDX-License-Identifier: Apache-2.0
// A user-defined number format: weights are powers of two, s * {0, +-1, +-2, ..., +-64}, with four
// bits each. The codec defines how a row is stored and read; file format, kernels, ledger and
// timing follow from it.
//   custom_codec FOLDER NEW_FOLDER SENTENCE...
#include <iostream>
#include <lowbit/cost/ledger.hpp>
#include <lowbit/cost/measure.hpp>
#include <lowbit/io.hpp>

struct powers_of_two {
  static constexpr const char* name = "powers-of-two";
  static constexpr double bits_per_weight = 4;
  static constexpr std::size_t kernel_bits = 4;  // kernels may keep the codes and look up values
  static constexpr std::size_t row_bytes(std::size_t k) { return (k + 1) / 2; }
  static constexpr std::size_t scales(std::size_t n, std::size_t /*k*/) { return n; }

  /// Code 0 is 0, 1 to 7 are 2^0 .. 2^6, 9 to 15 their negatives.
  static constexpr std::int8_t value(unsigned code) {
    if (code % 8 == 0) return 0;
    const int power = 1 << (code % 8 - 1);
    return static_cast<std::int8_t>(code < 8 ? power : -power);
  }

  struct reader {
    lowbit::stored_tensor stored, scales;
    std::size_t columns = 0;

    lowbit::status open(const lowbit::weight_set& weights, const lowbit::tensor_name& name,
                        std::size_t n, std::size_t k) {
      columns = k;
      LOWBIT_TRY(
          weights.get(name(".codes").view(), lowbit::element_type::u8, n, row_bytes(k), stored));
      return weights.get(name(".scale").view(), lowbit::element_type::f32, 1, n, scales);
    }
    void codes(std::size_t row, std::uint8_t* out) const {
      const std::byte* bytes = stored.data + row * row_bytes(columns);
      for (std::size_t j = 0; j < columns; ++j)
        out[j] = (std::to_integer<unsigned>(bytes[j / 2]) >> (j % 2 * 4)) & 15U;
    }
    void table(std::int8_t (&values)[16]) const {
      for (unsigned code = 0; code < 16; ++code) values[code] = value(code);
    }
    float scale(std::size_t row) const { return scales.at(row); }
    void integers(std::size_t row, std::int8_t* out) const {
      codes(row, reinterpret_cast<std::uint8_t*>(out));
      for (std::size_t j = 0; j < columns; ++j) out[j] = value(static_cast<unsigned char>(out[j]));
    }
    void floats(std::size_t row, float* out) const {
      std::vector<std::int8_t> row_values(columns);
      integers(row, row_values.data());
      for (std::size_t j = 0; j < columns; ++j)
        out[j] = static_cast<float>(row_values[j]) * scale(row);
    }
  };
};

/// Found by the importer (ADL): the largest weight of a row becomes 64, the others the nearest
/// power.
lowbit::result<lowbit::encoded_matrix> encode(powers_of_two, lowbit::matrix_view<const float> w) {
  std::vector<std::byte> codes(w.rows * powers_of_two::row_bytes(w.cols));
  std::vector<float> scales(w.rows);
  for (std::size_t r = 0; r < w.rows; ++r) {
    float largest = 0;
    for (std::size_t j = 0; j < w.cols; ++j) largest = std::max(largest, std::abs(w(r, j)));
    scales[r] = largest / 64;
    for (std::size_t j = 0; j < w.cols; ++j) {
      unsigned best = 0;
      for (unsigned code = 1; code < 16; ++code) {
        const auto error = [&](unsigned c) {
          return std::abs(w(r, j) - scales[r] * static_cast<float>(powers_of_two::value(c)));
        };
        if (error(code) < error(best)) best = code;
      }
      codes[r * powers_of_two::row_bytes(w.cols) + j / 2] |=
          static_cast<std::byte>(best << (j % 2 * 4));
    }
  }
  lowbit::encoded_matrix out;
  out.add(".codes", lowbit::element_type::u8, {w.rows, powers_of_two::row_bytes(w.cols)}, codes);
  out.add(".scale", lowbit::element_type::f32, {w.rows}, scales);
  return out;
}

struct shifts : lowbit::policy::integer_weights<powers_of_two> {
  static constexpr const char* name = "shifts";
};
static_assert(lowbit::integer_codec<powers_of_two>);
static_assert(std::is_same_v<shifts::linear::op, lowbit::code_dot<4>>);

int main(int argc, char** argv) {
  if (argc < 4) return std::cerr << "usage: custom_codec FOLDER NEW_FOLDER SENTENCE...\n", 2;
  const auto fail = [](const lowbit::status& s) { return std::cerr << s.message() << '\n', 1; };
  const auto floats = lowbit::load<lowbit::policy::fp32>(argv[1]);
  if (!floats) return fail(floats.status());
  const auto encoded = lowbit::load<shifts>(argv[1]);  // the float checkpoint, encoded
  if (!encoded) return fail(encoded.status());
  if (const auto saved = encoded->save(argv[2]); !saved.ok()) return fail(saved);
  const auto model = lowbit::load<shifts>(argv[2]);  // the file just written
  if (!model) return fail(model.status());

  const std::vector<std::string> texts(argv + 3, argv + argc);
  const auto answers = model->classify(texts);
  if (!answers) return fail(answers.status());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::cout << (*answers)[i].label << ' ' << (*answers)[i].probability << ' ' << texts[i] << '\n';
  }
  const auto times =
      lowbit::measure_interleaved({[&] { static_cast<void>(floats->classify(texts)); },
                                   [&] { static_cast<void>(model->classify(texts)); }},
                                  {11, 0.01});
  const lowbit::policy_ledger<lowbit::policy::fp32> before(floats->shape(), 16);
  const lowbit::policy_ledger<shifts> after(model->shape(), 16);
  std::cout << "bytes " << before.total().stored.total() << " -> " << after.total().stored.total()
            << ", int8 multiply-adds for 16 tokens " << after.total().executed.int8_macs
            << ", speedup " << times[0].median / times[1].median << '\n';
}
