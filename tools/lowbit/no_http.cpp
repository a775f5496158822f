// SPDX-License-Identifier: Apache-2.0
// http.hpp in a build without libcurl: `lowbit fetch` says so, and nothing else calls it.
#include "http.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct http_client::handle {};

namespace {
status no_http() {
  return status::error(errc::unsupported,
                       "this build of lowbit cannot fetch: it was made without libcurl; install it "
                       "(scripts/setup) and build again");
}
}  // namespace

http_client::http_client(std::string endpoint, std::string token, std::unique_ptr<handle> curl)
    : endpoint_(std::move(endpoint)), token_(std::move(token)), curl_(std::move(curl)) {}
http_client::http_client(http_client&&) noexcept = default;
http_client::~http_client() = default;

result<http_client> http_client::start(std::string, std::string) { return no_http(); }
result<http_reply> http_client::get(const std::string&, std::size_t) { return no_http(); }
result<http_reply> http_client::head(const std::string&) { return no_http(); }
status http_client::download(const std::string&, const lowbit::detail::file_descriptor&,
                             std::uint64_t, std::uint64_t,
                             const std::function<void(std::uint64_t)>&) {
  return no_http();
}
std::string http_client::escape(std::string_view text) const { return std::string(text); }

}  // namespace lowbit_tool
