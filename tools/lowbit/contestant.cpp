// SPDX-License-Identifier: Apache-2.0
#include "contestant.hpp"

#include <filesystem>

#include "texts.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

namespace {

/// Size of the weight files.
result<std::uintmax_t> file_bytes(const std::filesystem::path& folder) {
  std::error_code failed;
  std::uintmax_t total = 0;
  const bool is_torch = !std::filesystem::exists(folder / "model.safetensors", failed) &&
                        !std::filesystem::exists(folder / "model.safetensors.index.json", failed);
  for (std::filesystem::directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    const auto kind = at->path().extension();
    if (kind == ".safetensors" || (kind == ".bin" && is_torch)) total += at->file_size(failed);
  }
  if (failed) return status::error(errc::io_error, folder.native(), ": ", failed.message());
  return total;
}

}  // namespace

result<answer> contestant::classify(const std::string& text) {
  token_rows rows;
  const lowbit::model_shape& shape = runs.shape();
  const status added = add_text(tokenizer, text, shape.positions, false, true, rows);
  if (!added.ok()) return added;
  LOWBIT_TRY_ASSIGN(const auto logits, runs.run(rows));
  const std::size_t best = lowbit::largest_logit(logits.data(), shape.labels);
  return answer{runs.label(best), runs.scores(logits.data())[best]};
}

result<contestant> open_contestant(const std::string& folder, const std::string& arch,
                                   std::size_t threads, std::optional<lowbit::head_kind> head) {
  LOWBIT_TRY_ASSIGN(auto s, session::open(folder, {}, arch, threads, head));
  LOWBIT_TRY_ASSIGN(auto tokenizer, open_tokenizer(folder, s.model().config));
  LOWBIT_TRY_ASSIGN(const auto at, lowbit::locate_model(folder));
  LOWBIT_TRY_ASSIGN(const auto bytes, file_bytes(at.transformer.path()));
  const std::filesystem::path path = std::filesystem::path(folder + "/").lexically_normal();
  return contestant{path.parent_path().filename().string(), bytes, std::move(s),
                    std::move(tokenizer)};
}

}  // namespace lowbit_tool
