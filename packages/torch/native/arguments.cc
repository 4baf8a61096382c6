// Argument checks and conversions. See arguments.h for how values come in.
#include "arguments.h"

#include <ATen/ScalarOps.h>

#include <array>
#include <cmath>
#include <limits>

#include "accelerator.h"
#include "invocation.h"
#include "records.h"

namespace halfway {
namespace {

constexpr size_t kMaxExtent = 128;  // two numbers (as in pad) for each of 64 dimensions
constexpr int kDeviceIndexes = 1024;

[[noreturn]] void FailArgument(const ArgumentRule& rule, const char* wanted) {
  Fail(ErrorKind::kTorch, "argument ", rule.name, " must be ", wanted);
}

bool IsNumber(napi_env env, napi_value value, double* number) {
  return napi_get_value_double(env, value, number) == napi_ok;
}

// JavaScript has one number type: a whole number is taken as an integer, as its Python spelling without a point would
// be.
c10::Scalar ScalarOf(double value) {
  const bool is_whole =
      std::trunc(value) == value && std::fabs(value) < kMaxExactInteger && !(value == 0 && std::signbit(value));
  return is_whole ? c10::Scalar(static_cast<int64_t>(value)) : c10::Scalar(value);
}

// Kinds of wrapped numbers (arguments.h; src/operands.ts writes them).
constexpr double kWrappedBoolean = 1;
constexpr double kWrappedComplex = 2;
constexpr double kWrappedInteger = 3;

c10::Scalar WrappedScalar(std::span<const double> entry) {
  if (entry.size() < 2) Fail(ErrorKind::kTorch, "internal: a wrapped number has two or three entries");
  if (entry.size() == 2) return entry[1] == kWrappedBoolean ? c10::Scalar(entry[0] != 0) : ScalarOf(entry[0]);
  if (entry[1] == kWrappedComplex) return c10::complex<double>(entry[0], entry[2]);
  if (entry[1] == kWrappedInteger) {
    return static_cast<int64_t>(entry[0]) * (int64_t{1} << 32) + static_cast<int64_t>(entry[2]);
  }
  Fail(ErrorKind::kTorch, "internal: no wrapped number of kind ", entry[1]);
}

// A number beside tensors takes their dtype. Alone it is a tensor like others: var(-0.1) with a number that may take
// another dtype reads beyond the end.
at::Tensor WrappedNumber(const Environment& state, const ArgumentRule& rule, double position) {
  const c10::Scalar number = WrappedScalar(ListAt(state, position));
  return rule.is_beside_tensors ? at::native::wrapped_scalar_tensor(number) : c10::scalar_to_tensor(number);
}

at::Tensor OperandTensor(const Environment& state, const ArgumentRule& rule, double code) {
  return code < 0 ? WrappedNumber(state, rule, -code - 1) : FindTensor(state, code);
}

at::MemoryFormat MemoryFormatOf(const ArgumentRule& rule, double code) {
  if (code == 0) return at::MemoryFormat::Contiguous;
  if (code == 1) return at::MemoryFormat::Preserve;
  if (code == 2) return at::MemoryFormat::ChannelsLast;
  if (code == 3) return at::MemoryFormat::ChannelsLast3d;
  FailArgument(rule, "a memory format");
}

at::Layout LayoutOf(const ArgumentRule& rule, double code) {
  if (code == 0) return at::Layout::Strided;
  FailArgument(rule, "the layout 'strided'; others are not supported");
}

c10::IValue OneNumber(const Environment& state, const ArgumentRule& rule, double value) {
  switch (rule.kind) {
    case ValueKind::kTensor:
      return OperandTensor(state, rule, value);
    case ValueKind::kScalar:
      return ScalarOf(value);
    case ValueKind::kInt:
      return ToInteger(value, rule.name.c_str());
    case ValueKind::kFloat:
      return value;
    case ValueKind::kScalarType:
      return DtypeOf(value);
    case ValueKind::kLayout:
      return LayoutOf(rule, value);
    case ValueKind::kMemoryFormat:
      return MemoryFormatOf(rule, value);
    case ValueKind::kDevice:
      return DeviceOf(value);
    case ValueKind::kGenerator: {
      const at::Generator* generator = state.generators.Find(value);
      if (generator == nullptr) Fail(ErrorKind::kDisposed, "argument ", rule.name, " is a disposed generator");
      return *generator;
    }
    case ValueKind::kBool:
      FailArgument(rule, "a boolean");
    case ValueKind::kString:
      FailArgument(rule, "a string");
    case ValueKind::kUnsupported:
      break;
  }
  FailArgument(rule, "left out: its type has no counterpart in TypeScript");
}

int64_t BigInteger(const Invocation& call, const ArgumentRule& rule, napi_value value) {
  int64_t integer = 0;
  bool is_whole = false;
  Check(napi_get_value_bigint_int64(call.env(), value, &integer, &is_whole), "napi_get_value_bigint_int64");
  if (!is_whole) FailArgument(rule, "within 64 bits");
  return integer;
}

// { re, im }
c10::Scalar ComplexNumber(const Invocation& call, const ArgumentRule& rule, napi_value value) {
  std::array<double, 2> parts{};
  for (const size_t i : {0, 1}) {
    napi_value part = nullptr;
    Check(napi_get_named_property(call.env(), value, i == 0 ? "re" : "im", &part), "napi_get_named_property");
    if (!IsNumber(call.env(), part, &parts[i])) FailArgument(rule, "a number, a boolean or { re, im }");
  }
  return c10::complex<double>(parts[0], parts[1]);
}

c10::IValue OneValue(const Invocation& call, const ArgumentRule& rule, napi_value value) {
  double number = 0;
  if (IsNumber(call.env(), value, &number)) return OneNumber(call.state(), rule, number);
  if (rule.kind == ValueKind::kString) return ToText(call.env(), value, rule.name.c_str());
  const bool is_scalar = rule.kind == ValueKind::kScalar;
  bool flag = false;
  if ((is_scalar || rule.kind == ValueKind::kBool) && napi_get_value_bool(call.env(), value, &flag) == napi_ok) {
    return is_scalar ? c10::IValue(c10::Scalar(flag)) : c10::IValue(flag);
  }
  napi_valuetype type = napi_undefined;
  Check(napi_typeof(call.env(), value, &type), "napi_typeof");
  if (type == napi_bigint && is_scalar) return c10::Scalar(BigInteger(call, rule, value));
  if (type == napi_bigint && rule.kind == ValueKind::kInt) return BigInteger(call, rule, value);
  if (type == napi_object && is_scalar) return ComplexNumber(call, rule, value);
  FailArgument(rule, KindName(rule.kind));
}

void ExpectLength(const ArgumentRule& rule, size_t length) {
  if (rule.is_extent && length > kMaxExtent) {
    Fail(ErrorKind::kShape, "argument ", rule.name, " must have at most ", kMaxExtent, " entries, got ", length);
  }
}

c10::IValue IntegerList(const ArgumentRule& rule, std::span<const double> entries) {
  ExpectLength(rule, entries.size());
  c10::List<int64_t> list;
  list.reserve(entries.size());
  for (double entry : entries) list.push_back(ToInteger(entry, rule.name.c_str()));
  return list;
}

c10::IValue TensorList(const Environment& state, const ArgumentRule& rule, std::span<const double> entries) {
  if (!rule.element_is_optional) {
    c10::List<at::Tensor> list;
    list.reserve(entries.size());
    for (double entry : entries) list.push_back(FindTensor(state, entry));
    return list;
  }
  c10::List<std::optional<at::Tensor>> list;
  list.reserve(entries.size());
  for (double entry : entries) {
    list.push_back(entry < 0 ? std::nullopt : std::optional<at::Tensor>(FindTensor(state, entry)));
  }
  return list;
}

template <typename T>
c10::IValue ListOf(const std::vector<c10::IValue>& entries) {
  c10::List<T> list;
  list.reserve(entries.size());
  for (const c10::IValue& entry : entries) list.push_back(entry.to<T>());
  return c10::impl::toList<T>(std::move(list));
}

// An array of values that the list buffer cannot hold.
c10::IValue ArrayValue(const Invocation& call, const ArgumentRule& rule, napi_value array) {
  uint32_t length = 0;
  Check(napi_get_array_length(call.env(), array, &length), "napi_get_array_length");
  ExpectLength(rule, length);
  std::vector<c10::IValue> entries;
  for (uint32_t i = 0; i < length; ++i) {
    napi_value entry = nullptr;
    napi_valuetype type = napi_undefined;
    Check(napi_get_element(call.env(), array, i, &entry), "napi_get_element");
    Check(napi_typeof(call.env(), entry, &type), "napi_typeof");
    const bool is_none = rule.element_is_optional && (type == napi_undefined || type == napi_null);
    entries.push_back(is_none ? c10::IValue() : OneValue(call, rule, entry));
  }
  switch (rule.kind) {
    case ValueKind::kString:
      return ListOf<std::string>(entries);
    case ValueKind::kScalar:
      return rule.element_is_optional ? ListOf<std::optional<c10::Scalar>>(entries) : ListOf<c10::Scalar>(entries);
    case ValueKind::kInt:
      return ListOf<int64_t>(entries);
    default:
      FailArgument(rule, "a list of numbers");
  }
}

c10::IValue ListValue(const Invocation& call, const ArgumentRule& rule, napi_value value) {
  double position = 0;
  if (!IsNumber(call.env(), value, &position)) {
    bool is_array = false;
    Check(napi_is_array(call.env(), value, &is_array), "napi_is_array");
    if (is_array) return ArrayValue(call, rule, value);
    FailArgument(rule, "a list");
  }
  const std::span<const double> entries = ListAt(call.state(), position);
  switch (rule.kind) {
    case ValueKind::kTensor:
      return TensorList(call.state(), rule, entries);
    case ValueKind::kInt:
      return IntegerList(rule, entries);
    case ValueKind::kFloat:
      return c10::List<double>(c10::ArrayRef<double>(entries.data(), entries.size()));
    case ValueKind::kBool: {
      c10::List<bool> list;
      for (double entry : entries) list.push_back(entry != 0);
      return list;
    }
    case ValueKind::kScalar: {
      c10::List<c10::Scalar> list;
      for (double entry : entries) list.push_back(ScalarOf(entry));
      return c10::impl::toList<c10::Scalar>(std::move(list));
    }
    default:
      FailArgument(rule, "left out: lists of its type have no counterpart in TypeScript");
  }
}

c10::IValue Operand(const Invocation& call, const ArgumentRule& rule, size_t index) {
  napi_valuetype type = napi_undefined;
  if (index < call.size()) Check(napi_typeof(call.env(), call[index], &type), "napi_typeof");
  if (type == napi_undefined && rule.fallback) return *rule.fallback;
  if (type == napi_undefined || type == napi_null) {
    if (rule.is_optional) return {};
    FailArgument(rule, "given: it has no default");
  }
  return rule.is_list ? ListValue(call, rule, call[index]) : OneValue(call, rule, call[index]);
}

}  // namespace

void PushOperands(const Invocation& call, const Operator& op, size_t first, std::vector<c10::IValue>& stack) {
  const size_t given = call.size() - first;
  if (given > op.arguments.size()) {
    Fail(ErrorKind::kTorch, "it takes ", op.arguments.size(), " arguments, got ", given);
  }
  for (size_t i = 0; i < op.arguments.size(); ++i) stack.push_back(Operand(call, op.arguments[i], first + i));
}

std::string DescribeOperands(const Invocation& call, const Operator& op) {
  constexpr size_t first = 1;  // call(id, ...operands)
  std::string text;
  for (size_t i = 0; i < op.arguments.size() && first + i < call.size(); ++i) {
    double handle = 0;
    const ArgumentRule& rule = op.arguments[i];
    if (rule.kind != ValueKind::kTensor || rule.is_list || !IsNumber(call.env(), call[first + i], &handle)) continue;
    const at::Tensor* tensor = call.state().tensors.Find(handle);
    const std::string what = handle < 0 ? "a number" : tensor == nullptr ? "disposed" : DescribeTensor(*tensor);
    text += (text.empty() ? "" : ", ") + rule.name + ": " + what;
  }
  return text;
}

const at::Tensor& FindTensor(const Environment& state, double handle) {
  const at::Tensor* tensor = state.tensors.Find(handle);
  if (tensor == nullptr)
    Fail(ErrorKind::kDisposed, "a tensor is used after it was disposed; keep() it or return it from its scope");
  return *tensor;
}

std::span<const double> ListAt(const Environment& state, double position) {
  const SharedNumbers& lists = state.lists;
  if (!(position >= 0 && position < static_cast<double>(lists.length)))
    Fail(ErrorKind::kTorch, "internal: no list at ", position);
  const auto at = static_cast<size_t>(position);
  const double count = lists.data[at];
  if (!(count >= 0 && count < static_cast<double>(lists.length - at)))
    Fail(ErrorKind::kTorch, "internal: no list of ", count);
  return {lists.data + at + 1, static_cast<size_t>(count)};
}

int64_t ToInteger(double value, const char* what) {
  if (std::trunc(value) != value || std::fabs(value) > kMaxExactInteger) {
    Fail(ErrorKind::kTorch, what, " must be a whole number within 2^53, got ", value);
  }
  return static_cast<int64_t>(value);
}

std::string ToText(napi_env env, napi_value value, const char* what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    Fail(ErrorKind::kTorch, what, " must be a string");
  }
  std::string text(length, '\0');
  Check(napi_get_value_string_utf8(env, value, text.data(), length + 1, &length), "napi_get_value_string_utf8");
  return text;
}

