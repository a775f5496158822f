// SPDX-License-Identifier: Apache-2.0
// Arch toy, compiled with the flags of its line in the list: it is the native one here, has names
// of its own in the linker's eyes, and inherits everything, with the bits of its fallback.
#include "lowbit/arch/detect.hpp"
#include "lowbit/model/classifier.hpp"
#include "lowbit/policy/quantized.hpp"
#include "toy_model.hpp"

using namespace toy_test;

#define TOY_TEXT(name) #name
#define TOY_TEXT_OF(macro) TOY_TEXT(macro)

using lowbit::scalar;
using lowbit::toy;
static_assert(std::string_view(TOY_TEXT_OF(LOWBIT_ISA)) == "isa_toy",
              "arch toy shares its symbols with another one");
static_assert(toy::compiled && std::is_same_v<lowbit::native, toy>);
static_assert(std::is_same_v<toy::fallback, scalar>);
static_assert(std::is_base_of_v<lowbit::arch_ops<scalar>, lowbit::arch_ops<toy>>);
static_assert(std::is_same_v<lowbit::selected_kernel<lowbit::code_dot<8>, toy>,
                             lowbit::selected_kernel<lowbit::code_dot<8>, scalar>>);
static_assert(lowbit::is_known_arch("toy"));
static_assert(lowbit::known_archs().find("scalar, toy, ") == 0);

int main() {
  TOY_CHECK(lowbit::cpu_runs("toy"));
  const lowbit::model_shape s = shape();
  using policy = lowbit::policy::int8;
  lowbit_test::tensor_store floats = float_model();
  lowbit_test::tensor_store encoded = float_model();
  for (const lowbit::stored_tensor& t : floats.weights()) {
    const std::string name = t.name;
    if (t.rank != 2 || name.find("classifier") == 0 || name.find("position_") != name.npos ||
        name.find("token_type_") != name.npos)
      continue;
    std::vector<float> values(t.elements());
    std::memcpy(values.data(), t.data, t.bytes());
    auto matrix = lowbit::encode(
        policy::embedding{},
        lowbit::matrix_view<const float>{values.data(), t.shape[0], t.shape[1], t.shape[1]});
    need(matrix.status());
    for (auto& part : matrix->tensors)
      encoded.add(name + part.suffix, part.shape, part.type, std::move(part.bytes));
  }
  TOY_CHECK((logits_of<lowbit::classifier<policy, toy>>(encoded.weights(), s) ==
             logits_of<lowbit::classifier<policy, scalar>>(encoded.weights(), s)));
}
