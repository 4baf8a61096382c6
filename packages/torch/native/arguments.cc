// Argument checks and conversions. See arguments.h for how values come in.
#include "arguments.h"

#include <ATen/ScalarOps.h>

#include <cmath>
#include <limits>

#include "accelerator.h"
#include "invocation.h"
#include "records.h"

namespace halfway {
namespace {

constexpr double kMaxInteger = 9007199254740992.0;  // 2^53: beyond it a JavaScript number is no longer exact
constexpr size_t kMaxExtent = 128;                  // two numbers (as in pad) for each of 64 dimensions
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
      std::trunc(value) == value && std::fabs(value) < kMaxInteger && !(value == 0 && std::signbit(value));
  return is_whole ? c10::Scalar(static_cast<int64_t>(value)) : c10::Scalar(value);
}

at::Tensor WrappedNumber(const Environment& state, double position) {
  const std::span<const double> entry = ListAt(state, position);
  if (entry.size() != 2) Fail(ErrorKind::kTorch, "internal: a wrapped number has two entries");
  return at::native::wrapped_scalar_tensor(entry[1] != 0 ? c10::Scalar(entry[0] != 0) : ScalarOf(entry[0]));
}

at::Tensor OperandTensor(const Environment& state, double code) {
  return code < 0 ? WrappedNumber(state, -code - 1) : FindTensor(state, code);
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
      return OperandTensor(state, value);
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

c10::IValue OneValue(const Invocation& call, const ArgumentRule& rule, napi_value value) {
  double number = 0;
  if (IsNumber(call.env(), value, &number)) return OneNumber(call.state(), rule, number);
  bool flag = false;
  const bool takes_flag = rule.kind == ValueKind::kBool || rule.kind == ValueKind::kScalar;
  if (takes_flag && napi_get_value_bool(call.env(), value, &flag) == napi_ok) {
    return rule.kind == ValueKind::kBool ? c10::IValue(flag) : c10::IValue(c10::Scalar(flag));
  }
  if (rule.kind == ValueKind::kString) return ToText(call.env(), value, rule.name.c_str());
  FailArgument(rule, KindName(rule.kind));
}

c10::IValue IntegerList(const ArgumentRule& rule, std::span<const double> entries) {
  if (rule.is_extent && entries.size() > kMaxExtent) {
    Fail(ErrorKind::kShape, "argument ", rule.name, " must have at most ", kMaxExtent, " entries, got ",
         entries.size());
  }
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

c10::IValue ListValue(const Invocation& call, const ArgumentRule& rule, napi_value value) {
  double position = 0;
  if (!IsNumber(call.env(), value, &position)) FailArgument(rule, "a list");
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

void PushOperands(const Invocation& call, const Operator& op, size_t first) {
  const size_t given = call.size() - first;
  if (given > op.arguments.size()) {
    Fail(ErrorKind::kTorch, "it takes ", op.arguments.size(), " arguments, got ", given);
  }
  std::vector<c10::IValue>& stack = call.state().stack;
  stack.clear();
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
  if (std::trunc(value) != value || std::fabs(value) > kMaxInteger) {
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

at::Device DeviceOf(double code) {
  const int64_t number = ToInteger(code, "device");
  const int64_t type = number / kDeviceIndexes;
  const int64_t index = number % kDeviceIndexes - 1;
  const bool is_known = type == static_cast<int64_t>(at::kCPU) || type == static_cast<int64_t>(at::kCUDA);
  if (number < 0 || !is_known || index > std::numeric_limits<at::DeviceIndex>::max()) {
    Fail(ErrorKind::kDevice, "device must be cpu or cuda:<index>, got number ", number);
  }
  const at::Device device(static_cast<at::DeviceType>(type), static_cast<at::DeviceIndex>(index));
  if (device.is_cuda() && !CudaProblem().empty()) {
    Fail(ErrorKind::kDevice, "device ", device, " cannot be used: ", CudaProblem());
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
