// CUDA in a process that is linked against the CPU part only: libtorch_cuda is loaded when a CUDA device is first
// named.
#pragma once

#include <string>

namespace halfway {

// Loads libtorch_cuda at the first call. Returns why CUDA cannot be used, with what to do; empty when it can.
const std::string& CudaProblem();

}  // namespace halfway
