// The CUDA kernels of the causal convolution on the host, behind the entry points of causal_conv1d.cu.
#include "cuda_on_host.hpp"

#include "cuda_kernels.cuh"

namespace {

struct Kernel {
  const char* name;
  void (*function)(seizurekit::Arguments);
};

#define SEIZUREKIT_TILED_ROW(operation, type, layout, access, ...) \
  {#operation "_" #type "_" #layout "_" #access, &operation##_##type##_##layout##_##access},
#define SEIZUREKIT_SMALL_ROW(operation, type, T) {#operation "_" #type, &operation##_##type},

const Kernel kKernels[] = {SEIZUREKIT_EACH_TILED_KERNEL(SEIZUREKIT_TILED_ROW)
                               SEIZUREKIT_EACH_SMALL_KERNEL(SEIZUREKIT_SMALL_ROW)};

bool backwards = false;

}  // namespace

extern "C" int seizurekit_arguments_size() { return static_cast<int>(sizeof(seizurekit::Arguments)); }

extern "C" int seizurekit_load(int device) { return device == 0 ? 0 : 209; }

// In which order the threads of a block run up to a barrier.
extern "C" void seizurekit_run_backwards(int wanted) { backwards = wanted != 0; }

extern "C" int seizurekit_launch(const char* name, const seizurekit::Arguments* arguments, unsigned int blocks,
                                 unsigned int threads, int, void*) {
  for (const Kernel& kernel : kKernels) {
    if (std::strcmp(kernel.name, name) != 0) continue;
    cuda_on_host::Block block(threads);
    blockDim = {threads, 1, 1};
    for (unsigned int i = 0; i < blocks; ++i) {
      blockIdx = {i, 0, 0};
      if (!block.run([&] { kernel.function(*arguments); }, backwards)) return 719;
    }
    return 0;
  }
  return 98;
}

extern "C" const char* seizurekit_error(int error) {
  switch (error) {
    case 98:
      return "invalid device function";
    case 209:
      return "no kernel image is available for execution on the device";
    default:
      return "a barrier that not all threads of the block reach";
  }
}
