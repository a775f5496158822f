// SPDX-License-Identifier: Apache-2.0
#include "http.hpp"

#include <curl/curl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <utility>

#include "lowbit/core/config.hpp"

namespace lowbit_tool {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

struct http_client::handle {
  CURL* curl = nullptr;
  char reason[CURL_ERROR_SIZE] = {};
  ~handle() {
    if (curl != nullptr) ::curl_easy_cleanup(curl);
  }
};

namespace {

constexpr int attempts = 4;

struct running_download {
  CURL* curl;
  const lowbit::detail::file_descriptor& file;
  std::uint64_t have, size;
  const std::function<void(std::uint64_t)>& progress;
  bool started = false;
  status failed;
};

std::size_t read_header(char* bytes, std::size_t, std::size_t count, void* to) {
  auto& headers = *static_cast<std::map<std::string, std::string>*>(to);
  std::string_view line(bytes, count);
  while (line.ends_with('\n') || line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) headers.clear();  // the response after a redirect
  const std::size_t colon = line.find(':');
  if (colon == line.npos || headers.size() > 200) return count;
  std::string name(line.substr(0, colon));
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  line.remove_prefix(colon + 1);
  while (line.starts_with(' ')) line.remove_prefix(1);
  headers[name] = line;
  return count;
}

struct limited_body {
  std::string bytes;
  std::size_t limit;
};
std::size_t read_body(char* bytes, std::size_t, std::size_t count, void* to) {
  auto& body = *static_cast<limited_body*>(to);
  if (count > body.limit - body.bytes.size()) return 0;  // curl ends the transfer
  body.bytes.append(bytes, count);
  return count;
}

std::size_t write_file_part(char* bytes, std::size_t, std::size_t count, void* to) {
  auto& d = *static_cast<running_download*>(to);
  if (!d.started) {
    long code = 0;
    ::curl_easy_getinfo(d.curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 206 && d.have != 0) {  // the whole file instead of the rest
      d.have = 0;
      if (::ftruncate(d.file.get(), 0) != 0 || ::lseek(d.file.get(), 0, SEEK_SET) != 0) {
        d.failed = lowbit::detail::os_error("download", "cannot start anew", errno);
        return 0;
      }
    }
    d.started = true;
  }
  if (count > d.size - d.have) {
    d.failed = status::error(errc::malformed, "more than the ", d.size, " bytes announced");
    return 0;
  }
  d.failed = lowbit::detail::write_all(d.file, std::as_bytes(std::span(bytes, count)), "download");
  if (!d.failed.ok()) return 0;
  d.have += count;
  d.progress(d.have);
  return count;
}

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

status http_error(long code, std::string_view url) {
  if (code == 401 || code == 403) {
    return status::error(errc::invalid_argument, url, ": HTTP status ", code,
                         ": there is no such model, or it needs the token (HF_TOKEN) of an account "
                         "that has access");
  }
  if (code == 404) return status::error(errc::not_found, url, ": HTTP status 404, not found");
  return status::error(errc::io_error, url, ": HTTP status ", code);
}

}  // namespace

http_client::http_client(std::string endpoint, std::string token, std::unique_ptr<handle> curl)
    : endpoint_(std::move(endpoint)), token_(std::move(token)), curl_(std::move(curl)) {}
http_client::http_client(http_client&&) noexcept = default;
http_client::~http_client() = default;

result<http_client> http_client::start(std::string endpoint, std::string token) {
  while (endpoint.ends_with('/')) endpoint.pop_back();
  const bool secure = endpoint.starts_with("https://");
  if (!secure && !endpoint.starts_with("http://")) {
    return status::error(errc::invalid_argument, "HF_ENDPOINT is ", endpoint,
                         ", expected https://HOST");
  }
  if (token.find_first_of("\r\n") != token.npos)
    return status::error(errc::invalid_argument, "HF_TOKEN holds a line break");
  static const CURLcode global = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  auto h = std::make_unique<handle>();
  if (global == CURLE_OK) h->curl = ::curl_easy_init();
  if (h->curl == nullptr) return status::error(errc::io_error, "cannot start libcurl");
  CURL* const curl = h->curl;
  ::curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, h->reason);
  ::curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(curl, CURLOPT_USERAGENT, "lowbit/" LOWBIT_VERSION);
  ::curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
  ::curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  ::curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 5L);
  ::curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 30L);
  ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  ::curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 60L);
  ::curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
  if (!token.empty()) {  // libcurl drops it at a redirect to another host
    ::curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    ::curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token.c_str());
  }
  return http_client(std::move(endpoint), std::move(token), std::move(h));
}

