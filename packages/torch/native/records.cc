// Descriptions of tensors.
#include "records.h"

#include "arguments.h"

namespace halfway {
namespace {

// Tensors without memory of the usual kind (sparse, quantized, meta, lazy zeros) have no counterpart in TypeScript.
void ExpectOrdinary(const at::Tensor& tensor) {
  DtypeOf(static_cast<double>(tensor.scalar_type()));
  if (tensor.layout() != at::Layout::Strided)
    Fail(ErrorKind::kTorch, "results must be strided tensors, got ", tensor.layout());
  if (!tensor.is_cpu() && !tensor.is_cuda())
    Fail(ErrorKind::kDevice, "results on ", tensor.device(), " are not supported");
  if (tensor._is_zerotensor() || tensor.is_nested())
    Fail(ErrorKind::kTorch, "results without memory of their own are not supported");
}

}  // namespace

void WriteRecord(const Environment& state, const at::Tensor& tensor) {
  constexpr size_t header = 3;
  ExpectOrdinary(tensor);
  const at::IntArrayRef sizes = tensor.sizes();
  if (sizes.size() + header > state.record.length) {
    Fail(ErrorKind::kShape, "a tensor may have at most ", state.record.length - header, " dimensions, got ",
         sizes.size());
  }
  double* record = state.record.data;
  record[0] = static_cast<double>(sizes.size());
  record[1] = static_cast<double>(tensor.scalar_type());
  record[2] = DeviceCode(tensor.device());
  for (size_t i = 0; i < sizes.size(); ++i) record[header + i] = static_cast<double>(sizes[i]);
}

napi_value MakeTensor(const Invocation& call, at::Tensor tensor) {
  if (!tensor.defined()) return MakeNumber(call, -1);
  WriteRecord(call.state(), tensor);
  return MakeNumber(call, call.state().tensors.Insert(std::move(tensor)));
}

std::string DescribeTensor(const at::Tensor& tensor) {
  std::string text = DtypeName(tensor.scalar_type()) + " [";
  if (tensor.layout() != at::Layout::Strided) return text + "...]";
  for (int64_t i = 0; i < tensor.dim(); ++i) text += (i > 0 ? ", " : "") + std::to_string(tensor.size(i));
  return text + "]" + (tensor.is_cpu() ? "" : " on " + tensor.device().str());
}

std::string DtypeName(at::ScalarType dtype) {
  switch (dtype) {
    case at::kByte:
      return "uint8";
    case at::kChar:
      return "int8";
    case at::kShort:
      return "int16";
    case at::kInt:
      return "int32";
    case at::kLong:
      return "int64";
    case at::kHalf:
      return "float16";
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kComplexFloat:
      return "complex64";
    case at::kComplexDouble:
      return "complex128";
    case at::kBool:
      return "bool";
    case at::kBFloat16:
      return "bfloat16";
    default:
      return c10::toString(dtype);
  }
}

}  // namespace halfway
