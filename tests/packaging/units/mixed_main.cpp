// SPDX-License-Identifier: Apache-2.0
// Units of several instruction sets in one program, which itself is baseline code.
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "lowbit/arch/detect.hpp"

using unit = float (*)(std::size_t k, const char** isa);
float unit_scalar(std::size_t k, const char** isa);
#ifdef HAS_UNIT_AVX2
float unit_avx2(std::size_t k, const char** isa);
#endif
#ifdef HAS_UNIT_AVX512
float unit_avx512(std::size_t k, const char** isa);
#endif
#ifdef HAS_UNIT_AMX
float unit_amx(std::size_t k, const char** isa);
#endif

namespace {

bool right(unit run, const char* name) {
  if (!lowbit::cpu_runs(name)) {
    std::printf("%s: linked, this CPU does not run it\n", name);
    return true;
  }
  for (const std::size_t k : {1, 63, 64, 65, 1000}) {
    float expected = 0;
    for (std::size_t j = 0; j < k; ++j) expected += (j % 3 == 0) == (j % 5 == 0) ? 1.0F : -1.0F;
    const char* isa = "";
    const float found = run(k, &isa);
    std::printf("%s: k %zu, unit %s, %g\n", name, k, isa, static_cast<double>(found));
    if (found != expected || isa != std::string_view(name)) return false;
  }
  return true;
}

}  // namespace

int main() {
  bool ok = right(unit_scalar, "scalar");
#ifdef HAS_UNIT_AVX2
  ok = right(unit_avx2, "avx2") && ok;
#endif
#ifdef HAS_UNIT_AVX512
  ok = right(unit_avx512, "avx512") && ok;
#endif
#ifdef HAS_UNIT_AMX
  lowbit::enable_amx();
  ok = right(unit_amx, "amx") && ok;
#endif
  return ok ? 0 : 1;
}
