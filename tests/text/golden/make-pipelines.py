#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes pipelines.json: small tokenizers of many kinds and what the official `tokenizers` makes of texts.

usage: make-pipelines.py                              writes pipelines.json
       make-pipelines.py --compare DRIVER [--strings N] [--seed N] [--json FILE ..]
           compares the program tokenize_lines with `tokenizers` on N random strings for each tokenizer here, or
           for the given tokenizer.json files; prints counts and the first mismatches
Recorded with tokenizers 0.23.2. (0.23.3 tokenizes the whole of a text that is truncated, so that the longer text of
a pair may be another one; ids differ only for pairs of which both texts are cut.) The texts that the vocabularies are
trained on are made here.
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, trainers
from tokenizers import normalizers as norm
from tokenizers import pre_tokenizers as pre
from tokenizers import processors as post

here = pathlib.Path(__file__).parent
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

words = (
    "the a of to and in is it that was for on are as with they be at one have this from hello world hell held low lower "
    "lowest new newer newest wide widest running runner unaffable affable don't can't we're I've I'm they'll he'd naïve "
    "café résumé Zürich straße 3.14 1234567890 $100 data-driven a_b x=y; (foo) [bar] Москва ёлка 東京 です 한국어 हिन्दी "
    "ไทย עברית العربية 👍🏽 ❤️ Ελλάδα ΟΔΟΣ İstanbul"
).split()


def training_texts():
    rnd = random.Random(3)
    return [" ".join(rnd.choice(words) for _ in range(12)) for _ in range(400)]


