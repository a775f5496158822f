# SPDX-License-Identifier: Apache-2.0
"""Writes unigram.json with sentencepiece, tokenizers and transformers. usage: make-unigram.py

models:    random Unigram models with many ties; the tokens of random texts
rounding:  a tokenizer.json whose decimal scores decide a tie by how the reference rounds them
charsmaps: normalizers with texts, normalized texts and the origin of each character
folders:   SentencePiece models of XLM-RoBERTa, ALBERT and CamemBERT, with encodings
pipelines: tokenizer.json files with the settings of Metaspace, with encodings
Offsets are bytes."""
import base64
import io
import json
import random
import tempfile
from pathlib import Path

import darts
import sentencepiece
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import AlbertTokenizer, CamembertTokenizer, XLMRobertaTokenizer
from transformers.convert_slow_tokenizer import import_protobuf

pb = import_protobuf()
rng = random.Random(7)
encode64 = lambda data: base64.b64encode(data).decode()


def byte_offsets(text):
    places = [0]
    for c in text:
        places.append(places[-1] + len(c.encode()))
    return places


def tokens(tokenizer, text):
    e, at = tokenizer.encode(text, add_special_tokens=False), byte_offsets(text)
    return [[i, at[b], at[n]] for i, (b, n) in zip(e.ids, e.offsets)]


def random_text(alphabet, longest):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, longest)))


def make_models():
    out = []
    for alphabet, bytes_known in (("ab", 0), ("abé東", 0), ("aé👍", 256), ("ab<unk>", 0), ("aé", 250)):
        vocab = [["<unk>", 0.0]]
        for piece in sorted({random_text(alphabet, 4) for _ in range(24)}):
            vocab.append([piece, float(-rng.randint(0, 5))])
        vocab += [[f"<0x{b:02X}>", -3.0] for b in range(bytes_known)]
        t = Tokenizer(models.Unigram([tuple(v) for v in vocab], 0, bytes_known > 0))
        texts = [random_text(alphabet + "xù", 16) for _ in range(16)] + ["<0x41>", "<unk>", "x<unk>"]
        out.append({"vocab": vocab, "unk_id": 0, "byte_fallback": bytes_known > 0,
                    "cases": [{"text": x, "tokens": tokens(t, x)} for x in texts]})
    # The penalty of unknown characters decides between "ab cd" and an unknown "a" with "bcd".
    vocab = [["<unk>", 0.0], ["ab", -10.0], ["cd", -10.0], ["bcd", -0.5]]
    t = Tokenizer(models.Unigram([tuple(v) for v in vocab], 0, False))
    out.append({"vocab": vocab, "unk_id": 0, "byte_fallback": False,
                "cases": [{"text": x, "tokens": tokens(t, x)} for x in ("abcd", "xabcd")]})
    return out


def make_rounding():
    """Sums of the same scores in another order differ in the last bit: which one is larger depends on it."""
    while True:
        vocab = [["<unk>", -20.0]] + [[p, -rng.random() * 9] for p in ("a", "aa", "aaa", "aaaa")]
        model = {"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False}
        root = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
                "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model}
        read = Tokenizer.from_str(json.dumps(root))
        exact = Tokenizer(models.Unigram([tuple(v) for v in vocab], 0, False))
        texts = ["a" * n for n in range(1, 40)]
        if sum(tokens(read, x) != tokens(exact, x) for x in texts) >= 3:
            cases = [{"text": x, "ids": read.encode(x).ids, "types": read.encode(x).type_ids,
                      "offsets": [list(o) for o in read.encode(x).offsets]} for x in texts]
            return {"json": root, "cases": cases}


ODD = {"a": "b", "ab": "xyz", "é": "", "\u0301": "", "\r": " ", "\n": " ", "ﬃ": "ffi", "ª": "a", "ｶﾞ": "ガ",
       "©": "(c)", "क़": "\u0915\u093c", "한": "", "👍": "+1", "  ": " ", "\u0600": "NN"}
BYTES = {bytes([b]): ("X", "", "yy")[b % 3] for b in range(0xC2, 0xF5)}
TEXTS = ["", "a", "cab", "éa", "aé", "xéé", "é", "e\u0301x", "a\u0301\u0301", "\r\n", "a\r\nb", "ﬃn", "ª\u0301", "ｶﾞｷ",
         "x©\u200d©\u0301", "©\u200dx", "©\u200c\u200d©\u0301", "क\u094dक़\u0301", "क\u094d\u200dक़\u0301", "कक़\u0301",
         "한글", "글한", "👍👍🏽", "  x   y", "\u0600ａ", "\u0600é", "\u1100\u1161\u11a8\u0301", "\u1161\u0301", "가\u11a8\u0301",
         "각\u1161\u0301", "\ue000\u0301\u0301", "\U000e0001\u0344\u0301", "\0a", "a\0b", "\u0e33a", "🇩🇪🇩\u0301", "é한éa",
         "\u0915\u094d\u0915\u0301", "\u0915\u094d\u200d\u0915\u0301x"]


def make_charsmaps():
    out = []
    for rules in ({k.encode(): v for k, v in ODD.items()}, BYTES):
        data = darts.build(rules)
        t = Tokenizer(models.WordLevel({"u": 0}, unk_token="u"))
        t.normalizer = normalizers.Precompiled(data)
        t.pre_tokenizer = pre_tokenizers.Split(Regex("(?m:.)"), "isolated")
        cases = []
        for text in TEXTS + [random_text(" ab" + "".join(ODD) + "\u200d\u0301\u094d東", 8) for _ in range(30)]:
            at = byte_offsets(text)
            cases.append({"text": text, "normalized": t.normalizer.normalize_str(text),
                          "origins": [at[b] for b, _ in t.encode(text).offsets]})
        out.append({"bytes": encode64(data), "cases": cases})
    return out


CORPUS = ["the cat sat on the mat", "the dog sat", "a naïve café, a résumé", "1/2 (one) “two” — three", "das Haus", "東京 の 猫",
          "Москва и дом", "the end .", "cats and dogs", "on and on"] * 3
RULES = {"ﬁ": "fi", "ｃ": "c", "\u3000": " ", "\t": " ", "\n": " ", "\u2009": " ", "½": "1/2", "A\u030a": "Å",
         "\u00ad": "", "…": "..."}


def train(**options):
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder, "rules.tsv")
        points = lambda part: " ".join(f"{ord(c):X}" for c in part)
        rules.write_text("".join(f"{points(key)}\t{points(text)}\n" for key, text in RULES.items()))
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=90, model_type="unigram",
            hard_vocab_limit=False, normalization_rule_tsv=str(rules), minloglevel=2, num_threads=1, **options)
    proto = pb.ModelProto()
    proto.ParseFromString(model.getvalue())
    for key in ("input", "model_prefix"):
        proto.trainer_spec.ClearField(key)
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    return proto.SerializeToString()


