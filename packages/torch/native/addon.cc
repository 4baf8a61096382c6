// The addon's entry: one Environment for each Node environment that loads it.
#include <node_api.h>

#include <array>

#include "allocator.h"
#include "environment.h"
#include "exports.h"
#include "invocation.h"

namespace halfway {
namespace {

// Pins a Float64Array and remembers where its numbers are.
void Share(const Invocation& call, size_t index, SharedNumbers& numbers) {
  napi_typedarray_type type = napi_uint8_array;
  void* data = nullptr;
  size_t length = 0;
  if (napi_get_typedarray_info(call.env(), call[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_float64_array) {
    Fail(ErrorKind::kTorch, "internal: argument ", index, " must be a Float64Array");
  }
  napi_ref pin = nullptr;
  Check(napi_create_reference(call.env(), call[index], 1, &pin), "napi_create_reference");
  if (numbers.pin != nullptr) napi_delete_reference(call.env(), numbers.pin);
  numbers = {static_cast<double*>(data), length, pin};
}

// (lists: Float64Array, record: Float64Array)
napi_value ShareBuffers(Invocation& call) {
  Share(call, 0, call.state().lists);
  Share(call, 1, call.state().record);
  return nullptr;
}

// ((kind, message, op) => Error)
napi_value SetErrorFactory(Invocation& call) {
  Check(napi_create_reference(call.env(), call[0], 1, &call.state().error_factory), "napi_create_reference");
  return nullptr;
}

void DeleteEnvironment(napi_env, void* data, void*) { delete static_cast<Environment*>(data); }

}  // namespace
}  // namespace halfway

NAPI_MODULE_INIT() {
  using namespace halfway;
  InstallAllocator();
  auto* state = new Environment(env);
  if (napi_set_instance_data(env, state, DeleteEnvironment, nullptr) != napi_ok) {
    delete state;
    return nullptr;
  }
  Export<ShareBuffers>(*state, exports, "shareBuffers");
  Export<SetErrorFactory>(*state, exports, "setErrorFactory");
  for (auto* add : {ExportCalls, ExportTensors, ExportAutograd, ExportGenerators, ExportFused, ExportEngine,
                    ExportDevices, ExportSharedMemory}) {
    add(*state, exports);
  }
  return exports;
}