def bpe(size, specials, alphabet=None, limit=None, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    keep = {k: v for k, v in options.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    settings = dict(vocab_size=size, special_tokens=specials, show_progress=False, initial_alphabet=alphabet or [])
    return tokenizer, trainers.BpeTrainer(**settings, **({"limit_alphabet": limit} if limit else {}), **keep)


def byte_level(size, specials, pre_tokenizer, **options):
    tokenizer, trainer = bpe(size, specials, pre.ByteLevel.alphabet(), **options)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(training_texts(), trainer)
    return tokenizer


def plain_bpe(size, specials, **options):
    tokenizer, trainer = bpe(size, specials, limit=60, **options)
    tokenizer.pre_tokenizer = pre.WhitespaceSplit()
    tokenizer.train_from_iterator(training_texts(), trainer)
    return tokenizer


def wordpiece():
    tokens = (here / "vocab.txt").read_text().splitlines()
    tokenizer = Tokenizer(models.WordPiece({t: i for i, t in enumerate(tokens)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.pre_tokenizer = pre.BertPreTokenizer()
    tokenizer.post_processor = post.BertProcessing(("[SEP]", tokens.index("[SEP]")), ("[CLS]", tokens.index("[CLS]")))
    return tokenizer


def template(tokenizer, single, pair):
    names = {name for name in ("[CLS]", "[SEP]", "<s>", "</s>") if name in single + pair}
    return post.TemplateProcessing(single=single, pair=pair, special_tokens=[(n, tokenizer.token_to_id(n)) for n in sorted(names)])


def pipelines():
    made = {}
    roberta = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    for name, space, trim in (("roberta", False, True), ("roberta, prefix space", True, True), ("roberta, untrimmed", True, False)):
        t = byte_level(340, roberta, pre.ByteLevel(add_prefix_space=space))
        t.post_processor = post.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=trim, add_prefix_space=space)
        t.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
        t.add_tokens([AddedToken(" spaced out ", normalized=False), AddedToken("added", single_word=True), "\u3000wide"])
        made[name] = t

    modern = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    t = byte_level(340, modern, pre.ByteLevel(add_prefix_space=False))
    t.normalizer = norm.NFC()
    t.add_special_tokens([AddedToken("[MASK]", lstrip=True, special=True)])
    t.add_tokens([AddedToken("  ", normalized=True), AddedToken("   ", normalized=True), "|||NAME|||"])
    t.post_processor = template(t, "[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
    made["modernbert"] = t

    t = byte_level(330, modern, pre.Sequence([pre.Split(Regex(GPT2), "isolated"), pre.ByteLevel(add_prefix_space=False, use_regex=False)]))
    t.normalizer = norm.Sequence([norm.NFKC(), norm.Lowercase()])
    t.post_processor = post.Sequence([post.ByteLevel(trim_offsets=True, add_prefix_space=False), template(t, "$A:0 [SEP]:0", "$A:0 [SEP]:0 [CLS]:1 $B:1")])
    made["split and byte level"] = t

    t = byte_level(330, ["<unk>"], pre.Sequence([pre.Digits(individual_digits=True), pre.ByteLevel(add_prefix_space=True)]), ignore_merges=True)
    t.normalizer = norm.Sequence([norm.Replace(Regex(" {2,}"), "_"), norm.Replace("ll", "L!"), norm.Strip(left=True, right=True), norm.Prepend("x ")])
    made["ignored merges, no specials"] = t

    t = plain_bpe(200, ["<unk>"], unk_token="<unk>", end_of_word_suffix="</w>")
    t.normalizer = norm.Sequence([norm.NFKD(), norm.StripAccents(), norm.Nmt()])
    t.pre_tokenizer = pre.Sequence([pre.Whitespace(), pre.Punctuation("contiguous")])
    made["suffix"] = t
    t = plain_bpe(200, ["<unk>"], unk_token="<unk>", fuse_unk=True, continuing_subword_prefix="##")
    t.normalizer = norm.Sequence([norm.Strip(left=True, right=False), norm.Lowercase()])
    t.pre_tokenizer = pre.Sequence([pre.Split("e", "merged_with_next"), pre.Punctuation("merged_with_previous"), pre.Digits()])
    made["prefix, fused"] = t
    t = plain_bpe(160, ["<unk>"] + [f"<0x{b:02X}>" for b in range(256) if b != 0x9F], unk_token="<unk>", byte_fallback=True)
    t.pre_tokenizer = pre.Split(" ", "merged_with_next", invert=False)
    made["byte fallback"] = t
    t = plain_bpe(140, [])
    t.normalizer = norm.NFD()
    t.pre_tokenizer = pre.Sequence([pre.Split(" l", "removed", invert=True), pre.Punctuation("removed")])
    made["no unknown token"] = t

    t = wordpiece()
    t.normalizer = norm.Sequence([norm.NFD(), norm.Lowercase(), norm.StripAccents()])
    made["wordpiece, sequence"] = t
    t = wordpiece()
    t.normalizer = norm.Sequence([norm.BertNormalizer()])
    t.add_tokens(["Étude", AddedToken("whole", single_word=True, rstrip=True)])
    made["wordpiece, one in a sequence"] = t
    t = wordpiece()
    t.normalizer = norm.Sequence([norm.Replace("``", '"'), norm.NFKD(), norm.BertNormalizer(strip_accents=False)])
    t.pre_tokenizer = pre.Sequence([pre.WhitespaceSplit(), pre.Punctuation(), pre.Digits(individual_digits=False)])
    made["wordpiece, other steps"] = t
    described = {name: json.loads(t.to_str()) for name, t in made.items()}
    for description in described.values():  # bytes are tokens of the model only
        if description["model"].get("ignore_merges"):  # tokens that only a whole word can become
            del description["model"]["merges"][-20:]
        description["added_tokens"] = [a for a in description["added_tokens"] if not a["content"].startswith("<0x")]
    return described


# ---- texts ---------------------------------------------------------------------------------------

ranges = [
    (0x61, 0x7A), (0x41, 0x5A), (0x20, 0x7E), (0x30, 0x39), (0xA0, 0x17F), (0x180, 0x24F), (0x300, 0x36F), (0x370, 0x3FF),
    (0x400, 0x52F), (0x590, 0x5FF), (0x600, 0x6FF), (0x700, 0x8FF), (0x900, 0x97F), (0x980, 0xDFF), (0xE00, 0xE7F),
    (0xF00, 0xFFF), (0x1000, 0x109F), (0x1100, 0x11FF), (0x1780, 0x18AF), (0x1A00, 0x1CFF), (0x1DC0, 0x1DFF), (0x1E00, 0x1EFF),
    (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x218F), (0x2460, 0x24FF), (0x2600, 0x27BF), (0x2E00, 0x2FDF),
    (0x3000, 0x30FF), (0x3130, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7FB), (0xE000, 0xE010),
    (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFE6F), (0xFF00, 0xFFEF), (0xFFF0, 0xFFFF), (0x10100, 0x1013F),
    (0x10780, 0x107BF), (0x10A00, 0x10FFF), (0x11000, 0x11FFF), (0x12400, 0x1247F), (0x16000, 0x16FFF), (0x1CC00, 0x1CCFF),
    (0x1D100, 0x1D1FF), (0x1D400, 0x1D7FF), (0x1DF00, 0x1E9FF), (0x1EE00, 0x1F2FF), (0x1F300, 0x1FAFF), (0x1FBF0, 0x1FBFF),
    (0x20000, 0x2CFFF), (0x2F800, 0x2FA1F), (0xE0000, 0xE01EF), (0, 0x1F), (0x7F, 0x9F), (0, 0x10FFFF),
]
spaces = "\t\n\v\f\r \x85\xa0\u1680\u180e\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u200c\u200d\u2060\ufeff\xad"
marks = "\u0301\u0323\u0327\u0345\u0334\u0f71\u0f72\u0f73\u05b0\u064b\u3099\u0315\u0344\u0343\u1dce\u302e\u0308\u0338"
listed = [spaces, marks, "ΣσςΌΑ ΊΰΐΆ", "İIıiŞşĞğßẞſﬁﬀŉǰΐᾳᾼǅǄǆ", "かが\u3099ハバ\u309aﾊﾞー々〆、。", "👩‍👩‍👧‍👦🏳️‍🌈👍🏽❤️☺️🇩🇪1️⃣", "가각힣\u1100\u1161\u11a8", "½²³①Ⅷ٣०๓〇㊿", "''`\"´’ʼ"]
specials = ["<s>", "</s>", "<mask>", " <mask> ", "<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "x[SEP]y", "[UNK][PAD]", "<0x41>", "<mask"]
added = ["added", "unadded", " added ", " spaced out ", "  spaced out  ", "\u3000wide", " \u3000wide", "|||NAME|||", "whole", "wholesale", "whole  ", "Étude", "étude", "e\u0301tude", "  ", "    ", "``"]


def make_texts(count, seed):
    rnd = random.Random(seed)

    def character(pool):
        if isinstance(pool, str):
            return rnd.choice(pool)
        while True:
            c = rnd.randint(*pool)
            if not 0xD800 <= c <= 0xDFFF:
                return chr(c)

    texts = ["", " ", "  ", "\n", " \n", "\n a", "a\n", "a \n b", "\u0301", "\0", "'s", "it's 'll'", " 's", "don't  we've", "a" * 101]
    while len(texts) < count:
        pools = [rnd.choice(ranges + listed) for _ in range(rnd.randint(1, 3))]
        out = []
        for _ in range(rnd.randint(1, 12)):
            kind = rnd.random()
            if kind < 0.08:
                out.append(rnd.choice(specials + added))
            elif kind < 0.4:
                out.append(rnd.choice(words))
            elif kind < 0.44:
                out.append(rnd.choice("aéя1 \n'") * rnd.choice([2, 3, 5, 50]))
            elif kind < 0.5:
                out.append("".join(rnd.choice("aeoAぎ가ἀ") + "".join(rnd.choice(marks) for _ in range(rnd.randint(1, 4))) for _ in range(2)))
            else:
                out.append("".join(character(rnd.choice(pools)) for _ in range(rnd.randint(1, 5))))
            out.append(rnd.choice(["", "", " ", " ", "  ", rnd.choice(spaces)]))
        texts.append("".join(out))
    return texts


def special_requests():
    """Equal merges in a row, every word, a blocked composition, spaces before a mask, a pair of which both texts are cut."""
    texts = ["lllll eeee nnn 3333 llllll", " ".join(words[:50]), "a\u0305\u0301 e\u0323\u0302\u0301", "  <mask>", " <mask> x"]
    pair = {"text": "a b " * 12, "pair": "unaffable affable " * 3}
    return [{"text": t} for t in texts] + [{**pair, "max": m} for m in (13, 14, 15)]


def make_requests(texts, seed):
    rnd = random.Random(seed)
    requests = []
    for text in texts:
        kind = rnd.random()
        request = {"text": text}
        if kind > 0.4:
            request["max"] = rnd.choice([5, 6, 7, 8, 12, 20, 400])
        if kind > 0.7:
            request["pair"] = rnd.choice(texts)
        requests.append(request)
    return requests


def expected(tokenizer, request):
    """What `tokenizers` gives, with offsets in bytes."""
    tokenizer.no_truncation()
    if "max" in request:
        tokenizer.enable_truncation(request["max"], strategy="longest_first")
    e = tokenizer.encode(request["text"], request.get("pair"), add_special_tokens="max" in request)
    starts = []
    for text in (request["text"], request.get("pair", "")):
        starts.append([0])
        for c in text:
            starts[-1].append(starts[-1][-1] + len(c.encode()))
    offsets = [[starts[s or 0][b], starts[s or 0][n]] for (b, n), s in zip(e.offsets, e.sequence_ids)]
    return {"ids": e.ids, "types": e.type_ids, "offsets": offsets}


def compare(driver, tokenizers_by_name, count, seed):
    total = mismatches = 0
    for name, description in tokenizers_by_name.items():
        theirs = Tokenizer.from_str(json.dumps(description))
        requests = make_requests(make_texts(count, seed), seed)
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "tokenizer.json"
            file.write_text(json.dumps(description))
            lines = "\n".join(json.dumps(r) for r in requests) + "\n"
            run = subprocess.run([driver, file], input=lines.encode(), stdout=subprocess.PIPE)
        if run.returncode != 0:
            print(f"{name}: the driver failed")
            mismatches += 1
            continue
        bad = 0
        for request, line in zip(requests, run.stdout.decode().splitlines(), strict=True):
            ours = json.loads(line)
            want = expected(theirs, request)
            found = {k: ours.get(k, []) if "error" not in ours else ours["error"] for k in want}
            if found != want:
                bad += 1
                if bad <= 3:
                    print(f"MISMATCH {name}: {json.dumps(request)}\n  found    {json.dumps(found)}\n  expected {json.dumps(want)}")
        print(f"{name}: {len(requests)} compared, {bad} mismatches")
        total += len(requests)
        mismatches += bad
    print(f"{total} compared with tokenizers {tokenizers.__version__}, {mismatches} mismatches")
    return mismatches


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compare")
    parser.add_argument("--strings", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", nargs="*", default=[])
    o = parser.parse_args()
    if o.compare:
        given = {f: json.loads(pathlib.Path(f).read_text()) for f in o.json}
        sys.exit(1 if compare(o.compare, given or pipelines(), o.strings, o.seed) else 0)
    out = []
    for name, description in pipelines().items():
        tokenizer = Tokenizer.from_str(json.dumps(description))
        requests = special_requests() + make_requests(make_texts(24, 5), 5)
        out.append({"name": name, "tokenizer": description, "cases": [{**r, **expected(tokenizer, r)} for r in requests]})
    text = json.dumps({"source": f"tokenizers {tokenizers.__version__}", "pipelines": out}, ensure_ascii=False, separators=(",", ":"))
    (here / "pipelines.json").write_text(text.replace('{"text"', '\n{"text"') + "\n")


if __name__ == "__main__":
    main()
