// An operator as the dispatcher knows it, with its schema compiled into what one call needs to check and convert its
// arguments.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>

#include <optional>
#include <string>
#include <vector>

#include "guards.h"

namespace halfway {

// What a schema's argument or return may be. Names are those shown to TypeScript (KindName).
enum class ValueKind {
  kTensor,
  kScalar,
  kInt,
  kFloat,
  kBool,
  kString,
  kScalarType,
  kLayout,
  kMemoryFormat,
  kDevice,
  kGenerator,
  kUnsupported,
};

struct ArgumentRule {
  std::string name;
  ValueKind kind = ValueKind::kUnsupported;
  bool is_list = false;
  bool is_optional = false;
  bool element_is_optional = false;  // Tensor?[]
  bool is_keyword_only = false;
  bool is_written = false;
  bool is_out = false;                  // a tensor that the result is written to
  bool is_beside_tensors = false;       // one of several tensors, so that a number in its place takes their dtype
  bool is_extent = false;               // an int list with one entry a dimension, or a few: bounded in length
  int list_length = 0;                  // n of int[n]; 0: any length
  std::optional<c10::IValue> fallback;  // the schema's default
};

struct ReturnRule {
  ValueKind kind = ValueKind::kUnsupported;
  bool is_list = false;
  int written_argument = -1;  // the argument it is, for in-place and out= operators
};

struct Operator {
  explicit Operator(c10::OperatorHandle found);

  c10::OperatorHandle handle;
  std::string name;  // add
  std::vector<ArgumentRule> arguments;
  std::vector<ReturnRule> returns;
  bool returns_one_tensor = false;
  int in_place_argument = -1;  // set when the one tensor returned is an argument itself
  bool has_out = false;
  Guard guard = nullptr;  // checks beyond the schema
};

// Finds an operator, or throws a TorchError that says how it is written.
Operator ResolveOperator(const std::string& name, const std::string& overload);

const char* KindName(ValueKind kind);

}  // namespace halfway
