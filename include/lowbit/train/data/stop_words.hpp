// SPDX-License-Identifier: Apache-2.0
// English function words, which augmentation never replaces: they carry grammar and, like "not",
// often the label. Includes the parts of contractions made by the basic tokenizer ("don't" is don '
// t).
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace lowbit::train {

/// Sorted.
inline constexpr auto stop_words = std::to_array<std::string_view>(
    {"a",         "about",    "above",      "across",   "after",    "again",     "against",
     "ain",       "all",      "along",      "already",  "also",     "although",  "always",
     "am",        "among",    "an",         "and",      "another",  "any",       "anybody",
     "anyone",    "anything", "are",        "aren",     "around",   "as",        "at",
     "be",        "because",  "been",       "before",   "behind",   "being",     "below",
     "beneath",   "beside",   "besides",    "between",  "beyond",   "both",      "but",
     "by",        "can",      "cannot",     "could",    "couldn",   "d",         "despite",
     "did",       "didn",     "do",         "does",     "doesn",    "doing",     "don",
     "done",      "down",     "during",     "each",     "either",   "else",      "ever",
     "every",     "few",      "for",        "from",     "further",  "had",       "hadn",
     "has",       "hasn",     "have",       "haven",    "having",   "he",        "hence",
     "her",       "here",     "hers",       "herself",  "him",      "himself",   "his",
     "how",       "however",  "i",          "if",       "in",       "inside",    "into",
     "is",        "isn",      "it",         "its",      "itself",   "just",      "least",
     "less",      "ll",       "m",          "ma",       "many",     "may",       "me",
     "might",     "mightn",   "mine",       "more",     "most",     "much",      "must",
     "mustn",     "my",       "myself",     "near",     "needn",    "neither",   "never",
     "no",        "nobody",   "none",       "nor",      "not",      "nothing",   "now",
     "o",         "of",       "off",        "on",       "once",     "one",       "only",
     "onto",      "or",       "other",      "others",   "ought",    "our",       "ours",
     "ourselves", "out",      "outside",    "over",     "own",      "per",       "rather",
     "re",        "s",        "same",       "several",  "shall",    "shan",      "she",
     "should",    "shouldn",  "since",      "so",       "some",     "somebody",  "someone",
     "something", "such",     "t",          "than",     "that",     "the",       "their",
     "theirs",    "them",     "themselves", "then",     "there",    "therefore", "these",
     "they",      "this",     "those",      "though",   "through",  "thus",      "till",
     "to",        "too",      "toward",     "towards",  "under",    "unless",    "until",
     "up",        "upon",     "us",         "ve",       "very",     "via",       "was",
     "wasn",      "we",       "were",       "weren",    "what",     "whatever",  "when",
     "whenever",  "where",    "whereas",    "wherever", "whether",  "which",     "whichever",
     "while",     "who",      "whoever",    "whom",     "whose",    "why",       "will",
     "with",      "within",   "without",    "won",      "would",    "wouldn",    "y",
     "yet",       "you",      "your",       "yours",    "yourself", "yourselves"});
static_assert(std::is_sorted(stop_words.begin(), stop_words.end()));

inline bool is_stop_word(std::string_view word) {
  return std::binary_search(stop_words.begin(), stop_words.end(), word);
}

}  // namespace lowbit::train
