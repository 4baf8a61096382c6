// For tests: stands in for libtorch_cuda.so on machines without a GPU. Device memory is the host's, and a kernel is the
// CPU's, run on the same bytes. So what libtorch and we do around kernels happens as on a GPU: where things are made,
// that devices are not mixed, copies from pinned memory, streams, events and figures of memory; what cannot be seen in
// a result is noted in a log. It cannot show CUDA's kernels, nor work that still goes on. It registers what
// libtorch_cuda.so registers, as that does: by static objects, at loading.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/SDPBackend.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/GeneratorImpl.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

namespace {

using at::Device;
using at::DeviceIndex;
using at::kCUDA;
using at::Tensor;
using c10::IValue;
using c10::Stream;

constexpr size_t kTotalBytes = size_t{8} << 30;

DeviceIndex NumDevices() { return std::atoi(std::getenv("CUDA_DOUBLE_GPUS")); }

// A line in the log.
template <typename... Parts>
void Note(const Parts&... parts) {
  const char* log = std::getenv("CUDA_DOUBLE_LOG");
  FILE* file = log == nullptr ? nullptr : std::fopen(log, "a");
  if (file == nullptr) return;
  std::fprintf(file, "cuda: %s\n", std::string(c10::str(parts...)).c_str());
  std::fclose(file);
}

thread_local DeviceIndex device_at_hand = 0;

// --- memory

struct DeviceMemory final : c10::DeviceAllocator {
  // In front of every block.
  struct Header {
    size_t bytes;
    DeviceIndex device;
  };
  static constexpr size_t kHeaderBytes = 64;  // what follows keeps the alignment that kernels expect

  std::map<DeviceIndex, c10::CachingDeviceAllocator::DeviceStats> stats;

