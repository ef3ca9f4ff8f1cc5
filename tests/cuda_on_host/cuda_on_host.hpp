// CUDA for a host compiler: the threads of a block are fibers, and blocks run one after another. A barrier that only
// some threads of a block reach is an error.
#pragma once

#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(...)

struct Place {
  unsigned int x = 1, y = 1, z = 1;
};
inline Place blockIdx, blockDim, threadIdx;

inline unsigned int __float_as_uint(float value) {
  unsigned int bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned int bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float value) { return std::exp(value); }
using std::fmaf;

inline float __half_bits_to_float(unsigned short bits) {
  _Float16 half;
  std::memcpy(&half, &bits, sizeof half);
  return static_cast<float>(half);
}
inline unsigned short __float_to_half_bits(float value) {
  const auto half = static_cast<_Float16>(value);
  unsigned short bits;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}

namespace cuda_on_host {

/// A block: every thread runs to its next barrier, in the given order, until all have finished.
class Block {
 public:
  explicit Block(unsigned int threads) : fibers_(threads) {}

  /// Runs a kernel; false if only some threads reached a barrier.
  bool run(const std::function<void()>& kernel, bool last_thread_first) {
    kernel_ = &kernel;
    current_block() = this;
    for (auto& fiber : fibers_) {
      start(fiber);
    }
    while (true) {
      std::size_t waiting = 0;
      for (std::size_t i = 0; i < fibers_.size(); ++i) {
        running_ = last_thread_first ? fibers_.size() - 1 - i : i;
        Fiber& fiber = fibers_[running_];
        if (!fiber.finished) {
          threadIdx = {static_cast<unsigned int>(running_), 0, 0};
          swapcontext(&back_, &fiber.context);
          waiting += fiber.finished ? 0 : 1;
        }
      }
      if (waiting == 0) {
        return true;
      }
      if (waiting != fibers_.size()) {
        return false;
      }
    }
  }

  static Block*& current_block() {
    static Block* block = nullptr;
    return block;
  }

  void barrier() { swapcontext(&fibers_[running_].context, &back_); }

 private:
  static constexpr std::size_t stack_bytes = 1 << 16;

  struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack = std::make_unique<char[]>(stack_bytes);
    bool finished = false;
  };

  static void enter() {
    Block* block = current_block();
    (*block->kernel_)();
    block->fibers_[block->running_].finished = true;
    swapcontext(&block->fibers_[block->running_].context, &block->back_);
  }

  void start(Fiber& fiber) {
    fiber.finished = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack.get();
    fiber.context.uc_stack.ss_size = stack_bytes;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, enter, 0);
  }

  std::vector<Fiber> fibers_;
  std::size_t running_ = 0;
  const std::function<void()>* kernel_ = nullptr;
  ucontext_t back_;
};

}  // namespace cuda_on_host

inline void __syncthreads() { cuda_on_host::Block::current_block()->barrier(); }
