// SPDX-License-Identifier: Apache-2.0
// The prompt that an embedder puts before every text: one of a sentence-transformers folder, by its
// name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lowbit/io/embedding_format.hpp"

namespace lowbit::inline LOWBIT_ISA {

class text_prompt {
 public:
  /// Errors: invalid_argument listing the names
  status choose(const std::optional<embedding_format>& format, std::string_view name) {
    std::string known;
    if (format) {
      const auto found = format->prompts.find(std::string(name));
      if (found != format->prompts.end()) {
        name_ = name;
        text_ = found->second;
        return {};
      }
      for (const auto& [other, text] : format->prompts)
        known += (known.empty() ? "" : ", ") + detail::quote_name(other);
    }
    return status::error(errc::invalid_argument, "prompt is ", detail::quote_name(name),
                         known.empty() ? ", but the folder has none" : ", expected one of ", known);
  }
  /// The one for a text without a named prompt, if the folder has such.
  status choose_default(const std::optional<embedding_format>& format) {
    if (!format || format->default_prompt.empty()) return {};
    return choose(format, format->default_prompt);
  }

  [[nodiscard]] std::string before(std::string_view text) const {
    return text_ + std::string(text);
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string name_, text_;
};

}  // namespace lowbit::inline LOWBIT_ISA