  c10::DataPtr allocate(size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override;
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override { Note("empty cache"); }
  void recordStream(const c10::DataPtr&, Stream stream) override { Note("memory is used on stream ", stream.id()); }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(DeviceIndex device) override { return stats[device]; }
  void resetAccumulatedStats(DeviceIndex) override {}
  void resetPeakStats(DeviceIndex device) override {
    stats[device].allocated_bytes[0].reset_peak();
    stats[device].reserved_bytes[0].reset_peak();
  }
  std::pair<size_t, size_t> getMemoryInfo(DeviceIndex device) override {
    return {kTotalBytes - stats[device].allocated_bytes[0].current, kTotalBytes};
  }
};

DeviceMemory& Memory() {
  static auto* memory = new DeviceMemory();
  return *memory;
}

void Free(void* data) {
  if (data == nullptr) return;
  char* block = static_cast<char*>(data) - DeviceMemory::kHeaderBytes;
  DeviceMemory::Header header;
  std::memcpy(&header, block, sizeof(header));
  Memory().stats[header.device].allocated_bytes[0].decrease(header.bytes);
  std::free(block);
}

c10::DataPtr DeviceMemory::allocate(size_t bytes) {
  const Header header{bytes, device_at_hand};
  c10::CachingAllocator::Stat& allocated = stats[device_at_hand].allocated_bytes[0];
  TORCH_CHECK_WITH(OutOfMemoryError, allocated.current + bytes <= kTotalBytes, "CUDA out of memory. Tried to allocate ",
                   bytes, " bytes");
  char* block = static_cast<char*>(std::aligned_alloc(64, (bytes + 2 * kHeaderBytes) / 64 * 64));
  std::memcpy(block, &header, sizeof(header));
  allocated.increase(bytes);
  return {block + kHeaderBytes, block + kHeaderBytes, &Free, Device(kCUDA, device_at_hand)};
}

c10::DeleterFnPtr DeviceMemory::raw_deleter() const { return &Free; }

std::set<const void*>& PinnedBlocks() {
  static auto* blocks = new std::set<const void*>();
  return *blocks;
}

void FreePinned(void* data) {
  PinnedBlocks().erase(data);
  std::free(data);
}

struct PinnedMemory final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* data = std::aligned_alloc(64, (bytes + 127) / 64 * 64);
    PinnedBlocks().insert(data);
    return {data, data, &FreePinned, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &FreePinned; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

// --- devices, streams, events

thread_local std::map<DeviceIndex, c10::StreamId> current_streams;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  at::DeviceType type() const override { return kCUDA; }
  Device exchangeDevice(Device device) const override {
    const Device before = getDevice();
    uncheckedSetDevice(device);
    return before;
  }
  Device getDevice() const override { return {kCUDA, device_at_hand}; }
  void setDevice(Device device) const override { uncheckedSetDevice(device); }
  void uncheckedSetDevice(Device device) const noexcept override {
    if (device.has_index()) device_at_hand = device.index();
  }
  DeviceIndex deviceCount() const noexcept override { return NumDevices(); }

  Stream getStream(Device device) const override {
    return Stream(Stream::UNSAFE, device, current_streams[device.index()]);
  }
  Stream getDefaultStream(Device device) const override { return Stream(Stream::DEFAULT, device); }
  Stream getNewStream(Device device, int) const override {
    static c10::StreamId last = 0;
    return Stream(Stream::UNSAFE, device.has_index() ? device : getDevice(), ++last);
  }
  Stream exchangeStream(Stream stream) const override {
    Note("stream ", stream.id(), " is current on ", stream.device());
    return Stream(Stream::UNSAFE, stream.device(), std::exchange(current_streams[stream.device_index()], stream.id()));
  }
  bool queryStream(const Stream& stream) const override {
    Note("is stream ", stream.id(), " done");
    return true;
  }
  void synchronizeStream(const Stream& stream) const override { Note("wait for stream ", stream.id()); }
  void synchronizeDevice(const DeviceIndex device) const override { Note("wait for device ", int{device}); }
  void recordDataPtrOnStream(const c10::DataPtr& data, const Stream& stream) const override {
    Memory().recordStream(data, stream);
  }

  // An event is the number of the record, so that the log shows which one is meant.
  void record(void** event, const Stream& stream, const DeviceIndex, const c10::EventFlag) const override {
    static intptr_t last = 0;
    *event = reinterpret_cast<void*>(++last);
    Note("event ", last, " on stream ", stream.id());
  }
  void block(void* event, const Stream& stream) const override {
    Note("stream ", stream.id(), " waits for event ", reinterpret_cast<intptr_t>(event));
  }
  bool queryEvent(void* event) const override {
    Note("is event ", reinterpret_cast<intptr_t>(event), " done");
    return true;
  }
  void synchronizeEvent(void* event) const override { Note("wait for event ", reinterpret_cast<intptr_t>(event)); }
  double elapsedTime(void* from, void* to, const DeviceIndex) const override {
    return static_cast<double>(reinterpret_cast<intptr_t>(to) - reinterpret_cast<intptr_t>(from));
  }
};

// --- random numbers

// Draws what the CPU's generator draws.
struct DeviceGenerator final : c10::GeneratorImpl {
  explicit DeviceGenerator(DeviceIndex device)
      : GeneratorImpl(Device(kCUDA, device), c10::DispatchKeySet(c10::DispatchKey::CUDA)),
        cpu(at::detail::createCPUGenerator()) {}
  void set_current_seed(uint64_t seed) override { cpu.set_current_seed(seed); }
  void set_offset(uint64_t) override {}
  uint64_t get_offset() const override { return 0; }
  uint64_t current_seed() const override { return cpu.current_seed(); }
  uint64_t seed() override { return cpu.seed(); }
  void set_state(const c10::TensorImpl& state) override { cpu.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override { return cpu.unsafeGetGeneratorImpl()->get_state(); }
  GeneratorImpl* clone_impl() const override { return new DeviceGenerator(device_.index()); }

  at::Generator cpu;
};

// --- what libtorch asks about CUDA

struct CUDAHooks : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return NumDevices() > 0; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return NumDevices(); }
  DeviceIndex getCurrentDevice() const override { return device_at_hand; }
  at::Generator getNewGenerator(DeviceIndex device) const override {
    return at::make_generator<DeviceGenerator>(std::max<DeviceIndex>(device, 0));
  }
  bool isPinnedPtr(const void* data) const override { return PinnedBlocks().count(data) > 0; }
  c10::Allocator* getPinnedMemoryAllocator() const override {
    static auto* memory = new PinnedMemory();
    return memory;
  }
};

// --- kernels

Tensor Empty(at::IntArrayRef sizes, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<Device> device, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_generic(sizes, &Memory(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                   dtype.value_or(at::kFloat), format);
}

Tensor EmptyStrided(at::IntArrayRef sizes, at::IntArrayRef strides, std::optional<at::ScalarType> dtype,
                    std::optional<at::Layout>, std::optional<Device> device, std::optional<bool>) {
  const c10::OptionalDeviceGuard guard(device);
  return at::detail::empty_strided_generic(sizes, strides, &Memory(), c10::DispatchKeySet(c10::DispatchKey::CUDA),
                                           dtype.value_or(at::kFloat));
}

void Describe(const Tensor& from, const Tensor& to) {
  to.unsafeGetTensorImpl()->set_sizes_and_strides(from.sizes(), from.strides(), from.storage_offset());
}

Tensor Make(c10::Storage storage, c10::DispatchKey key, const Tensor& like) {
  Tensor tensor = at::detail::make_tensor<c10::TensorImpl>(std::move(storage), c10::DispatchKeySet(key), like.dtype());
  Describe(like, tensor);
  return tensor;
}

// The operands of one call as tensors of the CPU over the same bytes, and the way back.
class Operands {
 public:
  IValue OnCpu(const IValue& value) {
    if (value.isTensor()) return OnCpu(value.toTensor());
    if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(OnCpu(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector()) {
        list.push_back(tensor ? std::optional<Tensor>(OnCpu(*tensor)) : std::nullopt);
      }
      return list;
    }
    if (value.isDevice()) return Device(at::kCPU);
    if (value.isGenerator()) {
      const auto* generator = dynamic_cast<const DeviceGenerator*>(value.toGenerator().unsafeGetGeneratorImpl());
      TORCH_CHECK(generator != nullptr, "Expected a 'cuda' device type for generator but found 'cpu'");
      return generator->cpu;
    }
    return value;
  }

  IValue OnDevice(const IValue& value) {
    if (value.isTensor()) return OnDevice(value.toTensor());
    if (!value.isTensorList()) return value;
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorVector()) list.push_back(OnDevice(tensor));
    return list;
  }

  // The GPU of the operands, on which results are made.
  std::optional<Device> device;

  // Takes over sizes and storage that the call changed in place.
  void TakeBack() {
    for (const auto& [_, pair] : tensors_) {
      const auto& [original, stand_in] = pair;
      const c10::Storage& storage = original.storage();
      const c10::Storage& own = stand_in.storage();
      if (own.data() != storage.data()) {
        c10::DataPtr grown = Memory().allocate(own.nbytes());
        std::memcpy(grown.get(), own.data(), own.nbytes());
        storage.set_data_ptr_noswap(std::move(grown));
        storage.set_nbytes(own.nbytes());
      }
      Describe(stand_in, original);
    }
  }

 private:
  Tensor OnCpu(const Tensor& tensor) {
    if (!tensor.defined() || (tensor.is_cpu() && tensor.dim() == 0)) return tensor;
    TORCH_CHECK(tensor.is_cuda() && tensor.device() == device.value_or(tensor.device()),
                "Expected all tensors to be on the same device, but got ", tensor.device());
    device = tensor.device();
    const c10::StorageImpl* original = tensor.storage().unsafeGetStorageImpl();
    auto [storage, _] = storages_.try_emplace(
        original, c10::Storage(c10::Storage::use_byte_size_t(), tensor.storage().nbytes(),
                               c10::DataPtr(tensor.storage().mutable_data(), at::kCPU), c10::GetCPUAllocator(), true));
    Tensor stand_in = Make(storage->second, c10::DispatchKey::CPU, tensor);
    originals_.emplace(storage->second.unsafeGetStorageImpl(), tensor);
    tensors_.emplace(stand_in.unsafeGetTensorImpl(), std::pair(tensor, stand_in));
    return stand_in;
  }

  Tensor OnDevice(const Tensor& result) {
    if (!result.defined()) return result;
    if (const auto operand = tensors_.find(result.unsafeGetTensorImpl()); operand != tensors_.end()) {
      return operand->second.first;
    }
    const c10::StorageImpl* storage = result.storage().unsafeGetStorageImpl();
    if (const auto viewed = originals_.find(storage); viewed != originals_.end()) {
      return Make(viewed->second.storage(), c10::DispatchKey::CUDA, result);
    }
    c10::DataPtr data = Memory().allocate(result.storage().nbytes());
    std::memcpy(data.get(), result.storage().data(), result.storage().nbytes());
    return Make(
        c10::Storage(c10::Storage::use_byte_size_t(), result.storage().nbytes(), std::move(data), &Memory(), true),
        c10::DispatchKey::CUDA, result);
  }

  std::map<const c10::StorageImpl*, c10::Storage> storages_;
  std::map<const c10::StorageImpl*, Tensor> originals_;
  std::map<const c10::TensorImpl*, std::pair<Tensor, Tensor>> tensors_;
};

// Any operator, by the kernel of the CPU.
void RunOnCpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  Operands operands;
  const size_t first = stack->size() - op.schema().arguments().size();
  for (size_t i = first; i < stack->size(); ++i) (*stack)[i] = operands.OnCpu((*stack)[i]);
  op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  const c10::OptionalDeviceGuard guard(operands.device);
  operands.TakeBack();
  for (size_t i = first; i < stack->size(); ++i) (*stack)[i] = operands.OnDevice((*stack)[i]);
}

