// CUDA in a process that is linked against the CPU part only: libtorch_cuda is opened with the addon, where a driver
// and the library are there.
#pragma once

#include <string>

namespace halfway {

// Why CUDA cannot be used, with what to do; empty when it can. The first call asks the driver for GPUs.
const std::string& CudaProblem();

}  // namespace halfway
