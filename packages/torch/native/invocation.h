// One call from TypeScript into this addon: its arguments, the environment it belongs to, and the frame that lets no
// exception out.
#pragma once

#include <node_api.h>

#include <array>
#include <string>

#include "environment.h"

namespace halfway {

// Throws when a Node-API function failed; that is our mistake, or Node running out of memory.
void Check(napi_status status, const char* what);

class Invocation {
 public:
  static constexpr size_t kMaxArguments = 40;

  Invocation(napi_env node_env, napi_callback_info info);

  napi_env env() const { return env_; }
  Environment& state() const { return *entry_->state; }
  size_t size() const { return size_; }
  napi_value operator[](size_t index) const { return values_[index]; }

  // Arguments by position; each throws a TorchError when there is something else.
  double Number(size_t index) const;
  int64_t Integer(size_t index) const;
  bool Flag(size_t index) const;
  std::string Text(size_t index) const;
  const at::Tensor& Tensor(size_t index) const;
  // A tensor list written by `pushTensors` into the shared list buffer.
  std::vector<at::Tensor> Tensors(size_t index) const;
  std::vector<int64_t> Integers(size_t index) const;

  // The operator being called, for the text of errors.
  const Operator* active = nullptr;

  // From inside a catch block: makes the failure a pending TypeScript exception.
  void ThrowIntoTypeScript() const;

 private:
  napi_env env_;
  const EntryPoint* entry_ = nullptr;
  size_t size_ = kMaxArguments;
  std::array<napi_value, kMaxArguments> values_;
};

napi_value MakeNumber(const Invocation& call, double value);
napi_value MakeBoolean(const Invocation& call, bool value);
napi_value MakeText(const Invocation& call, const std::string& value);
napi_value MakeNull(const Invocation& call);
napi_value MakeObject(const Invocation& call);
void SetProperty(const Invocation& call, napi_value object, const char* key, napi_value value);

// A number, a boolean, a bigint for an integer that a number cannot hold exactly, or { re, im }.
napi_value MakeScalar(const Invocation& call, const c10::Scalar& value);

// The frame of every entry: no C++ exception passes it.
template <napi_value (*Body)(Invocation&)>
napi_value Entry(napi_env env, napi_callback_info info) {
  Invocation call(env, info);
  try {
    return Body(call);
  } catch (...) {
    call.ThrowIntoTypeScript();
    return nullptr;
  }
}

// Adds a function to the addon's exports; `name` must be a literal.
template <napi_value (*Body)(Invocation&)>
void Export(Environment& state, napi_value exports, const char* name) {
  napi_value function = nullptr;
  EntryPoint* entry = &state.entries.emplace_back(&state, name);
  Check(napi_create_function(state.env, name, NAPI_AUTO_LENGTH, Entry<Body>, entry, &function), name);
  Check(napi_set_named_property(state.env, exports, name, function), name);
}

}  // namespace halfway
