// SPDX-License-Identifier: Apache-2.0
// Writes encodings.json, tokenizer.json and code_points.json of this folder with the official
// tokenizers. Run by hand when a case is added; scripts/tokenizer-diff installs the package:
//   node make-golden.js build/tokenizer-diff/node_modules/tokenizers
'use strict'
const fs = require('fs')
const path = require('path')
const hf = require(path.resolve(process.argv[2]))
const version = require(path.resolve(process.argv[2], 'package.json')).version
const here = (name) => path.join(__dirname, name)

// ---- encodings.json and tokenizer.json -----------------------------------------------------------

const texts = [
  '', ' ', '\t\n\r ', 'hello', 'Hello World', 'the quick brown fox jumps over the lazy dog', 'HELLO, world!  don\'t',
  'unaffable running tokenization tokenizers', 'a  b\u00a0c\u3000d\u2003e\u2028f\u0085g', 'un-aff_able (run+ning) $100.00 ^`~|',
  'café CAFÉ cafe\u0301 CAFE\u0301', 'résumé façade naïve über Straße STRASSE', 'e\u0323\u0301 e\u0301\u0323 \u1ec7 \u1e69 s\u0307\u0323',
  '\u0301leading mark', 'a\u0344b \u0345x', 'q\u0334\u0301\u0345\u0323', 'Ｆｕｌｌｗｉｄｔｈ ﬁne ﬀ ſ', 'İstanbul ISTANBUL ıI i\u0307',
  'ΚΌΣΜΟΣ κόσμος ΟΔΟΣ ΑΣ ΐ ΐ', 'Ἀθηνᾶ ᾳ ᾼ ὼ', 'Привет МИР Ёлка ѐ й и\u0306', 'ß ẞ Å å ø Ø æ', 'ŉ ǰ ǅ Ǆ ǆ',
  'שָׁלוֹם שלום \ufb2a', 'مَرْحَبًا مُحَمَّد آ ا\u0653', 'नमस्ते हिन्दी क\u093c \u0958', 'สวัดีครับ ไทย น้ำ', 'བོད་ \u0f73 \u0f71\u0f72',
  '한국어 한글 \u1112\u1161\u11ab\u1100\u1169\u11a8', '각 \u1100\u1161\u11a8', 'ひらがな ガ か\u3099 パ ハ\u309a ｶﾞ', '日本語の東京abc中文字', '豈\uf900 \u{2f800} \u{20000}\u{2b820}\u{2a700}',
  '漢字、カタカナ。「東京」・々', 'hello世界world', '😀🤔 👍🏽 👩\u200d👩 ❤\ufe0f ☺\ufe0f 🇩🇪 1\ufe0f\u20e3', '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}',
  'zero\u200bwidth\u200cjoin\u200der\u2060\ufeff soft\u00adhyphen', '\u0000nul\u0000in\u0001side\u007f\u0080', 'tab\tnew\nline\rreturn\u000bvt\u000cff',
  'replacement \ufffd char\ufffd', 'private \ue000\uf8ff \u{f0000} \u{10fffd}', 'noncharacters \ufffe \uffff \u{1ffff} \u{10ffff}', 'unassigned \u0378 \u{1ffff}a \u{50000}',
  'around \ud7ff\ue000', '\u202aleft\u202c \u2066iso\u2069', 'tags \u{e0001}\u{e0020}x', '\u180e\u1806 \u1734 \u166d\u{111c9}', 'new \u061d \u2e52 \u08d3a \u{1e944}b \u{10f46}c',
  '\u{10d50}\u{10d70} \ua7cb \ua7dc \u1c89', '“quotes” ‘single’ «guillemets» —dash… ¿qué? ¡sí!', '€5 £6 ²³ ½ µ° ±7 №', '‐‑‒–—― ‖†‡•‰′″', '！＂＃，．：；？＠［］｛｝｟｠', '⸀⸮⹁ 〈〉《》〽',
  '[CLS] hello [SEP] world [MASK] [PAD] [UNK] [unused0]', 'x[SEP]y[MASK]z', '[cls] [Sep] [ MASK ] [[MASK]]', '[MA\u0301SK] [SEP\u0301] \u200b[SEP]\u200b',
  'a'.repeat(99), 'a'.repeat(100), 'a'.repeat(101), 'é'.repeat(100), 'é'.repeat(101), 'e\u0301'.repeat(100), 'e\u0301'.repeat(101),
  '\u{1d5cf}'.repeat(100), '\u{1d5cf}'.repeat(101), 'x ' + 'ab'.repeat(60) + ' y', '.'.repeat(120), '1234500123 12345', 'ed edit edited edits',
  'left   strip   right', 'whole wholesale _whole whole9 éwhole (whole)', 'the ADDED added étude ÉTUDE E\u0301tude etude', 'ssa\u0323\u0307 ＡＤＤＥＤ',
]
const pairs = [
  ['hello world', 'the quick brown fox'], ['the quick brown fox jumps over the lazy dog', 'hello'], ['', 'world'], ['hello', ''], ['', ''],
  ['café 東京', 'ひらがな [SEP] x'], ['unaffable running tokenizers', 'wholesale tokenization played'], ['a b c d e f g', 'h i j k l m n'],
]
const added = [
  { content: '[unused0]', special: true }, { content: 'strip', lstrip: true, rstrip: true }, { content: 'whole', single_word: true },
  { content: 'ADDED', normalized: true }, { content: 'Étude', normalized: true, lstrip: true },
]
const vocabulary = fs.readFileSync(here('vocab.txt'), 'utf8').trimEnd().split('\n')
const vocab = Object.fromEntries(vocabulary.map((token, i) => [token, i]))

