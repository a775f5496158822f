// SPDX-License-Identifier: Apache-2.0
// A QEMU plugin that counts the instructions executed from each entry of one function to the next
// entry of another, and prints a count per line. Instructions, not cycles.
//   gcc -O2 -shared -fPIC count.c -o libcount.so
//   qemu-system-arm .. -plugin ./libcount.so,begin=0xADDRESS,end=0xADDRESS,out=FILE
// Declared here because Debian's QEMU loads plugins but ships no header; the functions are those of
// docs/devel/tcg-plugins in QEMU's manual, the same since 4.2.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct block;
struct instruction;
typedef void (*run_callback)(unsigned core, void* user);
extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block*));
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct block*, run_callback, int registers,
                                                 void* user);
extern void qemu_plugin_register_vcpu_insn_exec_cb(struct instruction*, run_callback, int registers,
                                                   void* user);
extern void qemu_plugin_register_atexit_cb(plugin_id, void (*)(plugin_id, void*), void* user);
extern size_t qemu_plugin_tb_n_insns(const struct block*);
extern struct instruction* qemu_plugin_tb_get_insn(const struct block*, size_t);
extern uint64_t qemu_plugin_insn_vaddr(const struct instruction*);

#define PLUGIN __attribute__((visibility("default")))
PLUGIN int qemu_plugin_version = 1;

static uint64_t count, begin_at, end_at;
static FILE* out;

static void on_block(unsigned core, void* instructions) {
  (void)core;
  count += (uintptr_t)instructions;
}
static void on_begin(unsigned core, void* user) {
  (void)core, (void)user;
  count = 0;
}
static void on_end(unsigned core, void* user) {
  (void)core, (void)user;
  fprintf(out, "%" PRIu64 "\n", count);
}
/// A function begins a block, so nothing of a block is counted before a mark.
static void on_translation(plugin_id id, struct block* b) {
  (void)id;
  const size_t n = qemu_plugin_tb_n_insns(b);
  qemu_plugin_register_vcpu_tb_exec_cb(b, on_block, 0, (void*)(uintptr_t)n);
  for (size_t i = 0; i < n; ++i) {
    struct instruction* in = qemu_plugin_tb_get_insn(b, i);
    const uint64_t at = qemu_plugin_insn_vaddr(in);
    if (at == begin_at) qemu_plugin_register_vcpu_insn_exec_cb(in, on_begin, 0, NULL);
    if (at == end_at) qemu_plugin_register_vcpu_insn_exec_cb(in, on_end, 0, NULL);
  }
}
static void on_exit_of_qemu(plugin_id id, void* user) {
  (void)id, (void)user;
  fclose(out);
}

PLUGIN int qemu_plugin_install(plugin_id id, const void* info, int argc, char** argv) {
  (void)info;
  for (int i = 0; i < argc; ++i) {
    if (strncmp(argv[i], "begin=", 6) == 0) begin_at = strtoull(argv[i] + 6, NULL, 16);
    if (strncmp(argv[i], "end=", 4) == 0) end_at = strtoull(argv[i] + 4, NULL, 16);
    if (strncmp(argv[i], "out=", 4) == 0) out = fopen(argv[i] + 4, "w");
  }
  if (begin_at == 0 || end_at == 0 || out == NULL) {
    fprintf(stderr, "count: expected begin=ADDRESS,end=ADDRESS,out=FILE\n");
    return -1;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
  return 0;
}
