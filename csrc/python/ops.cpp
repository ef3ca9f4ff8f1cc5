#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <cstdint>
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
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr): torch's data_ptr() is an integer
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

void forward(const ops::Convolution& convolution, const Strided& x, const ops::Filter& filter, const Strided& y,
             Address final_state) {
  const py::gil_scoped_release released;
  ops::forward(convolution, sequence(x), filter, sequence(y), pointer(final_state));
}

void backward(const ops::Convolution& convolution, const Strided& dy, const Strided& x, const ops::Filter& filter,
              Address final_gradient, const ops::Gradients& gradients) {
  const py::gil_scoped_release released;
  ops::backward(convolution, sequence(dy), sequence(x), filter, pointer(final_gradient), gradients);
}

}  // namespace

void register_ops(py::module_& module) {
  module.doc() = "The network's operations on the CPU.";
  py::class_<ops::Convolution>(module, "Convolution")
      .def(py::init([](std::string_view dtype, const std::array<std::int64_t, 3>& shape, int width, bool silu,
                       bool reverse, std::size_t threads) {
             return ops::Convolution{dtype_named(dtype), shape[0], shape[1], shape[2], width, silu, reverse, threads};
           }),
           py::kw_only(), py::arg("dtype"), py::arg("shape"), py::arg("width"), py::arg("silu"), py::arg("reverse"),
           py::arg("threads"));
  py::class_<ops::Filter>(module, "Filter")
      .def(py::init([](Address weight, Address bias, Address initial) {
             return ops::Filter{pointer(weight), pointer(bias), pointer(initial)};
           }),
           py::kw_only(), py::arg("weight"), py::arg("bias"), py::arg("initial"));
  py::class_<ops::Gradients>(module, "Gradients")
      .def(py::init([](const Strided& x, Address weight, Address bias, Address initial) {
             return ops::Gradients{sequence(x), pointer(weight), pointer(bias), pointer(initial)};
           }),
           py::kw_only(), py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("initial"));
  module.def("causal_conv1d_forward", &forward, py::arg("convolution"), py::arg("x"), py::arg("filter"), py::arg("y"),
             py::arg("final"));
  module.def("causal_conv1d_backward", &backward, py::arg("convolution"), py::arg("dy"), py::arg("x"),
             py::arg("filter"), py::arg("dfinal"), py::arg("gradients"));
}

}  // namespace seizurekit::python
