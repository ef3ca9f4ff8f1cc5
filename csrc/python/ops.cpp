#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "ops/causal_conv1d.hpp"
#include "python/bindings.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

using Address = std::uintptr_t;
/// Address of the first element, and strides of batch, channels and time in elements.
using Strided = std::tuple<Address, std::int64_t, std::int64_t, std::int64_t>;

void* pointer(Address address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr): torch gives data_ptr() as an integer
}

ops::Sequence sequence(const Strided& tensor) {
  return {pointer(std::get<0>(tensor)), std::get<1>(tensor), std::get<2>(tensor), std::get<3>(tensor)};
}

DType dtype_named(std::string_view name) {
  const std::pair<std::string_view, DType> dtypes[] = {{"float32", DType::float32},
                                                       {"float64", DType::float64},
                                                       {"bfloat16", DType::bfloat16},
                                                       {"float16", DType::float16}};
  for (const auto& [known, dtype] : dtypes) {
    if (name == known) {
      return dtype;
    }
  }
  throw std::invalid_argument("dtype is " + std::string(name) + ", expected float32, float64, bfloat16 or float16");
}

ops::Convolution make_convolution(const std::string& dtype, const std::array<std::int64_t, 3>& shape, int width,
                                  bool silu, bool reverse, std::size_t threads) {
  return {dtype_named(dtype), shape[0], shape[1], shape[2], width, silu, reverse, threads};
}

void forward(const std::string& dtype, const std::array<std::int64_t, 3>& shape, int width, bool silu, bool reverse,
             std::size_t threads, const Strided& x, Address weight, Address bias, Address initial, const Strided& y,
             Address final_state) {
  const auto convolution = make_convolution(dtype, shape, width, silu, reverse, threads);
  const py::gil_scoped_release unlocked;
  ops::forward(convolution, sequence(x), {pointer(weight), pointer(bias), pointer(initial)}, sequence(y),
               pointer(final_state));
}

void backward(const std::string& dtype, const std::array<std::int64_t, 3>& shape, int width, bool silu, bool reverse,
              std::size_t threads, const Strided& dy, const Strided& x, Address weight, Address bias, Address initial,
              Address dfinal, const Strided& dx, Address dweight, Address dbias, Address dinitial) {
  const auto convolution = make_convolution(dtype, shape, width, silu, reverse, threads);
  const py::gil_scoped_release unlocked;
  ops::backward(convolution, sequence(dy), sequence(x), {pointer(weight), pointer(bias), pointer(initial)},
                pointer(dfinal), {sequence(dx), pointer(dweight), pointer(dbias), pointer(dinitial)});
}

}  // namespace

void register_ops(py::module_& module) {
  module.def("causal_conv1d_forward", &forward, py::arg("dtype"), py::arg("shape"), py::arg("width"), py::arg("silu"),
             py::arg("reverse"), py::arg("threads"), py::arg("x"), py::arg("weight"), py::arg("bias"),
             py::arg("initial"), py::arg("y"), py::arg("final"));
  module.def("causal_conv1d_backward", &backward, py::arg("dtype"), py::arg("shape"), py::arg("width"), py::arg("silu"),
             py::arg("reverse"), py::arg("threads"), py::arg("dy"), py::arg("x"), py::arg("weight"), py::arg("bias"),
             py::arg("initial"), py::arg("dfinal"), py::arg("dx"), py::arg("dweight"), py::arg("dbias"),
             py::arg("dinitial"));
}

}  // namespace seizurekit::python