Tensor& Copy(Tensor& self, const Tensor& source, bool non_blocking) {
  if (self.device() != source.device()) {
    Note("copy of ", source.nbytes(), " bytes from ", source.is_pinned() ? "pinned " : "", source.device(), " to ",
         self.device(), non_blocking ? " without waiting" : "");
  }
  const auto on_cpu = [](const Tensor& tensor) {
    return tensor.is_cpu() ? tensor : Operands().OnCpu(IValue(tensor)).toTensor();
  };
  on_cpu(self).copy_(on_cpu(source));
  return self;
}

int64_t ChooseAttention(const Tensor&, const Tensor&, const Tensor&, const std::optional<Tensor>&, double, bool,
                        std::optional<double>, bool) {
  return static_cast<int64_t>(at::SDPBackend::math);
}

using at::CUDAHooksRegistry;
using at::RegistererCUDAHooksRegistry;
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace

namespace c10 {
namespace impl {
C10_REGISTER_GUARD_IMPL(CUDA, Guard)
}
static const bool has_memory = [] {
  SetAllocator(DeviceType::CUDA, &Memory());
  return true;
}();
}  // namespace c10

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&RunOnCpu>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", &Empty);
  library.impl("empty_strided", &EmptyStrided);
  library.impl("copy_", &Copy);
  library.impl("_fused_sdp_choice", &ChooseAttention);
  // These would choose among CUDA's kernels themselves, the last warns where it has none.
  for (const char* name : {"convolution", "convolution_backward", "native_layer_norm", "mse_loss"}) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&RunOnCpu>());
  }
}
