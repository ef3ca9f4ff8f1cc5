// A CUDA driver that runs the kernels on the host: the functions that cuda_driver.py calls. An image is a text, and a
// function is a kernel's name. Calls that the real driver rejects return its error code.
#include <cstring>

// clang-format off
#include "cuda_on_host.hpp"  // defines __global__ and the like for the kernels
#include "cuda_kernels.cuh"
// clang-format on

namespace {

constexpr int invalid_value = 1;
constexpr int invalid_device = 101;
constexpr int invalid_context = 201;
constexpr int no_binary_for_gpu = 209;
constexpr int not_found = 500;
constexpr int launch_failed = 719;

struct Kernel {
  const char* name;
  void (*function)(seizurekit::Arguments);
};

#define SEIZUREKIT_TILED_ROW(operation, type, layout, access, ...) \
  {#operation "_" #type "_" #layout "_" #access, &operation##_##type##_##layout##_##access},
#define SEIZUREKIT_SMALL_ROW(operation, type, T) {#operation "_" #type, &operation##_##type},

const Kernel kernels[] = {SEIZUREKIT_EACH_TILED_KERNEL(SEIZUREKIT_TILED_ROW)
                              SEIZUREKIT_EACH_SMALL_KERNEL(SEIZUREKIT_SMALL_ROW)};

int contexts[2];         // by device
int* current = nullptr;  // the context that cuCtxPushCurrent_v2 pushed
bool last_thread_first = false;

const Kernel* find(const char* name) {
  for (const Kernel& kernel : kernels) {
    if (std::strcmp(kernel.name, name) == 0) return &kernel;
  }
  return nullptr;
}

}  // namespace

#define DRIVER extern "C" __attribute__((visibility("default"))) int

// The order in which the threads of a block run up to a barrier; not a function of the real driver.
extern "C" void seizurekit_run_last_thread_first(int enabled) { last_thread_first = enabled != 0; }

DRIVER cuInit(unsigned int flags) { return flags == 0 ? 0 : invalid_value; }

DRIVER cuDeviceGet(int* device, int ordinal) {
  if (ordinal > 1) return invalid_device;
  *device = ordinal;
  return 0;
}

DRIVER cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 75 ? 9 : 0;  // compute capability 9.0
  return 0;
}

DRIVER cuDevicePrimaryCtxRetain(int** context, int device) {
  *context = &contexts[device];
  return 0;
}

DRIVER cuCtxPushCurrent_v2(int* context) {
  if (current != nullptr || (context != &contexts[0] && context != &contexts[1])) return invalid_context;
  current = context;
  return 0;
}

DRIVER cuCtxPopCurrent_v2(int** context) {
  *context = current;
  if (current == nullptr) return invalid_context;
  current = nullptr;
  return 0;
}

DRIVER cuModuleLoadData(const char** module, const char* image) {
  if (current == nullptr) return invalid_context;
  if (std::strcmp(image, "an image for 90") != 0) return no_binary_for_gpu;
  *module = "module";
  return 0;
}

DRIVER cuModuleGetFunction(const char** function, const char* module, const char* name) {
  if (std::strcmp(module, "module") != 0) return invalid_value;
  const Kernel* kernel = find(name);
  if (kernel == nullptr) return not_found;
  *function = kernel->name;
  return 0;
}

DRIVER cuFuncGetAttribute(int* value, int attribute, const char* function) {
  if (function == nullptr) return invalid_value;
  *value = attribute == 4 ? 32 : 0;
  return 0;
}

DRIVER cuLaunchKernel(const char* function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
                      unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared, void*,
                      void** parameters, void** extra) {
  if (current == nullptr) return invalid_context;
  if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1 || shared != 0 || extra != nullptr) {
    return invalid_value;
  }
  const auto& arguments = *static_cast<const seizurekit::Arguments*>(parameters[0]);
  const Kernel* kernel = find(function);
  const auto run_thread = [&] { kernel->function(arguments); };
  blockDim = {block_x, 1, 1};
  for (unsigned int i = 0; i < grid_x; ++i) {
    blockIdx = {i, 0, 0};
    if (!cuda_on_host::Block::instance().run(run_thread, block_x, last_thread_first)) return launch_failed;
  }
  return 0;
}

DRIVER cuGetErrorString(int error, const char** text) {
  switch (error) {
    case invalid_device:
      *text = "invalid device ordinal";
      return 0;
    case no_binary_for_gpu:
      *text = "no kernel image is available";
      return 0;
    case launch_failed:
      *text = "some threads of a block do not reach a barrier";
      return 0;
    default:
      *text = nullptr;
      return invalid_value;
  }
}