at::Device ParseDevice(double code) {
  const int64_t number = ToInteger(code, "device");
  const int64_t type = number / kDeviceIndexes;
  const int64_t index = number % kDeviceIndexes - 1;
  const bool is_known = type == static_cast<int64_t>(at::kCPU) || type == static_cast<int64_t>(at::kCUDA);
  if (number < 0 || !is_known || index > std::numeric_limits<at::DeviceIndex>::max()) {
    Fail(ErrorKind::kDevice, "device must be cpu or cuda:<index>, got number ", number);
  }
  return {static_cast<at::DeviceType>(type), static_cast<at::DeviceIndex>(index)};
}

at::Device DeviceOf(double code) {
  const at::Device device = ParseDevice(code);
  if (const std::string problem = DeviceProblem(device); !problem.empty()) {
    Fail(ErrorKind::kDevice, "device ", device, " cannot be used: ", problem);
  }
  return device;
}

double DeviceCode(const at::Device& device) {
  // A CPU tensor's device has index 0 or none, which is the same device.
  const int index = device.is_cpu() ? -1 : device.index();
  return static_cast<int>(device.type()) * kDeviceIndexes + index + 1;
}

at::ScalarType DtypeOf(double code) {
  const int64_t number = ToInteger(code, "dtype");
  switch (number) {
    case static_cast<int>(at::kByte):
    case static_cast<int>(at::kChar):
    case static_cast<int>(at::kShort):
    case static_cast<int>(at::kInt):
    case static_cast<int>(at::kLong):
    case static_cast<int>(at::kHalf):
    case static_cast<int>(at::kFloat):
    case static_cast<int>(at::kDouble):
    case static_cast<int>(at::kComplexFloat):
    case static_cast<int>(at::kComplexDouble):
    case static_cast<int>(at::kBool):
    case static_cast<int>(at::kBFloat16):
      return static_cast<at::ScalarType>(number);
    default:
      Fail(ErrorKind::kDtype, "there is no dtype number ", number);
  }
}

}  // namespace halfway
