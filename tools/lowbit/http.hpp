// SPDX-License-Identifier: Apache-2.0
// HTTP requests of `lowbit fetch`, through libcurl. Only https, or http if the endpoint itself is;
// certificates are checked, and a token is never sent to the host of a redirect.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "lowbit/core/status.hpp"
#include "lowbit/io/file_descriptor.hpp"

namespace lowbit_tool {

struct http_reply {
  long code = 0;
  std::map<std::string, std::string> headers;  // names in lower case, of the last response
  std::string body;

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? std::string() : found->second;
  }
};

class http_client {
 public:
  /// `endpoint`: scheme and host, to which alone `token` (may be empty) is sent.
  static lowbit::result<http_client> start(std::string endpoint, std::string token);
  http_client(http_client&&) noexcept;
  ~http_client();

  /// The body of `url`, at most `limit` bytes; follows redirects.
  /// Errors: not_found for 404; invalid_argument for 401 and 403, which name the token; io_error
  lowbit::result<http_reply> get(const std::string& url, std::size_t limit);
  /// The headers of `url`. Follows redirects within the endpoint, and no others: the Hub's answer
  /// to a large file is a redirect whose own headers state size and digest.
  lowbit::result<http_reply> head(const std::string& url);
  /// Appends the bytes of `url` after the first `have` to `file` until it has `size`; starts anew
  /// if the server has no ranges. Tries again after a cut connection. `progress(bytes so far)`.
  lowbit::status download(const std::string& url, const lowbit::detail::file_descriptor& file,
                          std::uint64_t have, std::uint64_t size,
                          const std::function<void(std::uint64_t)>& progress);

  /// A path segment for a URL.
  [[nodiscard]] std::string escape(std::string_view text) const;
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }

 private:
  struct handle;
  http_client(std::string endpoint, std::string token, std::unique_ptr<handle> curl);

  std::string endpoint_, token_;
  std::unique_ptr<handle> curl_;
};

}  // namespace lowbit_tool
