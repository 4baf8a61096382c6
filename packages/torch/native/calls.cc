// The one entry through which every operator is called, and the questions about operators that TypeScript asks once.
#include <ATen/MemoryOverlap.h>
#include <c10/util/ScopeExit.h>

#include "arguments.h"
#include "exports.h"
#include "invocation.h"
#include "operators.h"
#include "records.h"

namespace halfway {
namespace {

Operator& OperatorAt(const Invocation& call, size_t index) {
  const int64_t id = call.Integer(index);
  std::deque<Operator>& operators = call.state().operators;
  if (id < 0 || id >= static_cast<int64_t>(operators.size())) Fail(ErrorKind::kTorch, "internal: no operator ", id);
  return operators[id];
}

// (name, overload) -> id
napi_value Resolve(Invocation& call) {
  std::deque<Operator>& operators = call.state().operators;
  operators.push_back(ResolveOperator(call.Text(0), call.Text(1)));
  return MakeNumber(call, static_cast<double>(operators.size() - 1));
}

void PushResult(std::deque<c10::IValue>& results, const c10::IValue& value) {
  if (!value.isList()) {
    results.push_back(value);
    return;
  }
  const auto list = value.toListRef();
  results.emplace_back(static_cast<int64_t>(list.size()));
  for (const c10::IValue& entry : list) results.push_back(entry);
}

// Kernels that make room in `out` forget that it may be expanded (reflection_pad2d_backward.grad_input), or an input
// too, whose shape then changes under them (reflection_pad2d.out(x, [2, 2, 2, 2], x), linalg_matrix_rank.out): they
// read and write beyond the end. So an expanded `out` is refused, as most operators do themselves, and an input that is
// `out` goes in as another view of the same numbers.
void SecureOut(const Operator& op, std::vector<c10::IValue>& operands) {
  for (size_t i = 0; i < operands.size(); ++i) {
    if (!op.arguments[i].is_out || !operands[i].isTensor()) continue;
    at::assert_no_internal_overlap(operands[i].toTensor());
    for (size_t j = 0; j < operands.size(); ++j) {
      if (op.arguments[j].is_out || !operands[j].isTensor()) continue;
      if (operands[j].toTensor().is_same(operands[i].toTensor())) operands[j] = operands[j].toTensor().detach();
    }
  }
}

// (id, ...operands) -> the handle of the one tensor returned, its record written; else the number of results to be
// taken with takeTensor and takeValue, where a list is its length and then its entries.
napi_value CallOperator(Invocation& call) {
  const Operator& op = OperatorAt(call, 0);
  Environment& state = call.state();
  call.active = &op;
  std::vector<c10::IValue> stack = std::move(state.spare_stack);
  auto give_back = c10::make_scope_exit([&] {
    stack.clear();
    state.spare_stack = std::move(stack);
  });
  PushOperands(call, op, 1, stack);
  state.results.clear();
  if (op.guard != nullptr) op.guard(stack);
  if (op.has_out) SecureOut(op, stack);
  op.handle.callBoxed(&stack);
  if (op.in_place_argument >= 0) {
    WriteRecord(state, stack.back().toTensor());
    return call[1 + op.in_place_argument];
  }
  if (op.returns_one_tensor) return MakeTensor(call, std::move(stack.back()).toTensor());
  for (const c10::IValue& value : stack) PushResult(state.results, value);
  return MakeNumber(call, static_cast<double>(state.results.size()));
}

c10::IValue TakeResult(Environment& state) {
  if (state.results.empty()) Fail(ErrorKind::kTorch, "internal: all results were taken");
  c10::IValue result = std::move(state.results.front());
  state.results.pop_front();
  return result;
}

// () -> handle of the next result, -1 when it is no tensor at all
napi_value TakeTensor(Invocation& call) {
  const c10::IValue result = TakeResult(call.state());
  return result.isTensor() ? MakeTensor(call, result.toTensor()) : MakeNumber(call, -1);
}

// () -> number | boolean | bigint | { re, im } | string | null
napi_value TakeValue(Invocation& call) {
  const c10::IValue result = TakeResult(call.state());
  if (result.isScalar()) return MakeScalar(call, result.toScalar());
  if (result.isString()) return MakeText(call, result.toStringRef());
  if (result.isDevice()) return MakeNumber(call, DeviceCode(result.toDevice()));
  if (result.isNone()) return MakeNull(call);
  Fail(ErrorKind::kTorch, "results of type ", result.tagKind(), " have no counterpart in TypeScript");
}

void Append(const Invocation& call, napi_value array, napi_value value) {
  uint32_t length = 0;
  Check(napi_get_array_length(call.env(), array, &length), "napi_get_array_length");
  Check(napi_set_element(call.env(), array, length, value), "napi_set_element");
}

napi_value DescribeArgument(const Invocation& call, const ArgumentRule& rule) {
  napi_value object = MakeObject(call);
  SetProperty(call, object, "name", MakeText(call, rule.name));
  SetProperty(call, object, "kind", MakeText(call, KindName(rule.kind)));
  SetProperty(call, object, "isList", MakeBoolean(call, rule.is_list));
  SetProperty(call, object, "elementIsOptional", MakeBoolean(call, rule.element_is_optional));
  SetProperty(call, object, "isOptional", MakeBoolean(call, rule.is_optional));
  SetProperty(call, object, "isKeywordOnly", MakeBoolean(call, rule.is_keyword_only));
  SetProperty(call, object, "isWritten", MakeBoolean(call, rule.is_written));
  SetProperty(call, object, "listLength", MakeNumber(call, rule.list_length));
  SetProperty(call, object, "hasDefault", MakeBoolean(call, rule.fallback.has_value()));
  return object;
}

napi_value DescribeReturn(const Invocation& call, const ReturnRule& rule) {
  napi_value object = MakeObject(call);
  SetProperty(call, object, "kind", MakeText(call, KindName(rule.kind)));
  SetProperty(call, object, "isList", MakeBoolean(call, rule.is_list));
  SetProperty(call, object, "writtenArgument", MakeNumber(call, rule.written_argument));
  return object;
}

// (id) -> OperatorDescription of src/native.ts
napi_value DescribeOperator(Invocation& call) {
  const Operator& op = OperatorAt(call, 0);
  napi_value arguments = nullptr;
  napi_value returns = nullptr;
  Check(napi_create_array(call.env(), &arguments), "napi_create_array");
  Check(napi_create_array(call.env(), &returns), "napi_create_array");
  for (const ArgumentRule& rule : op.arguments) Append(call, arguments, DescribeArgument(call, rule));
  for (const ReturnRule& rule : op.returns) Append(call, returns, DescribeReturn(call, rule));
  napi_value object = MakeObject(call);
  SetProperty(call, object, "schema", MakeText(call, c10::toString(op.handle.schema())));
  SetProperty(call, object, "arguments", arguments);
  SetProperty(call, object, "returns", returns);
  return object;
}

// () -> every operator with a schema, as `namespace::name.overload`
napi_value OperatorNames(Invocation& call) {
  napi_value names = nullptr;
  Check(napi_create_array(call.env(), &names), "napi_create_array");
  c10::Dispatcher& dispatcher = c10::Dispatcher::singleton();
  for (const c10::OperatorName& name : dispatcher.getAllOpNames()) {
    if (dispatcher.findSchema(name)) Append(call, names, MakeText(call, c10::toString(name)));
  }
  return names;
}

}  // namespace

void ExportCalls(Environment& state, napi_value exports) {
  Export<Resolve>(state, exports, "resolve");
  Export<CallOperator>(state, exports, "call");
  Export<TakeTensor>(state, exports, "takeTensor");
  Export<TakeValue>(state, exports, "takeValue");
  Export<DescribeOperator>(state, exports, "describeOperator");
  Export<OperatorNames>(state, exports, "operatorNames");
}

}  // namespace halfway
