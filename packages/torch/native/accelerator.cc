// See accelerator.h. The order of what is opened, and the messages, are tested with doubles: src/setup/cuda.test.ts.
#include "accelerator.h"

#include <ATen/Context.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/StringUtil.h>
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace halfway {
namespace {

bool HidesEveryGpu(const char* visible_devices) {
  return visible_devices != nullptr && (*visible_devices == '\0' || std::string_view(visible_devices) == "-1");
}

// Opens libtorch_cuda. Returns why that cannot be, or nothing.
std::string OpenCuda() {
  if (HidesEveryGpu(std::getenv("CUDA_VISIBLE_DEVICES"))) return "CUDA_VISIBLE_DEVICES hides every GPU; unset it";
  if (dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    return std::string("the NVIDIA driver could not be opened (") + dlerror() +
           "); install it (in a container: docker run --gpus all), or use the device cpu";
  }
  Dl_info libc10{};
  dladdr(reinterpret_cast<void*>(&c10::GetCPUAllocator), &libc10);
  const std::filesystem::path library = std::filesystem::path(libc10.dli_fname).parent_path() / "libtorch_cuda.so";
  if (!std::filesystem::exists(library)) {
    return "this libtorch is a CPU build (there is no " + library.string() + "); run: npx halfway-torch setup --cuda";
  }
  // Global, since libtorch_cuda registers its kernels and hooks with the libraries that are here already.
  if (dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    return std::string("libtorch's CUDA part could not be opened (") + dlerror() +
           "); install a whole one: npx halfway-torch setup --cuda";
  }
  return "";
}

// Done while the addon is loaded, before any operator can run: libtorch keeps its first answer about CUDA for good, and
// already a backward pass on the CPU asks for it.
const std::string open_problem = OpenCuda();

}  // namespace

int NumGpus() { return open_problem.empty() ? at::detail::getCUDAHooks().deviceCount() : 0; }

std::string DeviceProblem(const at::Device& device) {
  if (device.is_cpu()) return "";
  if (!open_problem.empty()) return open_problem;
  const int last = NumGpus() - 1;
  if (last < 0) return "the NVIDIA driver reports no GPU that this libtorch can use; look at: nvidia-smi";
  return device.index() <= last ? "" : c10::str("the last GPU here is cuda:", last, "; use it or one before it");
}

at::Device WithIndex(const at::Device& device) {
  return device.is_cpu() || device.has_index() ? device : GuardOf(device.type()).getDevice();
}

c10::impl::VirtualGuardImpl GuardOf(at::DeviceType type) {
  at::globalContext().lazyInitDevice(type);
  return c10::impl::VirtualGuardImpl(type);
}

}  // namespace halfway
