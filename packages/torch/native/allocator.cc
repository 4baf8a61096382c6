// See allocator.h. Sizes count as they are set aside: rounded up to the cache's classes.
#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>
#include <mutex>
#include <new>
#include <string>

#include "blockCache.h"
#include "errors.h"

namespace halfway {
namespace {

std::atomic<size_t> live_bytes{0};
std::atomic<size_t> peak_bytes{0};
std::atomic<size_t> budget_bytes{std::numeric_limits<size_t>::max()};

// Never destroyed: blocks are freed by static destructors of libtorch too.
BlockCache& Cache() {
  static auto* cache = new BlockCache();
  return *cache;
}

void RaisePeak(size_t live) {
  size_t peak = peak_bytes.load(std::memory_order_relaxed);
  while (live > peak && !peak_bytes.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

// In front of every block: how much room it has. 64 bytes, so that what follows keeps the alignment that kernels
// expect.
struct alignas(64) BlockHeader {
  size_t bytes;
};

BlockHeader* HeaderOf(void* data) { return static_cast<BlockHeader*>(data) - 1; }

constexpr size_t kHugePageBytes = 2 << 20;

size_t MappedBytes(size_t bytes) {
  constexpr size_t page = 4096;
  return (bytes + sizeof(BlockHeader) + page - 1) / page * page;
}

// Large blocks are mapped at a boundary of huge pages and ask for them: with 4 kB pages an element-wise operator spends
// half of its time on address translation.
void* MapBlock(size_t bytes) {
  const size_t wanted = MappedBytes(bytes);
  void* mapped = mmap(nullptr, wanted + kHugePageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) Fail(ErrorKind::kOutOfMemory, "the system refused ", bytes, " bytes");
  const auto start = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = (start + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  if (aligned > start) munmap(mapped, aligned - start);
  munmap(reinterpret_cast<void*>(aligned + wanted), start + kHugePageBytes - aligned);
  auto* block = reinterpret_cast<void*>(aligned);
  madvise(block, wanted, MADV_HUGEPAGE);  // advice only: fails on kernels without huge pages
  return block;
}

void* NewBlock(size_t bytes) {
  void* block = bytes >= kHugePageBytes ? MapBlock(bytes) : c10::alloc_cpu(bytes + sizeof(BlockHeader));
  auto* header = new (block) BlockHeader{bytes};
  return header + 1;
}

void FreeBlock(void* data) {
  BlockHeader* header = HeaderOf(data);
  if (header->bytes >= kHugePageBytes) {
    munmap(header, MappedBytes(header->bytes));
  } else {
    c10::free_cpu(header);
  }
}

void Release(void* data) {
  if (data == nullptr) return;
  const size_t bytes = HeaderOf(data)->bytes;
  live_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  Cache().Give(data, bytes);
}

// Frees kept blocks until what is held, live and kept, has room for `bytes` more: within the budget, and within twice
// the peak, so that sizes no longer asked for do not pile up.
void MakeRoom(size_t bytes) {
  constexpr size_t kAlwaysAllowed = 64 << 20;
  const size_t limit = std::min(budget_bytes.load(), std::max(2 * peak_bytes.load(), kAlwaysAllowed));
  const size_t held = live_bytes.load() + Cache().bytes() + bytes;
  if (held <= limit) return;
  for (void* block : Cache().Evict(held - limit)) FreeBlock(block);
}

class AccountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t requested) override {
    if (requested == 0) return {nullptr, nullptr, &Release, c10::Device(c10::DeviceType::CPU)};
    const size_t live = live_bytes.load(std::memory_order_relaxed);
    const size_t budget = budget_bytes.load(std::memory_order_relaxed);
    if (requested > budget || live > budget - requested) {
      Fail(ErrorKind::kOutOfMemory, "it needs ", requested, " bytes more, ", live, " of a budget of ", budget,
           " are in use; use a smaller batch or size, or raise the budget with memory.setBudget");
    }
    const size_t bytes = BlockCache::RoundUp(requested);
    void* data = Cache().Take(bytes);
    if (data == nullptr) {
      MakeRoom(bytes);
      data = NewBlock(bytes);
    }
    RaisePeak(live_bytes.fetch_add(bytes) + bytes);
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

MemoryStats ReadMemoryStats() { return {live_bytes, peak_bytes, budget_bytes, Cache().bytes()}; }

void ResetPeakBytes() { peak_bytes = live_bytes.load(); }

void EmptyCache() {
  for (void* block : Cache().Evict(std::numeric_limits<size_t>::max())) FreeBlock(block);
}

void SetBudgetBytes(size_t bytes) { budget_bytes = bytes; }

}  // namespace halfway
