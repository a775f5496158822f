// SPDX-License-Identifier: Apache-2.0
// Selects the engine to run: the best one that the CPU supports, or a requested one. For programs
// that link a library of lowbit_add_engine().
#pragma once

#include "lowbit/core/config.hpp"

#if LOWBIT_HOSTED
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "lowbit/arch/detect.hpp"
#include "lowbit/core/thread_pool.hpp"
#include "lowbit/dispatch/engine.hpp"

#ifndef LOWBIT_EACH_ENGINE
#error "lowbit: link a library of lowbit_add_engine(), which says what engines there are"
#endif

namespace lowbit::inline LOWBIT_ISA {

/// The engines in this build (LOWBIT_EACH_ENGINE, cmake/lowbit_engine.cmake), best last.
#define X(tag) &engine_##tag,
inline constexpr const engine* built_engines[] = {LOWBIT_EACH_ENGINE};
#undef X

/// The engines that this CPU can run, best first. Requests AMX tiles from Linux.
inline std::vector<const engine*> usable_engines() {
  enable_amx();  // if refused, cpu_runs("amx") is false
  std::vector<const engine*> usable;
  for (const engine* e : built_engines) {
    if (cpu_runs(e->arch)) usable.insert(usable.begin(), e);
  }
  return usable;
}

/// The engine named `arch`, a tag of arch/list.hpp; if empty, the one named in the environment
/// variable LOWBIT_ISA, else the best that this CPU can run. `source` is the start of the messages.
/// Errors: unsupported if this CPU or this program lacks the engine, or this CPU runs none of them;
/// invalid_argument for an unknown name
inline result<const engine*> find_engine(std::string_view arch, std::string_view source = "arch") {
  const auto usable = usable_engines();
  if (arch.empty()) {
    const char* forced = std::getenv("LOWBIT_ISA");
    if (forced != nullptr && *forced != '\0') return find_engine(forced, "LOWBIT_ISA");
    if (!usable.empty()) return usable.front();
    return status::error(errc::unsupported, "this CPU supports no instruction set of this build, ",
                         "the lowest is ", built_engines[0]->arch);
  }
  for (const engine* e : usable) {
    if (arch == e->arch) return e;
  }
  for (const engine* e : built_engines) {
    if (arch == e->arch)
      return status::error(errc::unsupported, source, " ", arch, ": not supported by this CPU");
  }
  if (is_known_arch(arch))
    return status::error(errc::unsupported, source, " ", arch, ": not included in this build");
  return status::error(errc::invalid_argument, source, " is \"", arch, "\", expected ",
                       known_archs());
}

/// Adapts an executor for an engine.
template <executor Executor>
engine_threads threads_of(Executor& threads) {
  const auto run = [](void* self, std::size_t tasks, void* task,
                      void (*call)(void*, std::size_t, std::size_t)) {
    static_cast<Executor*>(self)->run(
        tasks, [&](std::size_t index, std::size_t worker) { call(task, index, worker); });
  };
  return {threads.workers(), &threads, run};
}

}  // namespace lowbit::inline LOWBIT_ISA
#endif
