// The engine as a whole: threads, memory, precision, version.
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

#include "allocator.h"
#include "exports.h"
#include "invocation.h"

namespace halfway {
namespace {

// (count); for the whole process
napi_value SetNumThreads(Invocation& call) {
  const int64_t count = call.Integer(0);
  if (count < 1 || count > 1024) Fail(ErrorKind::kTorch, "must be from 1 to 1024, got ", count);
  at::set_num_threads(static_cast<int>(count));
  return nullptr;
}

napi_value GetNumThreads(Invocation& call) { return MakeNumber(call, at::get_num_threads()); }

// () -> how many threads took part in a parallel loop: more than one only when this addon was compiled with -fopenmp
napi_value CountLoopThreads(Invocation& call) {
  std::atomic<uint64_t> seen{0};
  at::parallel_for(0, 4096, 1, [&seen](int64_t, int64_t) { seen |= uint64_t{1} << (at::get_thread_num() % 64); });
  return MakeNumber(call, __builtin_popcountll(seen));
}

napi_value LiveBytes(Invocation& call) { return MakeNumber(call, static_cast<double>(ReadMemoryStats().live_bytes)); }
napi_value PeakBytes(Invocation& call) { return MakeNumber(call, static_cast<double>(ReadMemoryStats().peak_bytes)); }
napi_value BudgetBytes(Invocation& call) {
  return MakeNumber(call, static_cast<double>(ReadMemoryStats().budget_bytes));
}
napi_value CachedBytes(Invocation& call) {
  return MakeNumber(call, static_cast<double>(ReadMemoryStats().cached_bytes));
}

napi_value ReleaseCache(Invocation&) {
  EmptyCache();
  return nullptr;
}

napi_value ResetPeak(Invocation&) {
  ResetPeakBytes();
  return nullptr;
}

napi_value SetBudget(Invocation& call) {
  const int64_t bytes = call.Integer(0);
  if (bytes < 0) Fail(ErrorKind::kTorch, "must not be negative, got ", bytes);
  SetBudgetBytes(static_cast<size_t>(bytes));
  return nullptr;
}

// (highest | high | medium); which arithmetic matrix products of float32 may use, for the whole process
napi_value SetMatmulPrecision(Invocation& call) {
  at::globalContext().setFloat32MatmulPrecision(call.Text(0));
  return nullptr;
}

napi_value MatmulPrecision(Invocation& call) {
  switch (at::globalContext().float32MatmulPrecision()) {
    case at::Float32MatmulPrecision::HIGHEST:
      return MakeText(call, "highest");
    case at::Float32MatmulPrecision::HIGH:
      return MakeText(call, "high");
    case at::Float32MatmulPrecision::MEDIUM:
      return MakeText(call, "medium");
  }
  Fail(ErrorKind::kTorch, "internal: a precision without a name");
}

// (flag); whether cuDNN may use TF32 in convolutions of float32, for the whole process
napi_value SetConvTf32(Invocation& call) {
  at::globalContext().setAllowTF32CuDNN(call.Flag(0));
  return nullptr;
}

napi_value ConvTf32(Invocation& call) {
  return MakeBoolean(call, at::globalContext().allowTF32CuDNN(at::Float32Op::CONV));
}

napi_value CpuCapability(Invocation& call) { return MakeText(call, at::get_cpu_capability()); }
napi_value LibtorchVersion(Invocation& call) { return MakeText(call, TORCH_VERSION); }

}  // namespace

void ExportEngine(Environment& state, napi_value exports) {
  Export<SetNumThreads>(state, exports, "setNumThreads");
  Export<GetNumThreads>(state, exports, "getNumThreads");
  Export<CountLoopThreads>(state, exports, "countLoopThreads");
  Export<LiveBytes>(state, exports, "liveBytes");
  Export<PeakBytes>(state, exports, "peakBytes");
  Export<BudgetBytes>(state, exports, "budgetBytes");
  Export<CachedBytes>(state, exports, "cachedBytes");
  Export<ReleaseCache>(state, exports, "emptyCache");
  Export<ResetPeak>(state, exports, "resetPeak");
  Export<SetBudget>(state, exports, "setBudget");
  Export<SetMatmulPrecision>(state, exports, "setFloat32MatmulPrecision");
  Export<MatmulPrecision>(state, exports, "float32MatmulPrecision");
  Export<SetConvTf32>(state, exports, "setConvTf32");
  Export<ConvTf32>(state, exports, "convTf32");
  Export<CpuCapability>(state, exports, "cpuCapability");
  Export<LibtorchVersion>(state, exports, "libtorchVersion");
}

}  // namespace halfway
