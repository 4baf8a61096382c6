// Gradients. No TypeScript function ever runs inside autograd: these calls return when the backward pass is over.
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>

#include "arguments.h"
#include "exports.h"
#include "invocation.h"
#include "records.h"

namespace halfway {
namespace {

// A tensor argument that may be left out as -1.
at::Tensor OptionalTensor(const Invocation& call, size_t index) {
  const double handle = call.Number(index);
  return handle < 0 ? at::Tensor() : FindTensor(call.state(), handle);
}

// (handle, gradient or -1, retainGraph, createGraph)
napi_value Backward(Invocation& call) {
  const at::Tensor output = call.Tensor(0);
  const at::Tensor gradient = OptionalTensor(call, 1);
  const torch::autograd::variable_list gradients(gradient.defined() ? 1 : 0, gradient);
  torch::autograd::backward({output}, gradients, call.Flag(2), call.Flag(3));
  return nullptr;
}

// (outputs, inputs, gradients of outputs or an empty list, retainGraph, createGraph, allowUnused) -> count; then
// takeTensor
napi_value Grad(Invocation& call) {
  std::vector<at::Tensor> gradients = torch::autograd::grad(call.Tensors(0), call.Tensors(1), call.Tensors(2),
                                                            call.Flag(3), call.Flag(4), call.Flag(5));
  call.state().results.clear();
  for (at::Tensor& gradient : gradients) call.state().results.emplace_back(std::move(gradient));
  return MakeNumber(call, static_cast<double>(gradients.size()));
}

// (handle) -> handle of the accumulated gradient, or -1
napi_value GradOf(Invocation& call) { return MakeTensor(call, call.Tensor(0).grad()); }

// (handle, gradient or -1)
napi_value SetGrad(Invocation& call) {
  const at::Tensor& tensor = call.Tensor(0);
  const at::Tensor gradient = OptionalTensor(call, 1);
  if (gradient.defined() && (!gradient.sizes().equals(tensor.sizes()) || gradient.device() != tensor.device())) {
    Fail(ErrorKind::kShape, "must be like its tensor ", DescribeTensor(tensor), ", got ", DescribeTensor(gradient));
  }
  tensor.mutable_grad() = gradient;
  return nullptr;
}

napi_value RequiresGrad(Invocation& call) { return MakeBoolean(call, call.Tensor(0).requires_grad()); }

// (handle, flag)
napi_value SetRequiresGrad(Invocation& call) {
  const at::Tensor& tensor = call.Tensor(0);
  const bool wanted = call.Flag(1);
  if (wanted && !(tensor.is_floating_point() || tensor.is_complex())) {
    Fail(ErrorKind::kDtype, "only floating point and complex tensors have gradients, got ", DescribeTensor(tensor));
  }
  if (!wanted && !tensor.is_leaf()) {
    Fail(ErrorKind::kTorch, "a computed tensor cannot stop requiring gradients; use detach()");
  }
  tensor.set_requires_grad(wanted);
  return nullptr;
}

napi_value IsLeaf(Invocation& call) { return MakeBoolean(call, call.Tensor(0).is_leaf()); }

// (handle) -> the name of the recorded function that made it, `AddBackward0`; null for a leaf
napi_value GradFunctionName(Invocation& call) {
  const at::Tensor& tensor = call.Tensor(0);
  std::string name = "Invalid";  // PyTorch's word for a view that was changed where that cannot be recorded
  try {
    const auto function = tensor.grad_fn();
    if (function == nullptr) return MakeNull(call);
    name = function->name();
  } catch (const c10::Error&) {
  }
  const size_t colons = name.rfind("::");
  return MakeText(call, colons == std::string::npos ? name : name.substr(colons + 2));
}

// (flag) -> what it was before; for this thread
napi_value SetGradEnabled(Invocation& call) {
  const bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(call.Flag(0));
  return MakeBoolean(call, before);
}

napi_value IsGradEnabled(Invocation& call) { return MakeBoolean(call, c10::GradMode::is_enabled()); }

// For this thread, until LeaveInferenceMode
napi_value EnterInferenceMode(Invocation& call) {
  call.state().inference_modes.emplace_back();
  return nullptr;
}

napi_value LeaveInferenceMode(Invocation& call) {
  call.state().inference_modes.pop_back();
  return nullptr;
}

}  // namespace

void ExportAutograd(Environment& state, napi_value exports) {
  Export<Backward>(state, exports, "backward");
  Export<Grad>(state, exports, "grad");
  Export<GradOf>(state, exports, "gradOf");
  Export<SetGrad>(state, exports, "setGrad");
  Export<RequiresGrad>(state, exports, "requiresGrad");
  Export<SetRequiresGrad>(state, exports, "requiresGrad_");
  Export<IsLeaf>(state, exports, "isLeaf");
  Export<GradFunctionName>(state, exports, "gradFunctionName");
  Export<SetGradEnabled>(state, exports, "setGradEnabled");
  Export<IsGradEnabled>(state, exports, "isGradEnabled");
  Export<EnterInferenceMode>(state, exports, "enterInferenceMode");
  Export<LeaveInferenceMode>(state, exports, "leaveInferenceMode");
}

}  // namespace halfway
