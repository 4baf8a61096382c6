// The accounting CPU allocator: libtorch's own allocation with a cache of blocks, a count of live and peak bytes and a
// budget. A request beyond the budget is an OutOfMemoryError, where the system would kill the process minutes later.
// One per process.
#pragma once

#include <cstddef>

namespace halfway {

struct MemoryStats {
  size_t live_bytes;
  size_t peak_bytes;
  size_t budget_bytes;
  size_t cached_bytes;  // freed by tensors, kept for the next of the same size
};

// Puts the allocator in the place of libtorch's; the first call of a process decides, later ones do nothing.
void InstallAllocator();

// Throws OutOfMemoryError when `bytes` outside of the allocator would exceed the budget or what the system gives. For
// ArrayBuffers: when V8 cannot allocate one, it ends the process.
void ExpectRoom(size_t bytes);

MemoryStats ReadMemoryStats();
void ResetPeakBytes();
void EmptyCache();
void SetBudgetBytes(size_t bytes);

}  // namespace halfway
