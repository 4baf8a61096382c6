// See allocator.h. Sizes count as they are set aside: rounded up to the cache's classes.
#include "allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
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
constexpr size_t kHeaderBytes = 64;

char* HeaderOf(void* data) { return static_cast<char*>(data) - kHeaderBytes; }

size_t RoomOf(void* data) {
  size_t bytes = 0;
  std::memcpy(&bytes, HeaderOf(data), sizeof(bytes));
  return bytes;
}

void* WithHeader(void* block, size_t bytes) {
  std::memcpy(block, &bytes, sizeof(bytes));
  return static_cast<char*>(block) + kHeaderBytes;
}

constexpr size_t kPageBytes = 4096;
constexpr size_t kHugePageBytes = 2 << 20;

size_t MappedBytes(size_t bytes) { return (bytes + kHeaderBytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

void* Map(size_t bytes) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) Fail(ErrorKind::kOutOfMemory, "the system refused ", bytes, " bytes");
  return mapped;
}

#ifdef __SANITIZE_ADDRESS__

// AddressSanitizer does not see what libtorch's own loops touch. Here a block ends where a page begins that nobody may
// touch, and its pages go with it: reading or writing beyond the end, or after it, ends the process on the spot.
constexpr bool kKeepsBlocks = false;

void* NewBlock(size_t bytes) {
  const size_t mapped = MappedBytes(bytes);
  char* block = static_cast<char*>(Map(mapped + kPageBytes));
  mprotect(block + mapped, kPageBytes, PROT_NONE);
  return WithHeader(block + mapped - bytes - kHeaderBytes, bytes);
}

void FreeBlock(void* data) {
  const size_t bytes = RoomOf(data);
  const size_t mapped = MappedBytes(bytes);
  munmap(static_cast<char*>(data) + bytes - mapped, mapped + kPageBytes);
}

#else

constexpr bool kKeepsBlocks = true;

// Large blocks are mapped at a boundary of huge pages and ask for them: with 4 kB pages an element-wise operator spends
// half of its time on address translation.
void* MapBlock(size_t bytes) {
  const size_t wanted = MappedBytes(bytes);
  void* mapped = Map(wanted + kHugePageBytes);
  const auto start = reinterpret_cast<uintptr_t>(mapped);
  const uintptr_t aligned = (start + kHugePageBytes - 1) / kHugePageBytes * kHugePageBytes;
  if (aligned > start) munmap(mapped, aligned - start);
  munmap(reinterpret_cast<void*>(aligned + wanted), start + kHugePageBytes - aligned);
  auto* block = reinterpret_cast<void*>(aligned);
  madvise(block, wanted, MADV_HUGEPAGE);  // advice only: fails on kernels without huge pages
  return block;
}

void* NewBlock(size_t bytes) {
  return WithHeader(bytes >= kHugePageBytes ? MapBlock(bytes) : c10::alloc_cpu(bytes + kHeaderBytes), bytes);
}

void FreeBlock(void* data) {
  const size_t bytes = RoomOf(data);
  if (bytes >= kHugePageBytes) {
    munmap(HeaderOf(data), MappedBytes(bytes));
  } else {
    c10::free_cpu(HeaderOf(data));
  }
}

#endif

void Release(void* data) {
  if (data == nullptr) return;
  const size_t bytes = RoomOf(data);
  live_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  if (kKeepsBlocks) {
    Cache().Give(data, bytes);
  } else {
    FreeBlock(data);
  }
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

void ExpectWithinBudget(size_t requested) {
  const size_t live = live_bytes.load(std::memory_order_relaxed);
  const size_t budget = budget_bytes.load(std::memory_order_relaxed);
  if (requested <= budget && live <= budget - requested) return;
  Fail(ErrorKind::kOutOfMemory, "it needs ", requested, " bytes more, ", live, " of a budget of ", budget,
       " are in use; use a smaller batch or size, or raise the budget with memory.setBudget");
}

class AccountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t requested) override {
    if (requested == 0) return {nullptr, nullptr, &Release, c10::Device(c10::DeviceType::CPU)};
    ExpectWithinBudget(requested);
    const size_t bytes = kKeepsBlocks ? BlockCache::RoundUp(requested) : requested;
    void* data = kKeepsBlocks ? Cache().Take(bytes) : nullptr;
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

void ExpectRoom(size_t bytes) {
  constexpr size_t kAlwaysMapped = 32 << 20;  // by malloc, so that the probe touches nothing
  if (bytes < kAlwaysMapped) return;
  ExpectWithinBudget(bytes);
  void* probe = std::malloc(bytes);
  if (probe == nullptr) Fail(ErrorKind::kOutOfMemory, "the system refused ", bytes, " bytes");
  std::free(probe);
}

MemoryStats ReadMemoryStats() { return {live_bytes, peak_bytes, budget_bytes, Cache().bytes()}; }

void ResetPeakBytes() { peak_bytes = live_bytes.load(); }

void EmptyCache() {
  for (void* block : Cache().Evict(std::numeric_limits<size_t>::max())) FreeBlock(block);
}

void SetBudgetBytes(size_t bytes) { budget_bytes = bytes; }

}  // namespace halfway
