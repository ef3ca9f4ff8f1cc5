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

/// Runs the threads of a block, in the given order: each to its next barrier, until all have finished. Threads that
/// meet no barrier share one fiber, since switching between fibers is slow.
class Block {
 public:
  /// Runs a kernel; false if only some threads reached a barrier.
  bool run(const std::function<void()>& kernel, unsigned int threads, bool last_thread_first) {
    kernel_ = &kernel;
    threads_ = threads;
    last_thread_first_ = last_thread_first;
    started_ = 0;
    std::size_t waiting = 0;
    while (started_ < threads) {
      if (waiting == fibers_.size()) fibers_.push_back(std::make_unique<Fiber>());
      start(*fibers_[waiting]);
      waiting += fibers_[waiting]->finished ? 0 : 1;
    }
    while (waiting == threads) {
      waiting = 0;
      for (unsigned int i = 0; i < threads; ++i) {
        resume(*fibers_[i]);
        waiting += fibers_[i]->finished ? 0 : 1;
      }
    }
    return waiting == 0;
  }

  void barrier() { swapcontext(&running_->context, &scheduler_); }

  static Block& instance() {
    static Block block;
    return block;
  }

 private:
  struct Fiber {
    ucontext_t context;
    unsigned int thread;
    bool finished;
    char stack[1 << 16];
  };

  /// Runs the threads that have not started, until one of them waits at a barrier.
  static void run_threads() {
    Block& block = instance();
    Fiber& fiber = *block.running_;
    while (block.started_ < block.threads_) {
      const unsigned int i = block.started_++;
      fiber.thread = block.last_thread_first_ ? block.threads_ - 1 - i : i;
      threadIdx = {fiber.thread, 0, 0};
      (*block.kernel_)();
    }
    fiber.finished = true;
    swapcontext(&fiber.context, &block.scheduler_);
  }

  void start(Fiber& fiber) {
    fiber.finished = false;
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = sizeof fiber.stack;
    fiber.context.uc_link = nullptr;
    makecontext(&fiber.context, run_threads, 0);
    running_ = &fiber;
    swapcontext(&scheduler_, &fiber.context);
  }

  void resume(Fiber& fiber) {
    running_ = &fiber;
    threadIdx = {fiber.thread, 0, 0};
    swapcontext(&scheduler_, &fiber.context);
  }

  std::vector<std::unique_ptr<Fiber>> fibers_;
  Fiber* running_ = nullptr;
  ucontext_t scheduler_;
  const std::function<void()>* kernel_ = nullptr;
  unsigned int threads_ = 0;
  unsigned int started_ = 0;
  bool last_thread_first_ = false;
};

}  // namespace cuda_on_host

inline void __syncthreads() { cuda_on_host::Block::instance().barrier(); }
