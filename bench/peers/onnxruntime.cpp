// SPDX-License-Identifier: Apache-2.0
#include "onnxruntime.hpp"

#ifdef LOWBIT_BENCH_ONNXRUNTIME
#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include <span>
#endif

namespace lowbit_bench {

using lowbit::errc;
using lowbit::result;
using lowbit::status;

#ifdef LOWBIT_BENCH_ONNXRUNTIME

namespace {

struct releaser {
  const OrtApi* api = nullptr;
  void operator()(OrtEnv* p) const { api->ReleaseEnv(p); }
  void operator()(OrtSession* p) const { api->ReleaseSession(p); }
  void operator()(OrtSessionOptions* p) const { api->ReleaseSessionOptions(p); }
  void operator()(OrtMemoryInfo* p) const { api->ReleaseMemoryInfo(p); }
  void operator()(OrtValue* p) const { api->ReleaseValue(p); }
};
template <class T>
using handle = std::unique_ptr<T, releaser>;

status checked(const OrtApi* api, OrtStatus* s, const char* what) {
  if (s == nullptr) return {};
  const status error =
      status::error(errc::unsupported, "ONNX Runtime, ", what, ": ", api->GetErrorMessage(s));
  api->ReleaseStatus(s);
  return error;
}

class ort_session final : public onnxruntime::session {
 public:
  static result<std::unique_ptr<onnxruntime::session>> create(const OrtApi* api, OrtEnv* env,
                                                              const std::string& model,
                                                              std::size_t hidden_size,
                                                              std::size_t threads) {
    auto s = std::unique_ptr<ort_session>(new ort_session(api, hidden_size));
    OrtSessionOptions* raw = nullptr;
    LOWBIT_TRY(checked(api, api->CreateSessionOptions(&raw), "session options"));
    const handle<OrtSessionOptions> options(raw, {api});
    LOWBIT_TRY(checked(api, api->SetSessionGraphOptimizationLevel(options.get(), ORT_ENABLE_ALL),
                       "optimizer"));
    LOWBIT_TRY(checked(api, api->SetIntraOpNumThreads(options.get(), static_cast<int>(threads)),
                       "threads"));
    OrtSession* session = nullptr;
    LOWBIT_TRY(checked(
        api, api->CreateSessionFromArray(env, model.data(), model.size(), options.get(), &session),
        "model"));
    s->session_.reset(session);
    OrtMemoryInfo* memory = nullptr;
    LOWBIT_TRY(checked(
        api, api->CreateCpuMemoryInfo(OrtDeviceAllocator, OrtMemTypeDefault, &memory), "memory"));
    s->memory_.reset(memory);
    return std::unique_ptr<onnxruntime::session>(std::move(s));
  }

  status bind(std::size_t batch, std::size_t length, std::vector<std::int32_t> ids,
              std::vector<std::int32_t> mask) override {
    if (ids.size() != batch * length || (!mask.empty() && mask.size() != ids.size()))
      return status::error(errc::invalid_argument, "ids and mask are not (batch, length)");
    ids_ = std::move(ids);
    mask_ = std::move(mask);
    hidden_.assign(batch * length * hidden_size_, 0.0F);
    const std::int64_t shape[] = {static_cast<std::int64_t>(batch),
                                  static_cast<std::int64_t>(length),
                                  static_cast<std::int64_t>(hidden_size_)};
    inputs_.clear();
    outputs_.clear();
    LOWBIT_TRY(tensor(ids_, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, {shape, 2}, inputs_));
    if (!mask_.empty())
      LOWBIT_TRY(tensor(mask_, ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32, {shape, 2}, inputs_));
    return tensor(hidden_, ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT, {shape, 3}, outputs_);
  }

  status run() override {
    const char* const names[] = {"ids", "mask"};
    const char* const output = "hidden";
    const OrtValue* inputs[] = {inputs_[0].get(), inputs_.size() > 1 ? inputs_[1].get() : nullptr};
    OrtValue* outputs[] = {outputs_[0].get()};
    return checked(
        api_,
        api_->Run(session_.get(), nullptr, names, inputs, inputs_.size(), &output, 1, outputs),
        "run");
  }

  [[nodiscard]] const std::vector<float>& hidden() const override { return hidden_; }

 private:
  ort_session(const OrtApi* api, std::size_t hidden_size)
      : api_(api), hidden_size_(hidden_size), session_(nullptr, {api}), memory_(nullptr, {api}) {}

  template <class T>
  status tensor(std::vector<T>& values, ONNXTensorElementDataType type,
                std::span<const std::int64_t> shape, std::vector<handle<OrtValue>>& to) {
    OrtValue* value = nullptr;
    LOWBIT_TRY(checked(api_,
                       api_->CreateTensorWithDataAsOrtValue(memory_.get(), values.data(),
                                                            values.size() * sizeof(T), shape.data(),
                                                            shape.size(), type, &value),
                       "tensor"));
    to.emplace_back(value, releaser{api_});
    return {};
  }

  const OrtApi* api_;
  std::size_t hidden_size_;
  handle<OrtSession> session_;
  handle<OrtMemoryInfo> memory_;
  std::vector<std::int32_t> ids_, mask_;
  std::vector<float> hidden_;
  std::vector<handle<OrtValue>> inputs_, outputs_;
};

class ort final : public onnxruntime {
 public:
  ort(const OrtApi* api, OrtEnv* env, std::string version)
      : api_(api), env_(env, {api}), version_(std::move(version)) {}
  [[nodiscard]] std::string version() const override { return version_; }
  result<std::unique_ptr<session>> start(const std::string& model, std::size_t hidden_size,
                                         std::size_t threads) override {
    return ort_session::create(api_, env_.get(), model, hidden_size, threads);
  }

 private:
  const OrtApi* api_;
  handle<OrtEnv> env_;
  std::string version_;
};

}  // namespace

result<std::shared_ptr<onnxruntime>> onnxruntime::open(const std::string& library) {
  void* const file = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed
  if (file == nullptr) return status::error(errc::not_found, "ONNX Runtime: ", dlerror());
  using get_base = const OrtApiBase* (*)();
  const auto base = reinterpret_cast<get_base>(dlsym(file, "OrtGetApiBase"));
  if (base == nullptr)
    return status::error(errc::not_found, library, ": not an ONNX Runtime library");
  const OrtApi* api = base()->GetApi(ORT_API_VERSION);
  if (api == nullptr) {
    return status::error(errc::not_found, library, ": version ", base()->GetVersionString(),
                         " is older than the header, version 1.", ORT_API_VERSION);
  }
  OrtEnv* env = nullptr;
  LOWBIT_TRY(checked(api, api->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "lowbit", &env), "environment"));
  return std::shared_ptr<onnxruntime>(std::make_shared<ort>(api, env, base()->GetVersionString()));
}

#else

result<std::shared_ptr<onnxruntime>> onnxruntime::open(const std::string&) {
  return status::error(errc::not_found, "built without the ONNX Runtime header");
}

#endif

}  // namespace lowbit_bench
