// Tensors from and to memory, and the end of handles.
#include <ATen/Functions.h>
#include <c10/core/GradMode.h>

#include <cstring>

#include "accelerator.h"
#include "allocator.h"
#include "arguments.h"
#include "exports.h"
#include "invocation.h"
#include "records.h"

namespace halfway {
namespace {

struct Bytes {
  const void* data = nullptr;
  size_t size = 0;
};

// The bytes under a Uint8Array; the pointer is good until control returns to TypeScript.
Bytes BytesAt(const Invocation& call, size_t index) {
  Bytes bytes;
  void* data = nullptr;
  napi_typedarray_type type = napi_uint8_array;
  if (napi_get_typedarray_info(call.env(), call[index], &type, &bytes.size, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    Fail(ErrorKind::kTorch, "internal: argument ", index, " must be a Uint8Array");
  }
  bytes.data = data;
  return bytes;
}

size_t CountBytes(const std::vector<int64_t>& sizes, at::ScalarType dtype) {
  size_t bytes = c10::elementSize(dtype);
  for (int64_t size : sizes) {
    if (size < 0) Fail(ErrorKind::kShape, "sizes must not be negative, got ", at::IntArrayRef(sizes));
    if (__builtin_mul_overflow(bytes, static_cast<size_t>(size), &bytes))
      Fail(ErrorKind::kShape, "the shape is too large");
  }
  return bytes;
}

// (bytes: Uint8Array, dtype, sizes, device) -> handle; copies
napi_value FromBytes(Invocation& call) {
  const Bytes bytes = BytesAt(call, 0);
  const at::ScalarType dtype = DtypeOf(call.Number(1));
  const std::vector<int64_t> sizes = call.Integers(2);
  const at::Device device = DeviceOf(call.Number(3));
  const size_t wanted = CountBytes(sizes, dtype);
  if (bytes.size != wanted) {
    Fail(ErrorKind::kShape, "a ", DtypeName(dtype), " tensor of shape ", at::IntArrayRef(sizes), " has ", wanted,
         " bytes, got ", bytes.size);
  }
  // From pinned memory a GPU copies by itself while the program goes on; libtorch gives that memory to nobody before.
  at::Tensor tensor = at::empty(sizes, at::TensorOptions().dtype(dtype).pinned_memory(!device.is_cpu()));
  if (wanted > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.data, wanted);
  return MakeTensor(call, device.is_cpu() ? tensor : tensor.to(device, dtype, /*non_blocking=*/true));
}

// (handle) -> ArrayBuffer with the elements in row-major order
napi_value ToBytes(Invocation& call) {
  const at::Tensor tensor = call.Tensor(0).detach().cpu().resolve_conj().resolve_neg().contiguous();
  void* data = nullptr;
  napi_value buffer = nullptr;
  ExpectRoom(tensor.nbytes());
  Check(napi_create_arraybuffer(call.env(), tensor.nbytes(), &data, &buffer), "napi_create_arraybuffer");
  if (tensor.nbytes() > 0) std::memcpy(data, tensor.const_data_ptr(), tensor.nbytes());
  return buffer;
}

// (handle, bytes: Uint8Array); overwrites a contiguous CPU tensor's elements
napi_value CopyBytes(Invocation& call) {
  const at::Tensor& tensor = call.Tensor(0);
  const Bytes bytes = BytesAt(call, 1);
  if (!tensor.is_cpu() || !tensor.is_contiguous()) Fail(ErrorKind::kTorch, "needs a contiguous tensor on the CPU");
  if (bytes.size != tensor.nbytes()) Fail(ErrorKind::kShape, "needs ", tensor.nbytes(), " bytes, got ", bytes.size);
  if (bytes.size > 0) std::memcpy(tensor.mutable_data_ptr(), bytes.data, bytes.size);
  return nullptr;
}

// (handle) -> number | boolean | bigint | { re, im }
napi_value Item(Invocation& call) { return MakeScalar(call, call.Tensor(0).item()); }

void AdjustExternalMemory(const Invocation& call, int64_t bytes) {
  int64_t total = 0;
  if (bytes != 0) Check(napi_adjust_external_memory(call.env(), bytes, &total), "napi_adjust_external_memory");
}

// (handle); tells V8 how much the collector frees when it finds this tensor unreachable. For tensors that no scope
// ends.
napi_value Charge(Invocation& call) {
  const at::Tensor& tensor = call.Tensor(0);
  const auto bytes = static_cast<int64_t>(tensor.nbytes());
  call.state().tensors.Charge(call.Number(0), bytes);
  AdjustExternalMemory(call, bytes);
  return nullptr;
}

// (handle) -> whether it was alive
napi_value Dispose(Invocation& call) {
  const std::optional<int64_t> charged = call.state().tensors.Erase(call.Number(0));
  AdjustExternalMemory(call, -charged.value_or(0));
  return MakeBoolean(call, charged.has_value());
}

// (list of handles); those already disposed are passed over
napi_value DisposeMany(Invocation& call) {
  int64_t charged = 0;
  for (double handle : ListAt(call.state(), call.Number(0))) charged += call.state().tensors.Erase(handle).value_or(0);
  AdjustExternalMemory(call, -charged);
  return nullptr;
}

napi_value IsAlive(Invocation& call) { return MakeBoolean(call, call.state().tensors.Find(call.Number(0)) != nullptr); }

// (handle); writes the record afresh
napi_value Describe(Invocation& call) {
  WriteRecord(call.state(), call.Tensor(0));
  return nullptr;
}

// (handle); writes the strides in elements where the record has the sizes
napi_value DescribeStrides(Invocation& call) {
  const at::Tensor& tensor = call.Tensor(0);
  WriteRecord(call.state(), tensor);
  for (int64_t i = 0; i < tensor.dim(); ++i) call.state().record.data[3 + i] = static_cast<double>(tensor.stride(i));
  return nullptr;
}

// (handle, device); the tensor itself goes to another device, for parameters, which others hold. Its gradient is
// dropped.
napi_value MoveTo(Invocation& call) {
  const c10::AutoGradMode no_grad(false);
  const at::Tensor tensor = call.Tensor(0);
  const at::Device device = WithIndex(DeviceOf(call.Number(1)));
  if (device != tensor.device()) {
    const at::Tensor moved = tensor.detach().to(device);
    tensor.mutable_grad().reset();
    tensor.set_data(moved);
  }
  WriteRecord(call.state(), tensor);
  return nullptr;
}

napi_value IsContiguous(Invocation& call) { return MakeBoolean(call, call.Tensor(0).is_contiguous()); }

// (handle) -> another handle of the same tensor
napi_value Alias(Invocation& call) {
  at::Tensor same = call.Tensor(0);
  return MakeTensor(call, std::move(same));
}

napi_value LiveTensors(Invocation& call) { return MakeNumber(call, static_cast<double>(call.state().tensors.live())); }

}  // namespace

void ExportTensors(Environment& state, napi_value exports) {
  Export<FromBytes>(state, exports, "fromBytes");
  Export<ToBytes>(state, exports, "toBytes");
  Export<CopyBytes>(state, exports, "copyBytes");
  Export<Item>(state, exports, "item");
  Export<Dispose>(state, exports, "dispose");
  Export<DisposeMany>(state, exports, "disposeMany");
  Export<Charge>(state, exports, "charge");
  Export<IsAlive>(state, exports, "isAlive");
  Export<Describe>(state, exports, "describe");
  Export<DescribeStrides>(state, exports, "describeStrides");
  Export<MoveTo>(state, exports, "moveTo");
  Export<IsContiguous>(state, exports, "isContiguous");
  Export<Alias>(state, exports, "alias");
  Export<LiveTensors>(state, exports, "liveTensors");
}

}  // namespace halfway
