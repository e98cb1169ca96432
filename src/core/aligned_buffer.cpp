#include "deepsad/core/aligned_buffer.h"

#include <sys/mman.h>

namespace deepsad::detail {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;  // of x86-64

}  // namespace

void* allocate_aligned(std::size_t bytes) {
  if (bytes < 2 * kHugePage) return std::aligned_alloc(kAlignment, bytes);
  const std::size_t whole = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, whole);
  // Advice: where it is not taken, small pages serve as well.
  if (memory != nullptr) static_cast<void>(madvise(memory, whole, MADV_HUGEPAGE));
  return memory;
}

}  // namespace deepsad::detail
