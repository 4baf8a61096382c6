// What each file of the addon exports; addon.cc calls them all.
#pragma once

#include "environment.h"

namespace halfway {

void ExportCalls(Environment& state, napi_value exports);         // calls.cc: resolve, call, takeTensor, ...
void ExportTensors(Environment& state, napi_value exports);       // tensors.cc: fromBytes, toBytes, dispose, ...
void ExportAutograd(Environment& state, napi_value exports);      // autograd.cc: backward, grad, ...
void ExportGenerators(Environment& state, napi_value exports);    // generators.cc
void ExportFused(Environment& state, napi_value exports);         // fused.cc: adamwStep, emaUpdate, ...
void ExportEngine(Environment& state, napi_value exports);        // engine.cc: threads, memory, precision, version
void ExportDevices(Environment& state, napi_value exports);       // devices.cc: streams, events, device memory
void ExportSharedMemory(Environment& state, napi_value exports);  // sharedMemory.cc

}  // namespace halfway
