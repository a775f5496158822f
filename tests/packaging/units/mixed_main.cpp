// SPDX-License-Identifier: Apache-2.0
// Units of several instruction sets in one program, which itself is baseline code.
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "lowbit/arch/detect.hpp"

using unit = float (*)(std::size_t k, const char** isa);
#define DECLARE_UNIT(tag, ...) float unit_##tag(std::size_t k, const char** isa);
LOWBIT_EACH_ARCH(DECLARE_UNIT)

namespace {

/// Those that are built: EACH_UNIT of CMakeLists.txt.
#define X(tag) {unit_##tag, #tag},
constexpr struct {
  unit run;
  const char* arch;
} units[] = {EACH_UNIT};
#undef X

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
  lowbit::enable_amx();  // where it is refused, cpu_runs says so
  bool ok = true;
  for (const auto& u : units) ok = right(u.run, u.arch) && ok;
  return ok ? 0 : 1;
}
