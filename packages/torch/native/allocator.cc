// See allocator.h. Bytes are those that malloc really set aside, so the figure is what the process holds.
#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>
#include <mutex>
#include <string>

#include "errors.h"

namespace halfway {
namespace {

std::atomic<size_t> live_bytes{0};
std::atomic<size_t> peak_bytes{0};
std::atomic<size_t> budget_bytes{std::numeric_limits<size_t>::max()};

void RaisePeak(size_t live) {
  size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void Release(void* data) {
  if (data == nullptr) return;
  live_bytes.fetch_sub(malloc_usable_size(data), std::memory_order_relaxed);
  c10::free_cpu(data);
}

class AccountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const size_t live = live_bytes.load(std::memory_order_relaxed);
    const size_t budget = budget_bytes.load(std::memory_order_relaxed);
    if (bytes > budget || live > budget - bytes) {
      Fail(ErrorKind::kOutOfMemory, "it needs ", bytes, " bytes more, ", live, " of a budget of ", budget,
           " are in use; use a smaller batch or size, or raise the budget with memory.setBudget");
    }
    void* data = c10::alloc_cpu(bytes);
    if (data != nullptr) RaisePeak(live_bytes.fetch_add(malloc_usable_size(data)) + malloc_usable_size(data));
    return {data, data, &Release, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }
};

// The number in a file's first word, or the largest one when there is none ("max", no file).
size_t NumberInFile(const char* path) {
  std::ifstream file(path);
  size_t number = 0;
  return file >> number ? number : std::numeric_limits<size_t>::max();
}

size_t AvailableBytes() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  size_t kilobytes = 0;
  std::string unit;
  while (file >> key >> kilobytes && std::getline(file, unit)) {
    if (key == "MemAvailable:") return kilobytes * 1024;
  }
  return std::numeric_limits<size_t>::max();
}

// Nine tenths of what the control group allows or the machine has free now, whichever is less.
size_t DefaultBudgetBytes() {
  const size_t limit = std::min({NumberInFile("/sys/fs/cgroup/memory.max"),
                                 NumberInFile("/sys/fs/cgroup/memory/memory.limit_in_bytes"), AvailableBytes()});
  return limit / 10 * 9;
}

}  // namespace

void InstallAllocator() {
  static std::once_flag once;
  std::call_once(once, [] {
    budget_bytes = DefaultBudgetBytes();
    // Never freed: blocks outlive every environment, and static destructors of libtorch still use it.
    c10::SetCPUAllocator(new AccountingAllocator(), 1);
  });
}

MemoryStats ReadMemoryStats() { return {live_bytes, peak_bytes, budget_bytes}; }

void ResetPeakBytes() { peak_bytes = live_bytes.load(); }

void SetBudgetBytes(size_t bytes) { budget_bytes = bytes; }

}  // namespace halfway
