// How a tensor is described to TypeScript: into the shared record buffer, without making an object. Layout
// (src/native.ts):
//   [0] rank  [1] dtype  [2] device  [3 ...] sizes
#pragma once

#include <string>

#include "environment.h"
#include "invocation.h"

namespace halfway {

// Writes one tensor's description; throws when it has more dimensions than the buffer holds.
void WriteRecord(const Environment& state, const at::Tensor& tensor);

// Stores a result, writes its record and returns its handle; -1 for an undefined tensor.
napi_value MakeTensor(const Invocation& call, at::Tensor tensor);

// `float32 [2, 3]`
std::string DescribeTensor(const at::Tensor& tensor);

// PyTorch's own name of a dtype: float32, bfloat16, ...
std::string DtypeName(at::ScalarType dtype);

}  // namespace halfway
