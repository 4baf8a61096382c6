// From what TypeScript passes to what libtorch takes. Every value is checked against the operator's schema here, before
// the call: libtorch trusts boxed arguments, and a wrong one is a segmentation fault.
//
// How src/dispatch.ts passes a value:
//   Tensor            a handle (>= 0), or -(k + 1) for the wrapped number at k in the list buffer: [value, kind], by
//                     kind 0 a number, 1 a boolean, 2 [re, 2, im], 3 [high, 3, low] 32 bits of an integer
//   lists             k, where the list buffer holds the count at k and the entries after it; or, where the entries
//                     are no plain numbers, an array of values
//   numbers           number, boolean, bigint (64 bits) and { re, im } themselves; enums and devices as numbers
//                     (src/dtype.ts)
//   nothing           undefined: the schema's default; null: none
#pragma once

#include <node_api.h>

#include <span>
#include <string>
#include <vector>

#include "environment.h"

namespace halfway {

class Invocation;

constexpr double kMaxExactInteger = 9007199254740992.0;  // 2^53: beyond it a JavaScript number is no longer exact

// Appends the operands of `op` from call[first] on. It may run TypeScript: getters of the values.
void PushOperands(const Invocation& call, const Operator& op, size_t first, std::vector<c10::IValue>& stack);

// `self: float32 [2, 3], other: float32 [4]`, for the text of errors. Never throws.
std::string DescribeOperands(const Invocation& call, const Operator& op);

// The tensor of a handle, or a TensorDisposedError.
const at::Tensor& FindTensor(const Environment& state, double handle);

// The entries of a list in the list buffer.
std::span<const double> ListAt(const Environment& state, double position);

// Exact conversions; `what` names the value in the error.
int64_t ToInteger(double value, const char* what);
std::string ToText(napi_env env, napi_value value, const char* what);

// A device from its number: type * 1024 + index + 1, index -1 for "the current one". DeviceOf refuses one that cannot
// be used.
at::Device ParseDevice(double code);
at::Device DeviceOf(double code);
double DeviceCode(const at::Device& device);

// A dtype from its number in c10, refused unless it is one of those the package names.
at::ScalarType DtypeOf(double code);

}  // namespace halfway
