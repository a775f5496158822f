// SPDX-License-Identifier: Apache-2.0
// What undefined_symbols.cmake must catch.
int* make(int value);
int* make(int value) { return new int(value); }