function makeJson(normalizer, more) {
  let next = vocabulary.length
  const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].map((content) => ({ content, special: true })).concat(more)
  const item = (kind, id, type_id) => ({ [kind]: { id, type_id } })
  const special = (name) => ({ id: name, ids: [vocab[name]], tokens: [name] })
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: tokens.map((t) => ({
      id: vocab[t.content] ?? next++, content: t.content, single_word: t.single_word ?? false, lstrip: t.lstrip ?? false,
      rstrip: t.rstrip ?? false, normalized: t.normalized ?? false, special: t.special ?? false,
    })).sort((a, b) => a.id - b.id),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true, ...normalizer },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [item('SpecialToken', '[CLS]', 0), item('Sequence', 'A', 0), item('SpecialToken', '[SEP]', 0)],
      pair: [item('SpecialToken', '[CLS]', 0), item('Sequence', 'A', 0), item('SpecialToken', '[SEP]', 0), item('Sequence', 'B', 1), item('SpecialToken', '[SEP]', 1)],
      special_tokens: { '[CLS]': special('[CLS]'), '[SEP]': special('[SEP]') },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  }
}

function byteOffsets(text) {
  const starts = []
  let byte = 0
  for (const c of text) { starts.push(byte); byte += Buffer.byteLength(c) }
  return starts.concat(byte)
}

async function encode(tokenizer, tokenizerName, request) {
  if (request.max === undefined) tokenizer.disableTruncation()
  else tokenizer.setTruncation(request.max, { strategy: 'LongestFirst', stride: 0 })
  const e = await tokenizer.encode(request.text, request.pair ?? null, { addSpecialTokens: request.max !== undefined })
  const maps = [byteOffsets(request.text), byteOffsets(request.pair ?? '')], sequences = e.getSequenceIds()
  return {
    tokenizer: tokenizerName, ...request, ids: e.getIds(), types: e.getTypeIds(),
    offsets: e.getOffsets().map((span, i) => span.map((at) => maps[sequences[i] ?? 0][at])),
  }
}

async function writeEncodings() {
  const withAdded = makeJson({}, added)
  fs.writeFileSync(here('tokenizer.json'), JSON.stringify(withAdded, null, 1) + '\n')
  const tokenizers = {
    uncased: makeJson({}, []), cased: makeJson({ lowercase: false }, []),
    'uncased, accents kept': makeJson({ strip_accents: false }, []), added: withAdded,
  }
  const cases = []
  for (const [name, json] of Object.entries(tokenizers)) {
    const tokenizer = hf.Tokenizer.fromString(JSON.stringify(json))
    for (const text of texts) cases.push(await encode(tokenizer, name, { text }))
    if (name !== 'uncased') continue
    for (let max = 2; max <= 14; ++max) cases.push(await encode(tokenizer, name, { text: 'unaffable 東京 [SEP] running dog', max }))
    for (const [text, pair] of pairs)
      for (let max = 3; max <= 22; ++max) cases.push(await encode(tokenizer, name, { text, pair, max }))
  }
  const lines = cases.map((c) => JSON.stringify(c).replace(/[\u0000-\u001f\u007f-\u{10ffff}]/gu, (c) =>
    Array.from({ length: c.length }, (_, i) => '\\u' + c.charCodeAt(i).toString(16).padStart(4, '0')).join('')))
  fs.writeFileSync(here('encodings.json'), `{"source": "tokenizers ${version}", "cases": [\n${lines.join(',\n')}\n]}\n`)
  return cases.length
}

