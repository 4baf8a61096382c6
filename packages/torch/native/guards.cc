// See guards.h.
#include "guards.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <string_view>

#include "errors.h"
#include "records.h"

namespace halfway {
namespace {

using Operands = std::vector<c10::IValue>;

// histc(bfloat16 [648], bins 1000): the bin's index is rounded up beyond the end; "double free or corruption" in 2.15.
void Histc(const Operands& operands) {
  const at::Tensor& self = operands[0].toTensor();
  if (self.scalar_type() == at::kHalf || self.scalar_type() == at::kBFloat16) {
    Fail(ErrorKind::kDtype, "needs float32 or float64, got ", DtypeName(self.scalar_type()));
  }
}

// chunk([0], 2^31), tensor_split([2, 3], 2^31 - 1): as many tensors as asked for, until memory ends.
constexpr int64_t kMaxParts = 65536;

void CountOfParts(const Operands& operands) {
  if (operands[1].isInt() && operands[1].toInt() > kMaxParts) {
    Fail(ErrorKind::kShape, "at most ", kMaxParts, " parts are made at once, got ", operands[1].toInt());
  }
}

struct Rule {
  std::string_view name;
  Guard guard;
};

constexpr std::array kGuards = {
    Rule{"aten::histc", Histc},
    Rule{"aten::chunk", CountOfParts},
    Rule{"aten::tensor_split", CountOfParts},
    Rule{"aten::unsafe_chunk", CountOfParts},
};

}  // namespace

Guard FindGuard(const std::string& name) {
  for (const Rule& rule : kGuards) {
    if (name == rule.name) return rule.guard;
  }
  return nullptr;
}

}  // namespace halfway
