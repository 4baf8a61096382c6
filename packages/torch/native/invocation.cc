// Reading arguments from Node, and throwing errors back.
#include "invocation.h"

#include <cmath>

#include "arguments.h"

namespace halfway {

void Check(napi_status status, const char* what) {
  if (status != napi_ok) Fail(ErrorKind::kTorch, "internal: Node-API status ", static_cast<int>(status), " in ", what);
}

Invocation::Invocation(napi_env node_env, napi_callback_info info) : env_(node_env) {
  void* data = nullptr;
  napi_get_cb_info(env_, info, &size_, values_.data(), nullptr, &data);
  entry_ = static_cast<const EntryPoint*>(data);
  if (size_ > kMaxArguments) size_ = kMaxArguments;
}

double Invocation::Number(size_t index) const {
  double value = 0;
  if (index >= size_ || napi_get_value_double(env_, values_[index], &value) != napi_ok) {
    Fail(ErrorKind::kTorch, "internal: argument ", index, " must be a number");
  }
  return value;
}

int64_t Invocation::Integer(size_t index) const { return ToInteger(Number(index), "argument"); }

bool Invocation::Flag(size_t index) const {
  bool value = false;
  if (index >= size_ || napi_get_value_bool(env_, values_[index], &value) != napi_ok) {
    Fail(ErrorKind::kTorch, "internal: argument ", index, " must be a boolean");
  }
  return value;
}

std::string Invocation::Text(size_t index) const {
  if (index >= size_) Fail(ErrorKind::kTorch, "internal: argument ", index, " must be a string");
  return ToText(env_, values_[index], "argument");
}

const at::Tensor& Invocation::Tensor(size_t index) const { return FindTensor(state(), Number(index)); }

std::vector<at::Tensor> Invocation::Tensors(size_t index) const {
  std::vector<at::Tensor> tensors;
  for (double handle : ListAt(state(), Number(index))) tensors.push_back(FindTensor(state(), handle));
  return tensors;
}

std::vector<int64_t> Invocation::Integers(size_t index) const {
  std::vector<int64_t> integers;
  for (double value : ListAt(state(), Number(index))) integers.push_back(ToInteger(value, "list entry"));
  return integers;
}

void Invocation::ThrowIntoTypeScript() const {
  Failure failure = DescribeCurrentException();
  std::string op;
  if (active != nullptr) {
    op = c10::toString(active->handle.operator_name());
    const std::string operands = DescribeOperands(*this, *active);
    failure.message = active->name + ": " + failure.message + (operands.empty() ? "" : " (" + operands + ")");
  } else {
    failure.message = std::string(entry_->name) + ": " + failure.message;
  }
  napi_value factory = nullptr;
  napi_value undefined = nullptr;
  napi_value error = nullptr;
  std::array<napi_value, 3> parts{};
  napi_get_undefined(env_, &undefined);
  const bool made =
      state().error_factory != nullptr && napi_get_reference_value(env_, state().error_factory, &factory) == napi_ok &&
      napi_create_int32(env_, static_cast<int>(failure.kind), &parts[0]) == napi_ok &&
      napi_create_string_utf8(env_, failure.message.data(), failure.message.size(), &parts[1]) == napi_ok &&
      napi_create_string_utf8(env_, op.data(), op.size(), &parts[2]) == napi_ok &&
      napi_call_function(env_, undefined, factory, parts.size(), parts.data(), &error) == napi_ok;
  if (made) {
    napi_throw(env_, error);
    return;
  }
  bool pending = false;
  napi_is_exception_pending(env_, &pending);
  if (!pending) napi_throw_error(env_, nullptr, failure.message.c_str());
}

napi_value MakeNumber(const Invocation& call, double value) {
  napi_value result = nullptr;
  Check(napi_create_double(call.env(), value, &result), "napi_create_double");
  return result;
}

napi_value MakeBoolean(const Invocation& call, bool value) {
  napi_value result = nullptr;
  Check(napi_get_boolean(call.env(), value, &result), "napi_get_boolean");
  return result;
}

napi_value MakeText(const Invocation& call, const std::string& value) {
  napi_value result = nullptr;
  Check(napi_create_string_utf8(call.env(), value.data(), value.size(), &result), "napi_create_string_utf8");
  return result;
}

napi_value MakeNull(const Invocation& call) {
  napi_value result = nullptr;
  Check(napi_get_null(call.env(), &result), "napi_get_null");
  return result;
}

napi_value MakeObject(const Invocation& call) {
  napi_value object = nullptr;
  Check(napi_create_object(call.env(), &object), "napi_create_object");
  return object;
}

void SetProperty(const Invocation& call, napi_value object, const char* key, napi_value value) {
  Check(napi_set_named_property(call.env(), object, key, value), key);
}

napi_value MakeScalar(const Invocation& call, const c10::Scalar& value) {
  if (value.isBoolean()) return MakeBoolean(call, value.toBool());
  if (value.isFloatingPoint()) return MakeNumber(call, value.toDouble());
  if (value.isComplex()) {
    const c10::complex<double> number = value.toComplexDouble();
    napi_value object = MakeObject(call);
    SetProperty(call, object, "re", MakeNumber(call, number.real()));
    SetProperty(call, object, "im", MakeNumber(call, number.imag()));
    return object;
  }
  const int64_t integer = value.toLong();
  if (std::abs(static_cast<double>(integer)) < kMaxExactInteger) return MakeNumber(call, static_cast<double>(integer));
  napi_value result = nullptr;
  Check(napi_create_bigint_int64(call.env(), integer, &result), "napi_create_bigint_int64");
  return result;
}

}  // namespace halfway
