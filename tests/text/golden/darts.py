# SPDX-License-Identifier: Apache-2.0
"""Builds SentencePiece's precompiled charsmap: a double array of the keys, then the replacements."""
import struct


def build(rules):
    """rules: key bytes -> replacement text. The layout is Darts-clone's; states are placed first-fit."""
    root = {}
    for key, text in sorted(rules.items()):
        node = root
        for byte in key:
            node = node.setdefault(byte, {})
        node[0] = text  # label 0: a value
    units, used, bases = [0] * 256, {0}, set()
    strings, known = b"", {}

    def place(index, node):
        nonlocal strings
        base = 1
        while base in bases or any((base ^ label) in used for label in node):
            base += 1
        bases.add(base)
        units.extend([0] * ((base | 255) + 1 - len(units)))
        used.update(base ^ label for label in node)
        units[index] |= (index ^ base) << 10 | (256 if 0 in node else 0)
        for label, child in node.items():
            if label:
                units[base ^ label] |= label
                continue
            if child not in known:
                known[child] = len(strings)
                strings += child.encode() + b"\0"
            units[base] = known[child] | 1 << 31
        for label, child in node.items():
            if label:
                place(base ^ label, child)

    place(0, root)
    trie = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(trie)) + trie + strings
