// CUDA in a process that is linked against the CPU part only: libtorch_cuda is opened with the addon, where a driver
// and the library are there. Everything else about devices goes through libtorch's device-generic interfaces.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <string>

namespace halfway {

// Why a device cannot be used, with what to do; empty when it can. The first question about a GPU asks the driver.
std::string DeviceProblem(const at::Device& device);

// How many GPUs can be used.
int NumGpus();

// The device with its number: `cuda` alone is the current GPU.
at::Device WithIndex(const at::Device& device);

// What libtorch does with devices of a type: streams, events, waiting. Makes the type ready first.
c10::impl::VirtualGuardImpl GuardOf(at::DeviceType type);

}  // namespace halfway
