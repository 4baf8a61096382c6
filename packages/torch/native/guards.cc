// See guards.h.
#include "guards.h"

#include <ATen/Functions.h>
#include <ATen/ScalarOps.h>

#include <array>
#include <limits>
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

// native_batch_norm(float32 [2, 2000000], weight [1]): takes one number a channel from what lies beyond the end.
// native_batch_norm(float32 [2, 0]): divides by the number of channels; the way back of (float32 [0, 2], weight [2]) by
// that of values. batch_norm takes both. (input, tensors with one number a channel ...)
void PerChannel(const Operands& operands) {
  constexpr size_t kMostTensors = 4;  // weight, bias, mean, variance
  const at::Tensor& input = operands[0].toTensor();
  if (input.numel() == 0) Fail(ErrorKind::kShape, "the input must not be empty, got the shape ", input.sizes());
  if (input.dim() < 2) return;  // libtorch says so
  const int64_t channels = input.size(1);
  for (size_t i = 1; i < operands.size() && i <= kMostTensors && !operands[i].isBool(); ++i) {
    if (!operands[i].isTensor() || operands[i].toTensor().numel() == channels) continue;
    Fail(ErrorKind::kShape, "weight, bias, mean and variance must have one number for each of ", channels,
         " channels, got the shape ", operands[i].toTensor().sizes());
  }
}

// _upsample_bilinear2d_aa(float32 [1, 3, 6, 5], [5, 2], scale 0.00001): where the scale does not belong to the sizes,
// pixels far outside of the image are read and written. A scale that is not positive counts as none.
void ExpectScale(int64_t input_px, int64_t output_px, const c10::IValue& scale) {
  if (!scale.isDouble() || !(scale.toDouble() > 0)) return;
  const double scaled_px = static_cast<double>(input_px) * scale.toDouble();
  const double beyond_px = scaled_px - static_cast<double>(output_px);
  // The size is scaled_px rounded down, give or take what the division that made the scale has lost.
  if (beyond_px > -0.5 && beyond_px < 1) return;
  Fail(ErrorKind::kShape, "a scale of ", scale.toDouble(), " does not make a size of ", output_px, " of ", input_px);
}

void ExpectScales(c10::IntArrayRef input_px, const c10::IValue& output_px, const c10::IValue* scales) {
  const std::vector<int64_t> output = output_px.toIntVector();
  if (input_px.size() != 4 || output.size() != 2) return;  // libtorch says so
  for (const size_t i : {0, 1}) ExpectScale(input_px[2 + i], output[i], scales[i]);
}

// (self, output_size, align_corners, scales_h, scales_w, ...); the overload `vec` computes its scales itself
void Antialiased(const Operands& operands) {
  if (operands.size() >= 5) ExpectScales(operands[0].toTensor().sizes(), operands[1], &operands[3]);
}

// (grad_output, output_size, input_size, align_corners, scales_h, scales_w, ...)
void AntialiasedBackward(const Operands& operands) {
  ExpectScales(operands[2].toIntVector(), operands[1], &operands[4]);
}

// median(int32 [3, 3] of strides [0, 1], dim 0): other numbers than the tensor has, from beyond its end; in PyTorch
// too. (self, dim, ...)
void Median(const Operands& operands) {
  const at::Tensor& self = operands[0].toTensor();
  if (operands.size() < 2 || !operands[1].isInt() || self.dim() == 0) return;
  const int64_t dim = operands[1].toInt();
  if (dim < -self.dim() || dim >= self.dim()) return;  // libtorch says so
  if (self.stride(dim) != 0 || self.size(dim) <= 1) return;
  Fail(ErrorKind::kShape, "is not computed over an expanded dimension; use contiguous(), got strides ", self.strides());
}

bool HasTrap(const at::Tensor& dividend, const at::Tensor& divisor) {
  const at::ScalarType dtype = at::result_type(dividend, divisor);
  if (!dividend.is_cpu() || (dtype != at::kInt && dtype != at::kLong)) return false;
  const int64_t lowest = dtype == at::kInt ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int64_t>::min();
  return dividend.to(dtype).eq(lowest).logical_and(divisor.to(dtype).eq(-1)).any().item<bool>();
}

