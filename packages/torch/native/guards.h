// Checks of single operators that libtorch itself forgets: arguments that fit the schema and yet corrupt memory, divide
// by zero or never end. Each was found by fuzz/hostileCalls.mjs; the comment beside it is the reproducer.
#pragma once

#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

namespace halfway {

// Throws when the operands must not reach the operator.
using Guard = void (*)(const std::vector<c10::IValue>& operands);

// The guard of an operator by its name without overload (`aten::histc`), or null.
Guard FindGuard(const std::string& name);

}  // namespace halfway
