// Compiles a FunctionSchema into an Operator.
#include "operators.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "errors.h"

namespace halfway {
namespace {

// Arguments that hold one number a dimension. A list of millions here is never meant, and some kernels trust its
// length.
constexpr std::array<std::string_view, 19> kExtentNames = {
    "size",
    "sizes",
    "shape",
    "dim",
    "dims",
    "repeats",
    "pad",
    "padding",
    "stride",
    "strides",
    "shifts",
    "dilation",
    "kernel_size",
    "output_size",
    "output_padding",
    "normalized_shape",
    "start_dim",
    "source",
    "destination",
};

struct TypeParts {
  ValueKind kind = ValueKind::kUnsupported;
  bool is_list = false;
  bool is_optional = false;
  bool element_is_optional = false;
};

ValueKind SimpleKind(const c10::Type& type) {
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
      return ValueKind::kTensor;
    case c10::TypeKind::NumberType:
      return ValueKind::kScalar;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      return ValueKind::kInt;
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType:
      return ValueKind::kFloat;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType:
      return ValueKind::kBool;
    case c10::TypeKind::StringType:
      return ValueKind::kString;
    case c10::TypeKind::ScalarTypeType:
      return ValueKind::kScalarType;
    case c10::TypeKind::LayoutType:
      return ValueKind::kLayout;
    case c10::TypeKind::MemoryFormatType:
      return ValueKind::kMemoryFormat;
    case c10::TypeKind::DeviceObjType:
      return ValueKind::kDevice;
    case c10::TypeKind::GeneratorType:
      return ValueKind::kGenerator;
    default:
      return ValueKind::kUnsupported;
  }
}

TypeParts PartsOf(const c10::TypePtr& type) {
  TypeParts parts;
  c10::TypePtr inner = type;
  if (auto optional = inner->cast<c10::OptionalType>()) {
    parts.is_optional = true;
    inner = optional->getElementType();
  }
  if (auto list = inner->cast<c10::ListType>()) {
    parts.is_list = true;
    inner = list->getElementType();
    if (auto optional = inner->cast<c10::OptionalType>()) {
      parts.element_is_optional = true;
      inner = optional->getElementType();
    }
  }
  parts.kind = SimpleKind(*inner);
  return parts;
}

bool IsExtent(const std::string& name) {
  for (std::string_view extent : kExtentNames) {
    if (name == extent) return true;
  }
  return false;
}

ArgumentRule RuleOf(const c10::Argument& argument) {
  const TypeParts parts = PartsOf(argument.real_type());
  ArgumentRule rule;
  rule.name = argument.name();
  rule.kind = parts.kind;
  rule.is_list = parts.is_list;
  rule.is_optional = parts.is_optional;
  rule.element_is_optional = parts.element_is_optional;
  rule.is_keyword_only = argument.kwarg_only();
  rule.is_written = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
  rule.is_out = argument.is_out();
  rule.is_extent = parts.is_list && parts.kind == ValueKind::kInt && IsExtent(rule.name);
  rule.list_length = argument.N().value_or(0);
  rule.fallback = argument.default_value();
  return rule;
}

// The argument that a return is: both carry the same written alias set, as in `add_(Tensor(a!) self, ...) ->
// Tensor(a!)`.
int WrittenArgument(const c10::FunctionSchema& schema, const c10::Argument& result) {
  const c10::AliasInfo* alias = result.alias_info();
  if (alias == nullptr || !alias->isWrite()) return -1;
  for (size_t i = 0; i < schema.arguments().size(); ++i) {
    const c10::AliasInfo* own = schema.arguments()[i].alias_info();
    if (own != nullptr && own->isWrite() && own->beforeSets() == alias->beforeSets()) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace

Operator::Operator(c10::OperatorHandle found) : handle(found) {
  const c10::FunctionSchema& schema = handle.schema();
  const std::string& qualified = schema.name();
  const size_t colons = qualified.find("::");
  guard = FindGuard(qualified);
  name = colons == std::string::npos ? qualified : qualified.substr(colons + 2);
  size_t num_tensors = 0;
  for (const c10::Argument& argument : schema.arguments()) {
    arguments.push_back(RuleOf(argument));
    if (arguments.back().is_out) has_out = true;
    if (arguments.back().kind == ValueKind::kTensor && !arguments.back().is_out) ++num_tensors;
  }
  for (ArgumentRule& rule : arguments) rule.is_beside_tensors = num_tensors > 1;
  for (const c10::Argument& result : schema.returns()) {
    const TypeParts parts = PartsOf(result.real_type());
    returns.push_back({parts.kind, parts.is_list, WrittenArgument(schema, result)});
  }
  returns_one_tensor = returns.size() == 1 && returns[0].kind == ValueKind::kTensor && !returns[0].is_list;
  if (returns_one_tensor) in_place_argument = returns[0].written_argument;
}

Operator ResolveOperator(const std::string& name, const std::string& overload) {
  auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found) {
    const std::string written = overload.empty() ? name : name + "." + overload;
    Fail(ErrorKind::kTorch, "operator ", written,
         " is not in this libtorch; operators are written namespace::name.overload");
  }
  return Operator(*found);
}

const char* KindName(ValueKind kind) {
  switch (kind) {
    case ValueKind::kTensor:
      return "Tensor";
    case ValueKind::kScalar:
      return "Scalar";
    case ValueKind::kInt:
      return "int";
    case ValueKind::kFloat:
      return "float";
    case ValueKind::kBool:
      return "bool";
    case ValueKind::kString:
      return "str";
    case ValueKind::kScalarType:
      return "ScalarType";
    case ValueKind::kLayout:
      return "Layout";
    case ValueKind::kMemoryFormat:
      return "MemoryFormat";
    case ValueKind::kDevice:
      return "Device";
    case ValueKind::kGenerator:
      return "Generator";
    case ValueKind::kUnsupported:
      return "unsupported";
  }
  return "unsupported";
}

}  // namespace halfway