// div(int64 -2^63, -1, rounding_mode trunc): the quotient has no place in the dtype, which the processor answers with a
// trap. (self, other, rounding_mode)
void TruncatedQuotient(const Operands& operands) {
  if (operands.size() < 3 || !operands[2].isString() || operands[2].toStringRef() != "trunc") return;
  const at::Tensor& self = operands[0].toTensor();
  const at::Tensor other =
      operands[1].isTensor() ? operands[1].toTensor() : at::native::wrapped_scalar_tensor(operands[1].toScalar());
  if (HasTrap(self, other)) {
    Fail(ErrorKind::kDtype, "the lowest integer divided by -1 has no place in ", DtypeName(self.scalar_type()),
         "; convert it first");
  }
}

// _foreach_mul_.ScalarList([x], []), _foreach_copy([], [x]): trusts that the lists are of one length.
void ListsAlike(const Operands& operands) {
  for (const c10::IValue& operand : operands) {
    if (!operand.isList() || operand.toListRef().size() == operands[0].toListRef().size()) continue;
    Fail(ErrorKind::kShape, "the lists must have one length, got ", operands[0].toListRef().size(), " and ",
         operand.toListRef().size());
  }
}

// resize_(float32 [1, 4] expanded to [64, 4], [64, 4], contiguous_format): gets the strides of 256 numbers, and keeps
// the place of 4. (self, size or template, memory_format)
void Restrided(const Operands& operands) {
  const at::Tensor& self = operands[0].toTensor();
  if (operands.size() < 3 || operands[2].isNone() || !self.has_storage()) return;
  const std::vector<int64_t> size =
      operands[1].isTensor() ? operands[1].toTensor().sizes().vec() : operands[1].toIntVector();
  if (self.sizes() != c10::IntArrayRef(size)) return;  // else libtorch makes room
  const int64_t capacity = static_cast<int64_t>(self.storage().nbytes() / self.itemsize());
  if (self.storage_offset() + self.numel() <= capacity) return;
  Fail(ErrorKind::kShape, "gives no memory format to an expanded tensor; use contiguous(), got strides ",
       self.strides());
}

// The labels that count: [N, S] may hold anything behind the first `lengths` of a row.
at::Tensor CountedLabels(const at::Tensor& targets, const c10::IValue& lengths) {
  const at::Tensor counts = lengths.isTensor() ? lengths.toTensor().cpu() : at::tensor(lengths.toIntVector());
  if (targets.dim() != 2 || counts.dim() != 1 || counts.size(0) != targets.size(0)) return targets;
  return targets.masked_select(at::arange(targets.size(1)).lt(counts.unsqueeze(1)));
}

// ctc_loss(float32 [5, 2, 4], labels of 1000000): reads scores from beyond the end. (log_probs, targets, input_lengths,
// target_lengths, ...)
void Labels(const Operands& operands) {
  const at::Tensor& log_probs = operands[0].toTensor();
  const at::Tensor& targets = operands[1].toTensor();
  const bool is_integer = at::isIntegralType(targets.scalar_type(), false);
  if (log_probs.dim() == 0 || !targets.is_cpu() || !is_integer) return;  // libtorch says so
  const at::Tensor labels = CountedLabels(targets, operands[3]);
  if (labels.numel() == 0) return;
  const int64_t classes = log_probs.size(-1);
  const int64_t lowest = labels.min().item<int64_t>();
  const int64_t highest = labels.max().item<int64_t>();
  if (lowest >= 0 && highest < classes) return;
  Fail(ErrorKind::kShape, "a label must be one of the ", classes, " classes of the scores, got labels from ", lowest,
       " to ", highest);
}

void ExpectLike(const char* what, const at::Tensor& tensor, c10::IntArrayRef shape, at::ScalarType dtype) {
  if (tensor.sizes() == shape && tensor.scalar_type() == dtype) return;
  Fail(ErrorKind::kShape, what, " must be ", DtypeName(dtype), " ", shape, ", got ", DtypeName(tensor.scalar_type()),
       " ", tensor.sizes());
}