// ---- code_points.json: what the reference says about every code point ----------------------------

async function wordCharacters() {  // \w, as single_word sees it
  const json = makeJson({}, [{ content: 'qqjjqq', single_word: true }])
  const tokenizer = hf.Tokenizer.fromString(JSON.stringify(json)), id = vocabulary.length
  const found = []
  for (let first = 0; first < 0x110000; first += 4096) {
    const points = Array.from({ length: 4096 }, (_, i) => first + i).filter((c) => c < 0xd800 || c > 0xdfff)
    if (points.length === 0) continue
    const encoded = await tokenizer.encodeBatch(points.map((c) => `qqjjqq${String.fromCodePoint(c)}`), { addSpecialTokens: false })
    encoded.forEach((e, i) => { if (!e.getIds().includes(id)) found.push(points[i]) })
  }
  return found
}

async function writeCodePoints() {
  const off = { cleanText: false, handleChineseChars: false, stripAccents: false, lowercase: false }
  const make = (option) => hf.bertNormalizer({ ...off, ...option })
  const clean = make({ cleanText: true }), strip = make({ stripAccents: true }), lower = make({ lowercase: true })
  const spaced = make({ handleChineseChars: true }), nfd = hf.nfdNormalizer(), split = hf.bertPreTokenizer()
  const sets = { dropped: [], whitespace: [], punctuation: [], mark: [], ideograph: [], combining: [] }
  const lowered = [], decomposed = []
  const words = []
  const points = (s) => [...s].map((c) => c.codePointAt(0))
  const add = (list, c) => {
    const last = list.at(-1)
    if (last && last[1] === c - 1) last[1] = c
    else list.push([c, c])
  }
  for (const c of await wordCharacters()) add(words, c)
  for (let c = 0; c < 0x110000; ++c) {
    if (c >= 0xd800 && c <= 0xdfff) continue
    const s = String.fromCodePoint(c)
    if (clean.normalizeString(s) === '') add(sets.dropped, c)
    const pieces = split.preTokenizeString(`a${s}a`).length
    if (pieces === 2) add(sets.whitespace, c)
    if (pieces === 3) add(sets.punctuation, c)
    if (spaced.normalizeString(s) !== s) add(sets.ideograph, c)
    const low = points(lower.normalizeString(s))
    if (low.length !== 1 || low[0] !== c) lowered.push([c, ...low])
    const parts = nfd.normalizeString(s)
    if (parts !== s) {
      if (c < 0xac00 || c > 0xd7a3) decomposed.push([c, ...points(parts)])
      continue
    }
    if (strip.normalizeString(s) === '') add(sets.mark, c)
    // U+0334 has the lowest class and U+0345 the highest: any other mark changes place with one.
    if (nfd.normalizeString(`${s}\u0334`) !== `${s}\u0334` || nfd.normalizeString(`\u0345${s}`) !== `\u0345${s}` || c === 0x334 || c === 0x345) add(sets.combining, c)
  }
  const list = (items) => `[${items.map((item) => JSON.stringify(item)).join(', ')}]`.replace(/(.{1,150}\]),? /g, '$1,\n  ')
  const fields = Object.entries({ ...sets, word: words, lower: lowered, decomposition: decomposed }).map(([name, items]) => `"${name}": ${list(items)}`)
  fs.writeFileSync(here('code_points.json'), `{"source": "tokenizers ${version}",\n${fields.join(',\n')}}\n`)
}

writeEncodings().then((count) => { console.log(`${count} encodings`); return writeCodePoints() })
