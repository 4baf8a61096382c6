// See blockCache.h. Sizes are divided into classes, eight to each doubling.
#include "blockCache.h"

#include <bit>

namespace halfway {

size_t BlockCache::ClassWithin(size_t bytes) {
  const int doubling = std::bit_width(bytes) - 1;
  return doubling * kStepsPerDoubling + (bytes >> (doubling - 3)) % kStepsPerDoubling;
}

size_t BlockCache::ClassBytes(size_t index) {
  const size_t doubling = index / kStepsPerDoubling;
  return (kStepsPerDoubling + index % kStepsPerDoubling) << (doubling - 3);
}

size_t BlockCache::RoundUp(size_t bytes) {
  if (bytes <= kMinBytes) return kMinBytes;
  const size_t within = ClassBytes(ClassWithin(bytes));
  return within == bytes ? bytes : ClassBytes(ClassWithin(bytes) + 1);
}

void* BlockCache::Take(size_t bytes) {
  const std::scoped_lock lock(mutex_);
  SizeClass& size_class = classes_[ClassWithin(bytes)];
  size_class.last_use = ++clock_;
  if (size_class.blocks.empty()) return nullptr;
  void* block = size_class.blocks.back();
  size_class.blocks.pop_back();
  bytes_ -= bytes;
  return block;
}

void BlockCache::Give(void* block, size_t bytes) {
  const std::scoped_lock lock(mutex_);
  classes_[ClassWithin(bytes)].blocks.push_back(block);
  bytes_ += bytes;
}

std::vector<void*> BlockCache::Evict(size_t bytes) {
  const std::scoped_lock lock(mutex_);
  std::vector<void*> evicted;
  size_t evicted_bytes = 0;
  while (evicted_bytes < bytes && bytes_ > 0) {
    size_t oldest = kNumClasses;
    for (size_t i = 0; i < kNumClasses; ++i) {
      const bool is_older = oldest == kNumClasses || classes_[i].last_use < classes_[oldest].last_use;
      if (!classes_[i].blocks.empty() && is_older) oldest = i;
    }
    std::vector<void*>& blocks = classes_[oldest].blocks;
    while (!blocks.empty() && evicted_bytes < bytes) {
      evicted.push_back(blocks.back());
      blocks.pop_back();
      evicted_bytes += ClassBytes(oldest);
      bytes_ -= ClassBytes(oldest);
    }
  }
  return evicted;
}

size_t BlockCache::bytes() const {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

}  // namespace halfway
