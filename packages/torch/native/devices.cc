// Devices beside operators: which there are, streams, events and memory. Nothing here is linked to CUDA: it goes
// through libtorch's device-generic interfaces, behind which src/setup/cudaDouble.case.cc stands in tests.
#include <c10/core/CachingDeviceAllocator.h>

#include "accelerator.h"
#include "arguments.h"
#include "exports.h"
#include "invocation.h"

namespace halfway {
namespace {

// (device) -> why it cannot be used and what to do, or null
napi_value ProblemOf(Invocation& call) {
  const std::string problem = DeviceProblem(ParseDevice(call.Number(0)));
  return problem.empty() ? MakeNull(call) : MakeText(call, problem);
}

napi_value CountGpus(Invocation& call) { return MakeNumber(call, NumGpus()); }

// (device) -> the device with its number. The functions below take none but such.
napi_value ResolveDevice(Invocation& call) { return MakeNumber(call, DeviceCode(WithIndex(DeviceOf(call.Number(0))))); }

// (device); until all work on it is done
napi_value SynchronizeDevice(Invocation& call) {
  const at::Device device = DeviceOf(call.Number(0));
  GuardOf(device.type()).synchronizeDevice(device.index());
  return nullptr;
}

// A stream comes as two arguments: its device, and its number there.
c10::Stream StreamAt(const Invocation& call, size_t index) {
  return c10::Stream(c10::Stream::UNSAFE, DeviceOf(call.Number(index)), call.Integer(index + 1));
}

napi_value MakeStreamId(const Invocation& call, const c10::Stream& stream) {
  return MakeNumber(call, static_cast<double>(stream.id()));
}

// (device) -> number of a stream beside the current one
napi_value NewStream(Invocation& call) {
  const at::Device device = DeviceOf(call.Number(0));
  return MakeStreamId(call, GuardOf(device.type()).getNewStream(device));
}

// (device) -> number of the stream that operators on it use now
napi_value CurrentStream(Invocation& call) {
  const at::Device device = DeviceOf(call.Number(0));
  return MakeStreamId(call, GuardOf(device.type()).getStream(device));
}

// (stream) -> number of the stream that was the current one of its device
napi_value ExchangeStream(Invocation& call) {
  const c10::Stream stream = StreamAt(call, 0);
  return MakeStreamId(call, GuardOf(stream.device_type()).exchangeStream(stream));
}

napi_value IsStreamDone(Invocation& call) { return MakeBoolean(call, StreamAt(call, 0).query()); }

napi_value SynchronizeStream(Invocation& call) {
  StreamAt(call, 0).synchronize();
  return nullptr;
}

// (stream, tensor); the tensor's memory goes to nobody else before the work that the stream has now is done
napi_value RecordTensor(Invocation& call) {
  const c10::Stream stream = StreamAt(call, 0);
  GuardOf(stream.device_type()).recordDataPtrOnStream(call.Tensor(2).storage().data_ptr(), stream);
  return nullptr;
}

c10::Event& EventAt(const Invocation& call, size_t index) {
  const auto* found = call.state().events.Find(call.Number(index));
  if (found == nullptr) Fail(ErrorKind::kDisposed, "an event is used after it was disposed");
  return (*found)->event;
}

// (device, whether it is for measuring time) -> handle
napi_value CreateEvent(Invocation& call) {
  const at::Device device = DeviceOf(call.Number(0));
  const auto flag = call.Flag(1) ? c10::EventFlag::BACKEND_DEFAULT : c10::EventFlag::PYTORCH_DEFAULT;
  return MakeNumber(call, call.state().events.Insert(c10::make_intrusive<DeviceEvent>(device.type(), flag)));
}

// (handle, stream)
napi_value RecordEvent(Invocation& call) {
  EventAt(call, 0).record(StreamAt(call, 1));
  return nullptr;
}

// (handle, stream); the stream's work from now on waits for the event
napi_value BlockStream(Invocation& call) {
  EventAt(call, 0).block(StreamAt(call, 1));
  return nullptr;
}

napi_value IsEventDone(Invocation& call) { return MakeBoolean(call, EventAt(call, 0).query()); }

napi_value SynchronizeEvent(Invocation& call) {
  EventAt(call, 0).synchronize();
  return nullptr;
}

// (start, end) -> milliseconds
napi_value ElapsedMs(Invocation& call) { return MakeNumber(call, EventAt(call, 0).elapsedTime(EventAt(call, 1))); }

napi_value DisposeEvent(Invocation& call) {
  return MakeBoolean(call, call.state().events.Erase(call.Number(0)).has_value());
}

c10::DeviceAllocator& AllocatorOf(const at::Device& device) {
  GuardOf(device.type());
  return *c10::getDeviceAllocator(device.type());
}

// (device) -> DeviceMemoryStats of src/memory.ts
napi_value DeviceMemory(Invocation& call) {
  const at::Device device = DeviceOf(call.Number(0));
  c10::DeviceAllocator& allocator = AllocatorOf(device);
  constexpr auto all = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const c10::CachingDeviceAllocator::DeviceStats stats = allocator.getDeviceStats(device.index());
  const auto [free_bytes, total_bytes] = allocator.getMemoryInfo(device.index());
  napi_value object = MakeObject(call);
  const auto set = [&](const char* key, auto bytes) {
    SetProperty(call, object, key, MakeNumber(call, static_cast<double>(bytes)));
  };
  set("allocatedBytes", stats.allocated_bytes[all].current);
  set("peakAllocatedBytes", stats.allocated_bytes[all].peak);
  set("reservedBytes", stats.reserved_bytes[all].current);
  set("peakReservedBytes", stats.reserved_bytes[all].peak);
  set("freeBytes", free_bytes);
  set("totalBytes", total_bytes);
  return object;
}

napi_value ResetDevicePeak(Invocation& call) {
  const at::Device device = DeviceOf(call.Number(0));
  AllocatorOf(device).resetPeakStats(device.index());
  return nullptr;
}

// (device); of all devices of its type
napi_value EmptyDeviceCache(Invocation& call) {
  AllocatorOf(DeviceOf(call.Number(0))).emptyCache();
  return nullptr;
}

}  // namespace

void ExportDevices(Environment& state, napi_value exports) {
  Export<ProblemOf>(state, exports, "deviceProblem");
  Export<CountGpus>(state, exports, "numGpus");
  Export<ResolveDevice>(state, exports, "resolveDevice");
  Export<SynchronizeDevice>(state, exports, "synchronizeDevice");
  Export<NewStream>(state, exports, "newStream");
  Export<CurrentStream>(state, exports, "currentStream");
  Export<ExchangeStream>(state, exports, "exchangeStream");
  Export<IsStreamDone>(state, exports, "isStreamDone");
  Export<SynchronizeStream>(state, exports, "synchronizeStream");
  Export<RecordTensor>(state, exports, "recordTensor");
  Export<CreateEvent>(state, exports, "createEvent");
  Export<RecordEvent>(state, exports, "recordEvent");
  Export<BlockStream>(state, exports, "blockStream");
  Export<IsEventDone>(state, exports, "isEventDone");
  Export<SynchronizeEvent>(state, exports, "synchronizeEvent");
  Export<ElapsedMs>(state, exports, "elapsedMs");
  Export<DisposeEvent>(state, exports, "disposeEvent");
  Export<DeviceMemory>(state, exports, "deviceMemory");
  Export<ResetDevicePeak>(state, exports, "resetDevicePeak");
  Export<EmptyDeviceCache>(state, exports, "emptyDeviceCache");
}

}  // namespace halfway
