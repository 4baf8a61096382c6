// Loops over all parameters, called once a training step with lists. They use libtorch's own _fused_* and _foreach_*
// operators and record nothing for gradients. Nothing here waits for a device.
#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include "arguments.h"
#include "exports.h"
#include "invocation.h"
#include "records.h"

namespace halfway {
namespace {

using TensorVector = std::vector<at::Tensor>;

std::optional<at::Tensor> OptionalFlag(const Invocation& call, size_t index) {
  const double handle = call.Number(index);
  return handle < 0 ? std::nullopt : std::optional<at::Tensor>(FindTensor(call.state(), handle));
}

// libtorch's fused kernels trust that the lists are alike.
void ExpectAlike(const TensorVector& params, const TensorVector& others) {
  if (params.size() != others.size()) {
    Fail(ErrorKind::kShape, "every list must have one tensor a parameter, got ", params.size(), " and ", others.size());
  }
  for (size_t i = 0; i < params.size(); ++i) {
    if (!params[i].sizes().equals(others[i].sizes())) {
      Fail(ErrorKind::kShape, "tensor ", i, " must be like its parameter ", DescribeTensor(params[i]), ", got ",
           DescribeTensor(others[i]));
    }
    if (params[i].scalar_type() != others[i].scalar_type()) {
      Fail(ErrorKind::kDtype, "tensor ", i, " must be like its parameter ", DescribeTensor(params[i]), ", got ",
           DescribeTensor(others[i]));
    }
    if (params[i].device() != others[i].device()) {
      Fail(ErrorKind::kDevice, "tensor ", i, " must be on ", params[i].device(), ", got ", others[i].device());
    }
  }
}

// The same order in memory, where dimensions of size 1 have none.
bool AreLaidOutAlike(const at::Tensor& a, const at::Tensor& b) {
  return a.strides().equals(b.strides()) || (a.is_contiguous() && b.is_contiguous());
}

// The _fused_ kernels walk memory and ignore strides: what they write must have no gaps, and all the same order.
void ExpectWalkable(const TensorVector& params, const TensorVector& written) {
  ExpectAlike(params, written);
  for (size_t i = 0; i < params.size(); ++i) {
    if (written[i].is_non_overlapping_and_dense() && AreLaidOutAlike(params[i], written[i])) continue;
    Fail(ErrorKind::kShape, "tensor ", i, " must lie in memory without gaps and as its parameter, got strides ",
         written[i].strides(), " and ", params[i].strides(), "; make both contiguous()");
  }
}

// Gradients in the order of their parameters; those of `grad` may be expanded or transposed.
TensorVector LaidOutAs(const TensorVector& params, TensorVector grads) {
  ExpectAlike(params, grads);
  for (size_t i = 0; i < params.size(); ++i) {
    if (!AreLaidOutAlike(params[i], grads[i])) grads[i] = at::empty_like(params[i]).copy_(grads[i]);
  }
  return grads;
}

void ExpectFlag(const std::optional<at::Tensor>& flag) {
  if (flag && (flag->numel() != 1 || flag->scalar_type() != at::kFloat)) {
    Fail(ErrorKind::kShape, "the flag must be one float32 number, got ", DescribeTensor(*flag));
  }
}

// The number of steps taken, one float32 number a parameter, goes up before the update that uses it; a skipped update
// takes it back.
void CountStep(const TensorVector& steps, const std::optional<at::Tensor>& found_inf) {
  at::_foreach_add_(steps, 1);
  if (found_inf) at::_foreach_sub_(steps, TensorVector(steps.size(), *found_inf));
}

// (params, grads, expAvgs, expAvgSqs, steps, lr, beta1, beta2, eps, weightDecay, foundInf or -1)
// Decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): p -= lr (mhat / (sqrt(vhat) + eps) + weightDecay
// p).
napi_value AdamwStep(Invocation& call) {
  const c10::AutoGradMode no_grad(false);
  TensorVector params = call.Tensors(0);
  TensorVector exp_avgs = call.Tensors(2);
  TensorVector exp_avg_sqs = call.Tensors(3);
  TensorVector steps = call.Tensors(4);
  const std::optional<at::Tensor> found_inf = OptionalFlag(call, 10);
  for (const TensorVector* list : {&params, &exp_avgs, &exp_avg_sqs}) ExpectWalkable(params, *list);
  const TensorVector grads = LaidOutAs(params, call.Tensors(1));
  if (steps.size() != params.size()) Fail(ErrorKind::kShape, "needs one step count a parameter");
  for (const at::Tensor& step : steps) ExpectFlag(step);
  ExpectFlag(found_inf);
  if (params.empty()) return nullptr;
  CountStep(steps, found_inf);
  at::_fused_adamw_(params, grads, exp_avgs, exp_avg_sqs, {}, steps, call.Number(5), call.Number(6), call.Number(7),
                    call.Number(9), call.Number(8), /*amsgrad=*/false, /*maximize=*/false, std::nullopt, found_inf);
  return nullptr;
}

// (params, grads, momentumBuffers or an empty list, lr, momentum, dampening, weightDecay, nesterov, isFirstStep,
// foundInf or -1)
napi_value SgdStep(Invocation& call) {
  const c10::AutoGradMode no_grad(false);
  TensorVector params = call.Tensors(0);
  TensorVector buffers = call.Tensors(2);
  const double momentum = call.Number(4);
  const std::optional<at::Tensor> found_inf = OptionalFlag(call, 9);
  ExpectWalkable(params, params);
  if (momentum != 0 || !buffers.empty()) ExpectWalkable(params, buffers);
  const TensorVector grads = LaidOutAs(params, call.Tensors(1));
  ExpectFlag(found_inf);
  if (params.empty()) return nullptr;
  at::_fused_sgd_(params, grads, buffers, call.Number(6), momentum, call.Number(3), call.Number(5), call.Flag(7),
                  /*maximize=*/false, call.Flag(8), std::nullopt, found_inf);
  return nullptr;
}

// (averaged, source, momentum): averaged = momentum averaged + (1 - momentum) source
napi_value EmaUpdate(Invocation& call) {
  const c10::AutoGradMode no_grad(false);
  const TensorVector averaged = call.Tensors(0);
  const TensorVector source = call.Tensors(1);
  ExpectAlike(averaged, source);
  if (!averaged.empty()) at::_foreach_lerp_(averaged, source, 1 - call.Number(2));
  return nullptr;
}

at::Tensor NormOf(const TensorVector& tensors, double order) {
  if (tensors.empty()) return at::zeros({}, at::kFloat);
  TensorVector norms = at::_foreach_norm(tensors, order, at::kFloat);
  for (at::Tensor& norm : norms) norm = norm.to(norms[0].device());
  return at::linalg_vector_norm(at::stack(norms), order);
}

// (tensors) -> the 2-norm of all their elements as one float32 number
napi_value GradNorm(Invocation& call) {
  const c10::AutoGradMode no_grad(false);
  return MakeTensor(call, NormOf(call.Tensors(0), 2));
}

// (params, maxNorm) -> the 2-norm of all gradients before they are scaled down to at most maxNorm
napi_value ClipGradNorm(Invocation& call) {
  const c10::AutoGradMode no_grad(false);
  TensorVector grads;
  for (const at::Tensor& param : call.Tensors(0)) {
    if (param.grad().defined()) grads.push_back(param.grad());
  }
  const at::Tensor norm = NormOf(grads, 2);
  // 1e-6 as in torch.nn.utils.clip_grad_norm_
  const at::Tensor scale = at::clamp_max(norm.add(1e-6).reciprocal().mul(call.Number(1)), 1.0);
  for (const at::Tensor& grad : grads) grad.mul_(scale.to(grad.device()));
  return MakeTensor(call, norm);
}

// (tensors) -> one float32 number: 1 when every element is finite, else 0. The largest magnitude is finite exactly
// then.
napi_value AllFinite(Invocation& call) {
  const c10::AutoGradMode no_grad(false);
  return MakeTensor(call,
                    at::isfinite(NormOf(call.Tensors(0), std::numeric_limits<double>::infinity())).to(at::kFloat));
}

// (params); their gradients become undefined
napi_value ZeroGrad(Invocation& call) {
  for (const at::Tensor& param : call.Tensors(0)) param.mutable_grad().reset();
  return nullptr;
}

}  // namespace

void ExportFused(Environment& state, napi_value exports) {
  Export<AdamwStep>(state, exports, "adamwStep");
  Export<SgdStep>(state, exports, "sgdStep");
  Export<EmaUpdate>(state, exports, "emaUpdate");
  Export<GradNorm>(state, exports, "gradNorm");
  Export<ClipGradNorm>(state, exports, "clipGradNorm");
  Export<AllFinite>(state, exports, "allFinite");
  Export<ZeroGrad>(state, exports, "zeroGrad");
}

}  // namespace halfway
