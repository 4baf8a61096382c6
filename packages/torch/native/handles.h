// Handles: numbers that stand for C++ objects in TypeScript. A handle is a slot number and the slot's generation; using
// one after its object was disposed finds another generation in the slot and therefore nothing. It can never touch
// freed memory.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "errors.h"

namespace halfway {

// Objects of one kind by handle. T is a counted reference with `defined()`: at::Tensor, at::Generator, ...
template <typename T>
class HandleTable {
 public:
  // Stores a defined value and returns its handle, an integer below 2^53 (exact in a double).
  double Insert(T value) {
    uint32_t slot = 0;
    if (free_.empty()) {
      if (slots_.size() >= kMaxSlots)
        Fail(ErrorKind::kOutOfMemory, "more than ", kMaxSlots, " live handles; use scope()");
      slot = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].value = std::move(value);
    ++live_;
    return static_cast<double>((static_cast<uint64_t>(slots_[slot].generation) << kSlotBits) | slot);
  }

  // The object of a handle, or null after Erase. The pointer is good until the next Insert.
  const T* Find(double handle) const {
    const Slot* slot = FindSlot(handle);
    return slot == nullptr ? nullptr : &slot->value;
  }

  // Notes bytes on a handle, which Erase gives back.
  void Charge(double handle, int64_t bytes) {
    if (Slot* slot = const_cast<Slot*>(FindSlot(handle))) slot->charged_bytes = bytes;
  }

  // Drops the object and returns the bytes charged for it; nothing when it was dropped before.
  std::optional<int64_t> Erase(double handle) {
    Slot* slot = const_cast<Slot*>(FindSlot(handle));
    if (slot == nullptr) return std::nullopt;
    T released = std::exchange(slot->value, T());
    const int64_t charged = std::exchange(slot->charged_bytes, 0);
    --live_;
    // A slot whose generations are used up is left alone for ever, so that no handle ever means two objects.
    if (++slot->generation < kMaxGeneration) free_.push_back(static_cast<uint32_t>(slot - slots_.data()));
    return charged;
  }

  size_t live() const { return live_; }

 private:
  static constexpr int kSlotBits = 22;
  static constexpr uint32_t kMaxSlots = 1u << kSlotBits;
  static constexpr uint32_t kMaxGeneration = (1u << 31) - 1;

  struct Slot {
    T value;
    uint32_t generation = 0;
    int64_t charged_bytes = 0;
  };

  const Slot* FindSlot(double handle) const {
    if (!(handle >= 0 && handle < 9007199254740992.0)) return nullptr;
    const auto bits = static_cast<uint64_t>(handle);
    const uint32_t slot = bits & (kMaxSlots - 1);
    if (slot >= slots_.size()) return nullptr;
    const Slot& found = slots_[slot];
    return found.generation == (bits >> kSlotBits) && found.value.defined() ? &found : nullptr;
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
};

}  // namespace halfway
