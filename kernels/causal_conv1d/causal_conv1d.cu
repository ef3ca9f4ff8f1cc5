// The library that Python loads: the kernels, started by their names, and nothing of torch's or Python's.
#include <cuda_runtime.h>

#include <cstring>

#include "cuda_kernels.cuh"

namespace {

struct Kernel {
  const char* name;
  const void* function;
};

#define SEIZUREKIT_TILED_ROW(operation, type, layout, access, ...) \
  {#operation "_" #type "_" #layout "_" #access,                   \
   reinterpret_cast<const void*>(&operation##_##type##_##layout##_##access)},
#define SEIZUREKIT_SMALL_ROW(operation, type, T) \
  {#operation "_" #type, reinterpret_cast<const void*>(&operation##_##type)},

const Kernel kKernels[] = {SEIZUREKIT_EACH_TILED_KERNEL(SEIZUREKIT_TILED_ROW)
                               SEIZUREKIT_EACH_SMALL_KERNEL(SEIZUREKIT_SMALL_ROW)};

}  // namespace

#define SEIZUREKIT_EXPORT extern "C" __attribute__((visibility("default")))

// Size of the structure that seizurekit_launch reads, for the caller to compare with its own.
SEIZUREKIT_EXPORT int seizurekit_arguments_size() { return static_cast<int>(sizeof(seizurekit::Arguments)); }

// Loads every kernel onto a device, so that none is loaded while a graph is captured; a cudaError_t.
SEIZUREKIT_EXPORT int seizurekit_load(int device) {
  cudaError_t error = cudaSetDevice(device);
  for (const Kernel& kernel : kKernels) {
    cudaFuncAttributes attributes;
    if (error == cudaSuccess) error = cudaFuncGetAttributes(&attributes, kernel.function);
  }
  cudaGetLastError();  // what was returned is not to be met again by another's call
  return error;
}

// Starts a kernel on a stream of a device; a cudaError_t.
SEIZUREKIT_EXPORT int seizurekit_launch(const char* name, const seizurekit::Arguments* arguments, unsigned int blocks,
                                        unsigned int threads, int device, cudaStream_t stream) {
  for (const Kernel& kernel : kKernels) {
    if (std::strcmp(kernel.name, name) != 0) continue;
    void* parameters[] = {const_cast<seizurekit::Arguments*>(arguments)};
    cudaError_t error = cudaSetDevice(device);
    if (error == cudaSuccess) {
      error = cudaLaunchKernel(kernel.function, dim3(blocks), dim3(threads), parameters, 0, stream);
    }
    cudaGetLastError();
    return error;
  }
  return cudaErrorInvalidDeviceFunction;
}

// The text of a cudaError_t.
SEIZUREKIT_EXPORT const char* seizurekit_error(int error) {
  return cudaGetErrorString(static_cast<cudaError_t>(error));
}