FOLDERS = [
    ("XLMRobertaTokenizer", XLMRobertaTokenizer, "sentencepiece.bpe.model", {}, dict(unk_id=0, bos_id=1, eos_id=2)),
    ("AlbertTokenizer", AlbertTokenizer, "spiece.model", {},
     dict(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, control_symbols=["[CLS]", "[SEP]", "[MASK]"],
          user_defined_symbols=["(", ")", "-"])),
    ("AlbertTokenizer", AlbertTokenizer, "spiece.model", {"do_lower_case": False, "keep_accents": True}, None),
    ("CamembertTokenizer", CamembertTokenizer, "sentencepiece.bpe.model", {}, dict(unk_id=0, bos_id=1, eos_id=2)),
]
SENTENCES = ["", " ", "The cat sat on the mat.", "  two  spaces ", "ﬁve ½ caﾒés…", "naïve (CAFÉ) -- ``quoted'' text", "the<mask>end",
             "the <mask> end", "[MASK] the[MASK]end", "<unk> x <s>NOTUSED", "日本 東京 の猫", "tab\tnew\nline\u3000wide", "▁the ▁▁ cat",
             "soft\u00adhyphen \u00adx", "cats and dogs and cats and dogs", "Дом ДОМ й", "e\u0301 A\u030a é Å", " a cat", "ŉ ǆ \u1e9e İ"]


def encode(t, text, pair=None, longest=None):
    if longest is None:
        e = t.encode(text, add_special_tokens=False)
    else:
        t.enable_truncation(longest)
        e = t.encode(text, pair)
        t.no_truncation()
    places = [byte_offsets(text), byte_offsets(pair or "")]
    offsets = [[0, 0] if s is None else [places[s][b], places[s][n]]
               for s, (b, n) in zip(e.sequence_ids, e.offsets)]
    return {"text": text} | ({"pair": pair} if pair is not None else {}) | ({"max": longest} if longest else {}) | {
        "ids": e.ids, "types": e.type_ids, "offsets": offsets}


def make_folders():
    out, data = [], b""
    for name, kind, file, config, options in FOLDERS:
        data = train(**options) if options else data
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, file).write_bytes(data)
            Path(folder, "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name} | config))
            t = kind.from_pretrained(folder).backend_tokenizer
        cases = [encode(t, s) for s in SENTENCES] + [encode(t, s, None, 6) for s in SENTENCES]
        cases += [encode(t, a, b, 14) for a, b in zip(SENTENCES, SENTENCES[5:])]
        out.append({"class": name, "file": file, "bytes": encode64(data), "config": config, "cases": cases,
                    "vocabulary": t.get_vocab_size()})
    return out


def make_pipelines():
    """tokenizer.json with Metaspace alone, as older converters write it, and with its other settings."""
    data = train(**FOLDERS[0][4])
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, FOLDERS[0][2]).write_bytes(data)
        root = json.loads(XLMRobertaTokenizer.from_pretrained(folder).backend_tokenizer.to_str())
    root["model"]["vocab"].append(["\u2581cat\u2581s", -0.5])  # only found in a text that is not split
    out = []
    for scheme, split, spaces in (("always", True, "\u2581"), ("first", True, " "), ("first", False, " "), ("never", False, " ")):
        variant = json.loads(json.dumps(root))
        variant["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}
        variant["normalizer"] = {"type": "Sequence", "normalizers": [
            root["normalizer"], {"type": "Strip", "strip_left": split, "strip_right": True},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": spaces}]}
        t = Tokenizer.from_str(json.dumps(variant))
        out.append({"json": variant, "cases": [encode(t, s) for s in SENTENCES + ["<mask>the  cat"]]})
    return out


if __name__ == "__main__":
    golden = {"models": make_models(), "rounding": make_rounding(), "charsmaps": make_charsmaps(),
              "folders": make_folders(), "pipelines": make_pipelines()}
    text = json.dumps(golden, ensure_ascii=True, separators=(",", ":")).replace('{"text"', '\n{"text"')
    Path(__file__).with_name("unigram.json").write_text(text + "\n")