std::string http_client::escape(std::string_view text) const {
  char* const escaped = ::curl_easy_escape(curl_->curl, text.data(), static_cast<int>(text.size()));
  const std::string out = escaped == nullptr ? "" : escaped;
  ::curl_free(escaped);
  return out;
}

namespace {

/// Runs a transfer again until it passes, fails for good or `attempts` are used up.
template <class Restart>
CURLcode perform(CURL* curl, long& status_code, Restart restart) {
  for (int attempt = 1;; ++attempt) {
    const CURLcode code = ::curl_easy_perform(curl);
    ::curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status_code);
    const bool answered = code == CURLE_OK || code == CURLE_HTTP_RETURNED_ERROR;
    const bool busy = answered && (status_code == 429 || status_code >= 500);
    if ((!busy && !may_pass(code)) || attempt == attempts || !restart()) return code;
    std::this_thread::sleep_for(std::chrono::seconds(attempt));
  }
}

status transfer_error(std::string_view url, CURLcode code, const char* reason) {
  return status::error(errc::io_error, url, ": ",
                       reason[0] != '\0' ? reason : ::curl_easy_strerror(code));
}

}  // namespace

result<http_reply> http_client::get(const std::string& url, std::size_t limit) {
  CURL* const curl = curl_->curl;
  http_reply reply;
  limited_body body{{}, limit};
  ::curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  ::curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  ::curl_easy_setopt(curl, CURLOPT_RANGE, nullptr);
  ::curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply.headers);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, read_body);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  const CURLcode code = perform(curl, reply.code, [&] {
    body.bytes.clear();
    return true;
  });
  if (code == CURLE_WRITE_ERROR)
    return status::error(errc::malformed, url, ": an answer of more than ", limit, " bytes");
  if (code != CURLE_OK) return transfer_error(url, code, curl_->reason);
  if (reply.code != 200) return http_error(reply.code, url);
  reply.body = std::move(body.bytes);
  return reply;
}

result<http_reply> http_client::head(const std::string& url) {
  CURL* const curl = curl_->curl;
  std::string at = url;
  for (int redirects = 0; redirects < 5; ++redirects) {
    http_reply reply;
    ::curl_easy_setopt(curl, CURLOPT_URL, at.c_str());
    ::curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    ::curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    ::curl_easy_setopt(curl, CURLOPT_RANGE, nullptr);
    ::curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply.headers);
    const CURLcode code = perform(curl, reply.code, [] { return true; });
    if (code != CURLE_OK) return transfer_error(at, code, curl_->reason);
    if (reply.code >= 400) return http_error(reply.code, at);
    const std::string to = reply.header("location");
    if (to.empty() || !reply.header("x-linked-etag").empty()) return reply;
    if (to.starts_with(endpoint_ + "/")) {
      at = to;
    } else if (to.starts_with('/') && !to.starts_with("//")) {
      at = endpoint_ + to;
    } else {
      return reply;
    }
  }
  return status::error(errc::io_error, url, ": more than 5 redirects");
}

status http_client::download(const std::string& url, const lowbit::detail::file_descriptor& file,
                             std::uint64_t have, std::uint64_t size,
                             const std::function<void(std::uint64_t)>& progress) {
  CURL* const curl = curl_->curl;
  std::map<std::string, std::string> headers;
  running_download d{curl, file, have, size, progress, false, {}};
  ::curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
  ::curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  ::curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  ::curl_easy_setopt(curl, CURLOPT_HEADERDATA, &headers);
  ::curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_file_part);
  ::curl_easy_setopt(curl, CURLOPT_WRITEDATA, &d);
  const auto set_range = [&] {
    const std::string range = std::to_string(d.have) + "-";
    ::curl_easy_setopt(curl, CURLOPT_RANGE, d.have == 0 ? nullptr : range.c_str());
    d.started = false;
    return d.failed.ok();
  };
  set_range();
  long response = 0;
  const CURLcode code = perform(curl, response, set_range);
  ::curl_easy_setopt(curl, CURLOPT_FAILONERROR, 0L);
  if (!d.failed.ok()) return d.failed.in(url);
  if (code == CURLE_HTTP_RETURNED_ERROR) return http_error(response, url);
  if (code != CURLE_OK) {
    return status::error(errc::io_error, url, ": ", d.have, " of ", size, " bytes: ",
                         curl_->reason[0] != '\0' ? curl_->reason : ::curl_easy_strerror(code),
                         "; run it again to continue");
  }
  if (d.have != size)
    return status::error(errc::malformed, url, ": ", d.have, " bytes, expected ", size);
  return {};
}

}  // namespace lowbit_tool
