// SPDX-License-Identifier: Apache-2.0
// What weak_symbols.cmake must catch: an inline function that is the same symbol in every object.
inline __attribute__((noinline)) int shared(int value) { return 3 * value; }

int use_shared(int value);
int use_shared(int value) { return shared(value) + 1; }
