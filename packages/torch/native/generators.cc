// Random number generators with their state.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Functions.h>

#include <cstring>

#include "accelerator.h"
#include "arguments.h"
#include "exports.h"
#include "invocation.h"
#include "records.h"

namespace halfway {
namespace {

at::Generator& GeneratorAt(const Invocation& call, size_t index) {
  const at::Generator* generator = call.state().generators.Find(call.Number(index));
  if (generator == nullptr) Fail(ErrorKind::kDisposed, "a generator is used after it was disposed");
  return const_cast<at::Generator&>(*generator);
}

uint64_t SeedAt(const Invocation& call, size_t index) {
  uint64_t seed = 0;
  bool lossless = false;
  if (napi_get_value_bigint_uint64(call.env(), call[index], &seed, &lossless) != napi_ok || !lossless) {
    Fail(ErrorKind::kTorch, "the seed must be an integer in [0, 2^64)");
  }
  return seed;
}

at::Generator NewGenerator(const at::Device& device) {
  if (device.is_cpu()) return at::detail::createCPUGenerator();
  return at::globalContext().getAcceleratorHooksInterface(device.type()).getNewGenerator(WithIndex(device).index());
}

// (seed: bigint, device) -> handle
napi_value CreateGenerator(Invocation& call) {
  const uint64_t seed = SeedAt(call, 0);
  at::Generator generator = NewGenerator(DeviceOf(call.Number(1)));
  generator.set_current_seed(seed);
  return MakeNumber(call, call.state().generators.Insert(std::move(generator)));
}

// (handle, seed: bigint)
napi_value SeedGenerator(Invocation& call) {
  at::Generator& generator = GeneratorAt(call, 0);
  const uint64_t seed = SeedAt(call, 1);
  const std::scoped_lock lock(generator.mutex());
  generator.set_current_seed(seed);
  return nullptr;
}

// (handle) -> ArrayBuffer
napi_value GeneratorState(Invocation& call) {
  at::Generator& generator = GeneratorAt(call, 0);
  const std::scoped_lock lock(generator.mutex());
  const at::Tensor state = generator.get_state().contiguous();
  void* data = nullptr;
  napi_value buffer = nullptr;
  Check(napi_create_arraybuffer(call.env(), state.nbytes(), &data, &buffer), "napi_create_arraybuffer");
  std::memcpy(data, state.const_data_ptr(), state.nbytes());
  return buffer;
}

// A CPU generator draws state[next] and counts `left` down to refill the state: numbers that do not belong together
// make it read beyond the end, which libtorch does not check. The layout is that of CPUGeneratorImplStateLegacy.
void ExpectPositionInside(const at::Tensor& state) {
  constexpr size_t left_at = 8;
  constexpr size_t next_at = 16;
  int32_t left = 0;
  uint64_t next = 0;
  if (!state.is_contiguous() || state.nbytes() < next_at + sizeof(next)) return;  // set_state says what is wrong
  const auto* bytes = static_cast<const char*>(state.const_data_ptr());
  std::memcpy(&left, bytes + left_at, sizeof(left));
  std::memcpy(&next, bytes + next_at, sizeof(next));
  if (left > 1 && next + left > at::MERSENNE_STATE_N + 1) {
    Fail(ErrorKind::kTorch, "the bytes are no state: ", left, " numbers cannot be left from position ", next, " on");
  }
}

// (handle, tensor of uint8)
napi_value SetGeneratorState(Invocation& call) {
  at::Generator& generator = GeneratorAt(call, 0);
  const at::Tensor state = call.Tensor(1);
  if (generator.device().is_cpu()) ExpectPositionInside(state);
  const std::scoped_lock lock(generator.mutex());
  generator.set_state(state);
  return nullptr;
}

napi_value DisposeGenerator(Invocation& call) {
  return MakeBoolean(call, call.state().generators.Erase(call.Number(0)).has_value());
}

}  // namespace

void ExportGenerators(Environment& state, napi_value exports) {
  Export<CreateGenerator>(state, exports, "createGenerator");
  Export<SeedGenerator>(state, exports, "seedGenerator");
  Export<GeneratorState>(state, exports, "generatorState");
  Export<SetGeneratorState>(state, exports, "setGeneratorState");
  Export<DisposeGenerator>(state, exports, "disposeGenerator");
}

}  // namespace halfway
