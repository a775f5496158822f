// SPDX-License-Identifier: Apache-2.0
// Start-up and semihosting for any Cortex-M.
#include "board.hpp"

#include <cstdint>
#include <cstring>

extern "C" {
extern std::uint32_t __data_begin, __data_end, __data_source, __bss_begin, __bss_end, __stack_begin,
    __stack_end;
[[noreturn]] void reset();
[[noreturn]] void fault();
}

namespace {

constexpr std::uint32_t paint = 0xA5A5A5A5;

/// Arm's semihosting operations.
enum : std::uint32_t {
  sys_open = 0x01,
  sys_write = 0x05,
  sys_read = 0x06,
  sys_get_cmdline = 0x15,
  sys_exit_extended = 0x20,
};

std::uint32_t ask_host(std::uint32_t operation, const void* block) {
  register std::uint32_t r0 asm("r0") = operation;
  register const void* r1 asm("r1") = block;
  asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

/// The host's console; mode 0 reads, 4 writes.
std::uint32_t open_console(std::uint32_t mode) {
  const struct {
    const char* name;
    std::uint32_t mode, length;
  } block{":tt", mode, 3};
  return ask_host(sys_open, &block);
}

struct transfer {
  std::uint32_t file;
  const void* memory;
  std::uint32_t bytes;
};

}  // namespace

namespace board {

bool read_line(std::string_view& line) {
  static char buffer[512];
  static std::size_t begin = 0, end = 0;
  static std::uint32_t input = 0;
  static bool open = false;
  if (!open) input = open_console(0);
  open = true;
  for (;;) {
    const std::string_view held(buffer + begin, end - begin);
    const std::size_t at = held.find('\n');
    if (at != held.npos) {
      line = {held.data(), at};
      begin += at + 1;
      return true;
    }
    std::memmove(buffer, held.data(), held.size());
    end -= begin;
    begin = 0;
    const auto room = static_cast<std::uint32_t>(sizeof buffer - end);
    const transfer block{input, buffer + end, room};
    const std::uint32_t left = room == 0 ? 0 : ask_host(sys_read, &block);
    if (left >= room) {  // the end of the input, or a full buffer
      line = {buffer, end};
      begin = end = 0;
      return !line.empty();
    }
    end += room - left;
  }
}

void write(std::string_view text) {
  static std::uint32_t output = 0;
  static bool open = false;
  if (!open) output = open_console(4);
  open = true;
  const transfer block{output, text.data(), static_cast<std::uint32_t>(text.size())};
  ask_host(sys_write, &block);
}

std::string_view arguments(char* memory, std::size_t bytes) {
  struct {
    char* memory;
    std::uint32_t bytes;
  } block{memory, static_cast<std::uint32_t>(bytes)};
  if (ask_host(sys_get_cmdline, &block) != 0) return {};
  return {memory, std::strlen(memory)};
}

void stop(int code) {
  constexpr std::uint32_t application_exit = 0x20026;
  const std::uint32_t block[2] = {application_exit, static_cast<std::uint32_t>(code)};
  ask_host(sys_exit_extended, block);
  for (;;) {
  }
}

std::size_t stack_used() {
  const std::uint32_t* lowest = &__stack_end;
  while (*lowest == paint) ++lowest;
  return static_cast<std::size_t>(reinterpret_cast<const char*>(&__stack_begin) -
                                  reinterpret_cast<const char*>(lowest));
}

}  // namespace board

extern "C" {

void fault() {
  board::write("fault\n");
  board::stop(9);
}

void reset() {
#ifdef __ARM_FP
  *reinterpret_cast<volatile std::uint32_t*>(0xE000ED88) |= 0xFU << 20;  // CPACR: the FPU
  asm volatile("dsb\n\tisb");
#endif
  for (std::uint32_t *to = &__data_begin, *from = &__data_source; to < &__data_end;)
    *to++ = *from++;
  for (std::uint32_t* to = &__bss_begin; to < &__bss_end;) *to++ = 0;
  std::uint32_t* here;
  asm volatile("mov %0, sp" : "=r"(here));
  for (std::uint32_t* to = &__stack_end; to < here - 16;) *to++ = paint;
  board::stop(classify());
}

extern void* const vectors[16];
__attribute__((section(".vectors"), used)) void* const vectors[16] = {
    &__stack_begin,
    reinterpret_cast<void*>(reset),
    reinterpret_cast<void*>(fault),
    reinterpret_cast<void*>(fault),
    reinterpret_cast<void*>(fault),
    reinterpret_cast<void*>(fault),
    reinterpret_cast<void*>(fault),
};
}
