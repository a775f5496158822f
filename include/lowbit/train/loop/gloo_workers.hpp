// SPDX-License-Identifier: Apache-2.0
// Processes on one or several machines that sum gradients through libtorch's Gloo. Configured by
// torchrun's environment variables: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT. Gloo's headers are
// a separate package; without them a single process works as usual, and several are rejected with a
// message.
#pragma once

#include <torch/torch.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lowbit/core/status.hpp"
#include "lowbit/train/loop/workers.hpp"

#if defined(USE_C10D_GLOO) && __has_include(<gloo/rendezvous/store.h>)
#define LOWBIT_HAS_GLOO 1
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#else
#define LOWBIT_HAS_GLOO 0
#endif

namespace lowbit::train {

/// The process group described by the environment.
struct worker_place {
  std::size_t rank = 0, size = 1;
  std::string address = "127.0.0.1";  ///< of the process of rank 0
  std::uint16_t port = 29500;
  bool served = false;  ///< torchrun itself runs the store there
};

namespace detail {

/// A whole number from the environment; `otherwise` if the variable is not set.
inline result<std::size_t> number_from_environment(const char* name, std::size_t otherwise,
                                                   std::size_t most) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  const std::string_view digits(text);
  std::size_t value = 0;
  const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || end.ec != std::errc() || end.ptr != digits.data() + digits.size() ||
      value > most) {
    return status::error(errc::invalid_argument, "environment variable ", name, "=\"", digits,
                         "\", expected a number from 0 to ", most);
  }
  return value;
}

}  // namespace detail

/// Errors: invalid_argument naming the variable that is invalid or missing
inline result<worker_place> place_from_environment() {
  worker_place place;
  LOWBIT_TRY_ASSIGN(const auto size, detail::number_from_environment("WORLD_SIZE", 1, 1 << 16));
  LOWBIT_TRY_ASSIGN(const auto rank, detail::number_from_environment("RANK", 0, 1 << 16));
  LOWBIT_TRY_ASSIGN(const auto port,
                    detail::number_from_environment("MASTER_PORT", place.port, 65535));
  place.rank = rank, place.size = size, place.port = static_cast<std::uint16_t>(port);
  if (place.rank >= place.size) {
    return status::error(errc::invalid_argument, "environment variable RANK=", place.rank,
                         ", expected less than WORLD_SIZE=", place.size);
  }
  if (place.size == 1) return place;
  for (const char* name : {"RANK", "MASTER_ADDR"}) {
    if (std::getenv(name) != nullptr) continue;
    return status::error(errc::invalid_argument, "environment variable ", name,
                         " is missing, expected with WORLD_SIZE=", place.size);
  }
  place.address = std::getenv("MASTER_ADDR");
  const char* served = std::getenv("TORCHELASTIC_USE_AGENT_STORE");
  place.served = served != nullptr && std::string_view(served) == "True";
  return place;
}

#if LOWBIT_HAS_GLOO

namespace detail {

/// libtorch 2.4 and later use libuv for the store by default, and throw if built without it, as on
/// Debian. Earlier versions have no such field.
template <class Options>
void without_libuv(Options& options) {
  if constexpr (requires { options.useLibUV; }) options.useLibUV = false;
}

}  // namespace detail

class gloo_workers : public workers {
 public:
  /// Waits for all processes. libtorch throws if one does not arrive in time.
  gloo_workers(const worker_place& place, std::chrono::milliseconds patience) : place_(place) {
    c10d::TCPStoreOptions store;
    store.port = place.port;
    store.isServer = place.rank == 0 && !place.served;
    store.numWorkers = place.size;
    store.waitWorkers = false;  // the group below waits
    store.timeout = patience;
    detail::without_libuv(store);
    const char* restarts = std::getenv("TORCHELASTIC_RESTART_COUNT");
    const auto shared = c10::make_intrusive<c10d::PrefixStore>(
        std::string("lowbit-train/") + (restarts == nullptr ? "0" : restarts),
        c10::make_intrusive<c10d::TCPStore>(place.address, store));
    shared->setTimeout(patience);
    const auto options = c10d::ProcessGroupGloo::Options::create(patience);
    options->devices = {device(place)};
    options->threads = 1;
    group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(shared, static_cast<int>(place.rank),
                                                         static_cast<int>(place.size), options);
  }

  [[nodiscard]] std::size_t rank() const override { return place_.rank; }
  [[nodiscard]] std::size_t size() const override { return place_.size; }

  /// One message per element type, from CPU memory.
  [[nodiscard]] status sum(const std::vector<at::Tensor>& tensors) const override {
    torch::NoGradGuard no_gradients;
    std::map<at::ScalarType, std::vector<at::Tensor>> by_type;
    for (const at::Tensor& t : tensors) by_type[t.scalar_type()].push_back(t);
    for (const auto& [type, members] : by_type) {
      std::vector<at::Tensor> flat;
      for (const at::Tensor& t : members) flat.push_back(t.detach().to(at::kCPU).reshape({-1}));
      std::vector<at::Tensor> message{at::cat(flat)};
      try {
        group_->allreduce(message)->wait();
      } catch (const std::exception& error) {
        const std::string_view what(error.what());
        return status::error(errc::io_error, "process ", place_.rank, " of ", place_.size,
                             ": another process is gone or too late; the last checkpoint stays: "
                             "start all of them again with --resume (",
                             what.substr(0, what.find('\n')).substr(0, 160), ")");
      }
      std::int64_t at = 0;
      for (const at::Tensor& t : members) {
        t.copy_(message[0].narrow(0, at, t.numel()).view(t.sizes()));
        at += t.numel();
      }
    }
    return {};
  }

 private:
  static std::shared_ptr<::gloo::transport::Device> device(const worker_place& place) {
    if (const char* name = std::getenv("GLOO_SOCKET_IFNAME")) {
      return c10d::ProcessGroupGloo::createDeviceForInterface(name);
    }
    // The machine's own host name need not resolve.
    if (place.address == "localhost" || place.address.starts_with("127.")) {
      return c10d::ProcessGroupGloo::createDeviceForHostname(place.address);
    }
    return c10d::ProcessGroupGloo::createDefaultDevice();
  }

  worker_place place_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
};

#endif

/// The processes described by the environment; a single one without WORLD_SIZE. `patience`: the
/// timeout for each other, at the start and in every sum.
///
/// Errors: those of place_from_environment; unsupported in a build without Gloo; io_error if other
///         processes do not arrive
inline result<std::shared_ptr<const workers>> workers_from_environment(
    std::chrono::milliseconds patience) {
  LOWBIT_TRY_ASSIGN(const auto place, place_from_environment());
  if (place.size == 1) return std::shared_ptr<const workers>(std::make_shared<workers>());
#if LOWBIT_HAS_GLOO
  try {
    return std::shared_ptr<const workers>(std::make_shared<gloo_workers>(place, patience));
  } catch (const std::exception& error) {
    const std::string_view what(error.what());
    return status::error(errc::io_error, "process ", place.rank, " of ", place.size,
                         ": cannot meet the others at ", place.address, ":", place.port, " (",
                         what.substr(0, what.find('\n')).substr(0, 200), ")");
  }
#else
  static_cast<void>(patience);
  return status::error(
      errc::unsupported, "WORLD_SIZE=", place.size,
      ": this build has no Gloo (libgloo-dev when it was configured), so it trains "
      "in one process only");
#endif
}

}  // namespace lowbit::train
