#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tiny models with random weights and what Hugging Face's packages answer with them: expected.json.

    python -m venv venv && venv/bin/pip install torch transformers sentence-transformers
    venv/bin/python make.py

Writes into the folder of this file. Recorded with torch 2.8.0, transformers 5.24.0, sentence-transformers 6.2.0.
"""
import json
import pathlib
import shutil
import tempfile

import torch
import transformers
from safetensors.torch import save_file
from sentence_transformers import MultiVectorEncoder, SentenceTransformer, SparseEncoder
from transformers import BertConfig, BertTokenizerFast

here = pathlib.Path(__file__).parent
words = ("[PAD] [UNK] [CLS] [SEP] [MASK] the good movie bad day new york angela merkel is was first who in and big "
         "##s ##ger ##er ##ton a b c , . president washing").split()
torch.manual_seed(20)


def config(**more):
    return BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                      intermediate_size=24, max_position_embeddings=24, **more)


def save(kind, folder, **more):
    """A model whose weights are large enough for answers that differ."""
    model = kind(config(**more)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "LayerNorm" not in name:
                parameter.normal_(0, 0.4)
    path = here / folder
    shutil.rmtree(path, ignore_errors=True)
    model.save_pretrained(path)
    # The fields that matter, which do not change with the package.
    fields = json.loads((path / "config.json").read_text())
    kept = ("architectures hidden_act hidden_size id2label intermediate_size label2id layer_norm_eps "
            "max_position_embeddings model_type num_attention_heads num_hidden_layers problem_type type_vocab_size "
            "vocab_size").split()
    (path / "config.json").write_text(json.dumps({k: fields[k] for k in kept if fields.get(k) is not None}, indent=1) + "\n")
    return model


def rounded(values):
    return [float(f"{v:.7g}") for v in values]


(here / "vocab.txt").write_text("\n".join(words) + "\n")
with tempfile.TemporaryDirectory() as scratch:
    shutil.copy(here / "vocab.txt", scratch)
    # From an old-style file, as a BERT folder without tokenizer.json has.
    tokenizer = BertTokenizerFast(vocab=str(pathlib.Path(scratch) / "vocab.txt"), do_lower_case=True)
    assert tokenizer.tokenize("bigger Movies") == ["big", "##ger", "movie", "##s"], tokenizer.tokenize("bigger Movies")
expected = {}

# Entities.
labels = {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC", 4: "I-LOC"}
model = save(transformers.BertForTokenClassification, "token", id2label=labels, label2id={v: k for k, v in labels.items()})
texts = ["Angela Merkel is in New Yorks, bigger washington movies.", "the good presidents movie and biggers bad days a b c",
         "new yorkger was bad washingtons who is big", "movies days yorks biggers washingers merkels"]
expected["entities"] = []
for how in ("none", "simple", "first", "average", "max"):
    pipe = transformers.pipeline("token-classification", model=model, tokenizer=tokenizer, aggregation_strategy=how)
    for text in texts:
        found = [{"type": e.get("entity_group", e.get("entity")), "begin": e["start"], "end": e["end"],
                  "score": float(f"{float(e['score']):.7g}")} for e in pipe(text)]
        expected["entities"].append({"aggregation": how, "text": text, "found": found})

# Answers: argmax over spans of at most 5 tokens, begin and end extended to the words of the tokenizer, as the
# question-answering pipeline of transformers 4 did (align_to_words).
model = save(transformers.BertForQuestionAnswering, "span")
expected["answers"] = []
for question, context in (("who is big", "washingtons was the first presidents, angela merkel"),
                          ("the movie", "good movies and biggers bad days in new yorks."),
                          ("bad", "yorks biggers washingtons merkels daysger")):
    e = tokenizer(question, context, return_tensors="pt")
    with torch.no_grad():
        out = model(**e)
    start, end = out.start_logits[0].numpy(), out.end_logits[0].numpy()
    own = [t for t, s in enumerate(e.sequence_ids(0)) if s == 1]
    score, s, t = max((float(start[s] + end[t]), s, t) for s in own for t in own if 0 <= t - s < 5)
    begin = e.word_to_chars(e.token_to_word(s), sequence_index=1)[0]
    stop = e.word_to_chars(e.token_to_word(t), sequence_index=1)[1]
    expected["answers"].append({"question": question, "context": context, "longest": 5, "text": context[begin:stop],
                                "score": score, "null_score": float(start[0] + end[0])})

# Masks.
model = save(transformers.BertForMaskedLM, "masked")
pipe = transformers.pipeline("fill-mask", model=model, tokenizer=tokenizer, top_k=4)
expected["masks"] = []
for text in ("the [MASK] movie", "angela [MASK] was the first"):
    expected["masks"].append({"text": text, "candidates": [{"id": c["token"], "token": tokenizer.convert_ids_to_tokens(c["token"]),
                                                            "probability": float(f"{c['score']:.7g}")} for c in pipe(text)]})

# Scores of pairs, and choices.
model = save(transformers.BertForSequenceClassification, "pair", num_labels=1, id2label={0: "L"}, label2id={"L": 0})
query, passages = "who is big", ["angela merkel", "the good movies and bad days", "washingtons", "a b c , new york"]
with torch.no_grad():
    scores = model(**tokenizer([query] * 4, passages, padding=True, return_tensors="pt")).logits[:, 0]
expected["pairs"] = {"query": query, "passages": passages, "logits": rounded(scores.tolist()),
                     "scores": rounded(torch.sigmoid(scores).tolist())}
model = save(transformers.BertForMultipleChoice, "choice")
e = tokenizer([query] * 3, passages[:3], padding=True, return_tensors="pt")
with torch.no_grad():
    scores = model(**{k: v[None] for k, v in e.items()}).logits[0]
expected["choices"] = {"question": query, "choices": passages[:3], "logits": rounded(scores.tolist()),
                       "probabilities": rounded(torch.softmax(scores, 0).tolist())}

# Embeddings: one encoder under several modules. The test writes modules.json and its folders from "modules".
save(transformers.BertModel, "embed")
dense = torch.randn(5, 32) * 0.3
bias = torch.randn(5) * 0.3
(here / "embed" / "Dense").mkdir()
save_file({"linear.weight": dense, "linear.bias": bias}, here / "embed" / "Dense" / "model.safetensors")
base = "sentence_transformers.models."
legacy = {"cls": "pooling_mode_cls_token", "max": "pooling_mode_max_tokens", "mean": "pooling_mode_mean_tokens",
          "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens", "weightedmean": "pooling_mode_weightedmean_tokens",
          "lasttoken": "pooling_mode_lasttoken"}
texts = ["the good movie", "Angela Merkel was the first president, who is bigger and washingtons bad days in new york a b c a b c"]


def pooling(*modes):
    return {"type": "Pooling", "config": {"word_embedding_dimension": 16, **{legacy[m]: m in modes for m in legacy}}}


def dense_module(activation):
    return {"type": "Dense", "config": {"in_features": 32, "out_features": 5, "bias": True,
                                        "activation_function": "torch.nn.modules." + activation}}


normalize = {"type": "Normalize"}
cases = [([pooling(m)], {}) for m in legacy]
cases += [([pooling("mean"), normalize], {}),
          ([pooling("cls", "mean"), dense_module("activation.Tanh"), normalize], {}),
          ([pooling("max", "weightedmean"), dense_module("linear.Identity")], {}),
          ([pooling("mean", "lasttoken"), dense_module("activation.ReLU")], {}),
          ([pooling("cls", "mean"), normalize, dense_module("activation.GELU")], {"max_seq_length": 6}),
          ([pooling("mean")], {"prompt": "query"}),
          ([pooling("mean"), normalize], {"dimensions": 7})]
expected["embeddings"] = []
for modules, options in cases:
    with tempfile.TemporaryDirectory() as scratch:
        at = pathlib.Path(scratch)
        shutil.copytree(here / "embed", at, dirs_exist_ok=True)
        tokenizer.save_pretrained(at)
        listed = [{"idx": 0, "name": "0", "path": "", "type": base + "Transformer"}]
        for i, m in enumerate(modules, 1):
            folder = f"{i}_{m['type']}"
            listed.append({"idx": i, "name": str(i), "path": folder, "type": base + m["type"]})
            (at / folder).mkdir()
            if "config" in m:
                (at / folder / "config.json").write_text(json.dumps(m["config"]))
            if m["type"] == "Dense":
                shutil.copy(here / "embed" / "Dense" / "model.safetensors", at / folder)
        (at / "modules.json").write_text(json.dumps(listed))
        (at / "sentence_bert_config.json").write_text(json.dumps(
            {"max_seq_length": options.get("max_seq_length", 24), "do_lower_case": False}))
        (at / "config_sentence_transformers.json").write_text(json.dumps(
            {"prompts": {"query": "who is: "}, "default_prompt_name": None}))
        st = SentenceTransformer(str(at), device="cpu")
        cut = {"truncate_dim": options["dimensions"], "normalize_embeddings": True} if "dimensions" in options else {}
        vectors = [st.encode([t], prompt_name=options.get("prompt"), **cut)[0].tolist() for t in texts]
        expected["embeddings"].append({"modules": modules, "options": options, "texts": texts,
                                       "vectors": [rounded(v) for v in vectors]})


def with_modules(folder, modules, scratch):
    """A sentence-transformers folder around a model."""
    at = pathlib.Path(scratch)
    shutil.copytree(here / folder, at, dirs_exist_ok=True)
    tokenizer.save_pretrained(at)
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for i, m in enumerate(modules, 1):
        listed.append({"idx": i, "name": str(i), "path": f"{i}_{m['type']}", "type": m["class"]})
        (at / f"{i}_{m['type']}").mkdir()
        (at / f"{i}_{m['type']}" / "config.json").write_text(json.dumps(m["config"]))
    (at / "modules.json").write_text(json.dumps(listed))
    return at, listed


# Sparse vectors: the masked language model under SpladePooling.
expected["sparse"] = []
for strategy, function in (("max", "relu"), ("sum", "relu"), ("max", "log1p_relu"), ("sum", "log1p_relu")):
    pool = {"type": "SpladePooling", "class": "sentence_transformers.sparse_encoder.models.SpladePooling",
            "config": {"pooling_strategy": strategy, "activation_function": function, "word_embedding_dimension": None}}
    with tempfile.TemporaryDirectory() as scratch:
        at, listed = with_modules("masked", [pool], scratch)
        listed[0]["type"] = "sentence_transformers.sparse_encoder.models.MLMTransformer"
        (at / "modules.json").write_text(json.dumps(listed))
        (at / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24, "do_lower_case": False}))
        (at / "config_sentence_transformers.json").write_text(json.dumps({"model_type": "SparseEncoder"}))
        encoder = SparseEncoder(str(at), device="cpu")
        vectors = [rounded(encoder.encode([t], convert_to_sparse_tensor=False)[0].tolist()) for t in texts]
    expected["sparse"].append({"modules": [{k: pool[k] for k in ("type", "config")}], "texts": texts, "vectors": vectors})

# A vector for each token (ColBERT): one encoder, a projection of every token, words that documents skip. The test writes
# the folders of the modules.
projection = torch.randn(5, 16) * 0.3
(here / "embed" / "Projection").mkdir()
save_file({"linear.weight": projection}, here / "embed" / "Projection" / "model.safetensors")
per_token = {"module_input_name": "token_embeddings", "module_output_name": "token_embeddings"}
project = {"type": "Dense", "class": "sentence_transformers.base.modules.dense.Dense",
           "config": {"in_features": 16, "out_features": 5, "bias": False,
                      "activation_function": "torch.nn.modules.linear.Identity", **per_token}}
mask = {"type": "MultiVectorMask", "class": "sentence_transformers.multi_vector_encoder.modules.MultiVectorMask",
        "config": {"skiplist_words": [",", "."]}}
unit = {"type": "Normalize", "class": "sentence_transformers.base.modules.normalize.Normalize", "config": per_token}
pylate = {**project, "class": "pylate.models.Dense.Dense",
          "config": {k: v for k, v in project["config"].items() if k not in per_token}}
cases = [([project, mask, unit], {}), ([mask, unit], {}), ([project], {}),
         ([project, mask, unit], {"prompt": "query", "prompts": {"query": "who , ", "document": "is "}}),
         ([project, mask, unit], {"prompt": "document", "prompts": {"query": "who , ", "document": "is "}}),
         ([pylate], {"pylate": {"model_type": "ColBERT", "query_prefix": "[MASK]", "document_prefix": "[UNK]",
                                "do_query_expansion": False}, "prompt": "query"}),
         ([pylate], {"pylate": {"model_type": "ColBERT", "query_prefix": "[MASK]", "document_prefix": "[UNK]",
                                "do_query_expansion": False}, "prompt": "document"})]
expected["tokens"] = []
for modules, options in cases:
    with tempfile.TemporaryDirectory() as scratch:
        at, listed = with_modules("embed", modules, scratch)
        (at / "Projection" / "model.safetensors").unlink()
        for i, m in enumerate(modules, 1):
            if m["type"] == "Dense":
                shutil.copy(here / "embed" / "Projection" / "model.safetensors", at / f"{i}_Dense")
        (at / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24, "do_lower_case": False}))
        settings = options.get("pylate", {"model_type": "MultiVectorEncoder", "prompts": options.get("prompts", {})})
        (at / "config_sentence_transformers.json").write_text(json.dumps(settings))
        encoder = MultiVectorEncoder(str(at), device="cpu")
        vectors = [encoder.encode([t], prompt_name=options.get("prompt"), task=options.get("prompt"))[0] for t in texts]
    expected["tokens"].append({
        "modules": [{k: m[k] for k in ("type", "config")} for m in modules], "settings": settings,
        "prompt": options.get("prompt"), "texts": texts,
        "vectors": [[rounded(row.tolist()) for row in v] for v in vectors]})

(here / "expected.json").write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in expected.items()) + "\n}" + "\n")