// lstm.input(float32 [5, 2, 300], weights for 3 inputs): the kernel of oneDNN trusts every shape. (input, [h, c],
// params, has_biases, num_layers, dropout, train, bidirectional, batch_first); packed sequences have another kernel.
void LstmShapes(const Operands& operands) {
  if (!operands[1].isTensorList()) return;
  const at::Tensor& input = operands[0].toTensor();
  const std::vector<at::Tensor> states = operands[1].toTensorVector();
  const std::vector<at::Tensor> params = operands[2].toTensorVector();
  const int64_t layers = operands[4].toInt();
  const int64_t directions = operands[7].toBool() ? 2 : 1;
  const int64_t each = operands[3].toBool() ? 4 : 2;
  const auto count = static_cast<int64_t>(params.size());
  if (input.dim() != 3 || states.size() != 2 || states[0].dim() != 3) {
    Fail(ErrorKind::kShape, "needs an input and two states of three dimensions, got the input ", input.sizes(), " and ",
         states.size(), " states");
  }
  const int64_t lists = layers < 1 || layers > count ? 0 : layers * directions;
  if (lists > 0 && count == lists * (each + 1)) return;  // projections have another kernel
  if (lists == 0 || count != lists * each) {
    Fail(ErrorKind::kShape, "needs ", each, " parameters for each layer and direction, got ", count);
  }
  const int64_t batch = input.size(operands[8].toBool() ? 0 : 1);
  const int64_t hidden = states[0].size(2);
  const at::ScalarType dtype = input.scalar_type();
  for (const at::Tensor& state : states) ExpectLike("a state", state, {lists, batch, hidden}, dtype);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t inputs = i < directions * each ? input.size(2) : directions * hidden;
    const std::array<int64_t, 2> shape = {4 * hidden, i % each == 0 ? inputs : hidden};
    ExpectLike("a parameter", params[i], c10::IntArrayRef(shape).slice(0, i % each < 2 ? 2 : 1), dtype);
  }
}

// special_legendre_polynomial_p(float64 [1], 2^53): a step for each degree, without an end. (x, n)
constexpr double kMaxDegree = 1e6;

void Degree(const Operands& operands) {
  const c10::IValue& n = operands[1];
  const at::Tensor degrees = n.isTensor() ? n.toTensor() : c10::scalar_to_tensor(n.toScalar());
  if (degrees.numel() == 0 || degrees.is_complex()) return;  // libtorch says so
  const double highest = degrees.max().item<double>();
  if (!(highest <= kMaxDegree)) Fail(ErrorKind::kTorch, "a degree is at most ", kMaxDegree, ", got ", highest);
}

struct Rule {
  std::string_view name;
  Guard guard;
};

constexpr std::array kGuards = {
    Rule{"aten::histc", Histc},
    Rule{"aten::median", Median},
    Rule{"aten::nanmedian", Median},
    Rule{"aten::div", TruncatedQuotient},
    Rule{"aten::div_", TruncatedQuotient},
    Rule{"aten::divide", TruncatedQuotient},
    Rule{"aten::divide_", TruncatedQuotient},
    Rule{"aten::resize_", Restrided},
    Rule{"aten::resize_as_", Restrided},
    Rule{"aten::lstm", LstmShapes},
    Rule{"aten::ctc_loss", Labels},
    Rule{"aten::_ctc_loss", Labels},
    Rule{"aten::chunk", CountOfParts},
    Rule{"aten::tensor_split", CountOfParts},
    Rule{"aten::unsafe_chunk", CountOfParts},
    Rule{"aten::hsplit", CountOfParts},
    Rule{"aten::vsplit", CountOfParts},
    Rule{"aten::dsplit", CountOfParts},
    Rule{"aten::native_batch_norm", PerChannel},
    Rule{"aten::_native_batch_norm_legit", PerChannel},
    Rule{"aten::_native_batch_norm_legit_functional", PerChannel},
    Rule{"aten::_native_batch_norm_legit_no_training", PerChannel},
    Rule{"aten::_batch_norm_with_update", PerChannel},
    Rule{"aten::_batch_norm_with_update_functional", PerChannel},
    Rule{"aten::_batch_norm_no_update", PerChannel},
    Rule{"aten::batch_norm_update_stats", PerChannel},
    Rule{"aten::_upsample_bilinear2d_aa", Antialiased},
    Rule{"aten::_upsample_bicubic2d_aa", Antialiased},
    Rule{"aten::_upsample_lanczos2d_aa", Antialiased},
    Rule{"aten::_upsample_bilinear2d_aa_backward", AntialiasedBackward},
    Rule{"aten::_upsample_bicubic2d_aa_backward", AntialiasedBackward},
    Rule{"aten::_upsample_lanczos2d_aa_backward", AntialiasedBackward},
};

}  // namespace

Guard FindGuard(const std::string& name) {
  if (name.starts_with("aten::_foreach_")) return ListsAlike;
  if (name.starts_with("aten::special_") && name.find("_polynomial_") != std::string::npos) return Degree;
  for (const Rule& rule : kGuards) {
    if (name == rule.name) return rule.guard;
  }
  return nullptr;
}

}  // namespace halfway
