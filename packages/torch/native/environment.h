// The state of one Node environment (the main thread, or one worker): tables, operators, and the two buffers shared
// with TypeScript. Nothing in this addon is a C++ global, except the allocator's counters; so a handle never crosses
// threads.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/intrusive_ptr.h>
#include <node_api.h>

#include <deque>
#include <vector>

#include "handles.h"
#include "operators.h"

namespace halfway {

// Numbers in memory that both sides see: a Float64Array made by TypeScript, pinned here.
struct SharedNumbers {
  double* data = nullptr;
  size_t length = 0;
  napi_ref pin = nullptr;
};

// A mark in the work of a stream, counted as the table of handles wants it.
struct DeviceEvent : c10::intrusive_ptr_target {
  DeviceEvent(at::DeviceType type, c10::EventFlag flag) : event(type, flag) {}
  c10::Event event;
};

struct Environment;

// A function that the addon exports: what Node hands back to it at each call.
struct EntryPoint {
  EntryPoint(Environment* owner, const char* own_name) : state(owner), name(own_name) {}
  Environment* state;
  const char* name;
};

struct Environment {
  explicit Environment(napi_env node_env) : env(node_env) {}
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  napi_env env;
  std::deque<EntryPoint> entries;
  HandleTable<at::Tensor> tensors;
  HandleTable<at::Generator> generators;
  HandleTable<c10::intrusive_ptr<DeviceEvent>> events;

  // Resolved operators by id; a deque, so that a reference stays good while others are added.
  std::deque<Operator> operators;

  // Memory for the operands of the next call. A call takes it out: to read an operand may run a getter, which may call
  // an operator itself.
  std::vector<c10::IValue> spare_stack;

  // What a call returned beyond a single tensor, until TypeScript has taken it.
  std::deque<c10::IValue> results;

  // In: lists and wrapped numbers (src/dispatch.ts writes, arguments.cc reads). Out: one tensor's description
  // (records.h).
  SharedNumbers lists;
  SharedNumbers record;

  // One for each `inferenceMode` that is running; the end of the last one restores what was before it.
  std::deque<c10::InferenceMode> inference_modes;

  // A TypeScript function (kind, message, op) -> Error.
  napi_ref error_factory = nullptr;
};

}  // namespace halfway
