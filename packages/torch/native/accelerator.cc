// See accelerator.h. libtorch caches its CUDA hooks at the first question about CUDA, so nothing may ask before the
// library is here.
#include "accelerator.h"

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <dlfcn.h>

#include <filesystem>

namespace halfway {
namespace {

std::string LoadCuda() {
  if (dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    return "no NVIDIA driver was found (libcuda.so.1); install it, or use the device cpu";
  }
  Dl_info libc10{};
  dladdr(reinterpret_cast<void*>(&c10::GetCPUAllocator), &libc10);
  const std::filesystem::path library = std::filesystem::path(libc10.dli_fname).parent_path() / "libtorch_cuda.so";
  if (!std::filesystem::exists(library)) {
    return "this libtorch is a CPU build (there is no " + library.string() + "); run: npx halfway setup --cuda";
  }
  // Global, since libtorch_cuda registers its kernels and hooks with the libraries that are here already.
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr)
    return std::string("CUDA could not be loaded: ") + dlerror();
  if (at::detail::getCUDAHooks().deviceCount() < 1)
    return "the NVIDIA driver reports no usable GPU; look at nvidia-smi";
  return "";
}

}  // namespace

const std::string& CudaProblem() {
  static const std::string problem = LoadCuda();
  return problem;
}

}  // namespace halfway
