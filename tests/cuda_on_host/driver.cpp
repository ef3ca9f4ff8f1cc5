// The part of CUDA's driver that cuda_driver.py calls, over the kernels on the host: an image is a text, a function a
// kernel's name. A call that the real driver would not take is refused as it does.
#include <cstring>

#include "causal_conv1d.cpp"

namespace {

constexpr int kInvalidValue = 1;
constexpr int kInvalidContext = 201;
constexpr int kNotFound = 500;

int contexts[2];         // by device
int* current = nullptr;  // what cuCtxPushCurrent_v2 has pushed

}  // namespace

#define DRIVER extern "C" __attribute__((visibility("default"))) int

DRIVER cuInit(unsigned int flags) { return flags == 0 ? 0 : kInvalidValue; }

DRIVER cuDeviceGet(int* device, int ordinal) {
  if (ordinal > 1) return 101;
  *device = ordinal;
  return 0;
}

DRIVER cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 75 ? 9 : 0;  // a card of compute capability 9.0
  return 0;
}

DRIVER cuDevicePrimaryCtxRetain(int** context, int device) {
  *context = &contexts[device];
  return 0;
}

DRIVER cuCtxPushCurrent_v2(int* context) {
  if (current != nullptr || (context != &contexts[0] && context != &contexts[1])) return kInvalidContext;
  current = context;
  return 0;
}

DRIVER cuCtxPopCurrent_v2(int** context) {
  *context = current;
  if (current == nullptr) return kInvalidContext;
  current = nullptr;
  return 0;
}

DRIVER cuModuleLoadData(const char** module, const char* image) {
  if (current == nullptr) return kInvalidContext;
  if (std::strcmp(image, "an image for 90") != 0) return 209;
  *module = "module";
  return 0;
}

DRIVER cuModuleGetFunction(const char** function, const char* module, const char* name) {
  if (std::strcmp(module, "module") != 0) return kInvalidValue;
  for (const Kernel& kernel : kKernels) {
    if (std::strcmp(kernel.name, name) == 0) *function = kernel.name;
  }
  return *function == nullptr ? kNotFound : 0;
}

DRIVER cuFuncGetAttribute(int* value, int attribute, const char* function) {
  if (function == nullptr) return kInvalidValue;
  *value = attribute == 4 ? 32 : 0;
  return 0;
}

DRIVER cuLaunchKernel(const char* function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,
                      unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared,
                      void* stream, void** parameters, void** extra) {
  if (current == nullptr) return kInvalidContext;
  if (grid_y != 1 || grid_z != 1 || block_y != 1 || block_z != 1 || shared != 0 || extra != nullptr) {
    return kInvalidValue;
  }
  const auto device = static_cast<int>(current - contexts);
  return seizurekit_launch(function, static_cast<const seizurekit::Arguments*>(parameters[0]), grid_x, block_x, device,
                           stream);
}

DRIVER cuGetErrorString(int error, const char** words) {
  *words = error == 101 ? "invalid device ordinal" : error == 209 ? "no kernel image is available" : nullptr;
  return *words == nullptr ? kInvalidValue : 0;
}
