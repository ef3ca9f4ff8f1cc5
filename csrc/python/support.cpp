#include <pybind11/stl.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "python/bindings.hpp"
#include "support/isa.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

std::vector<std::string> isa_names() {
  std::vector<std::string> names;
  for (const Isa isa : available_isas()) {
    names.emplace_back(name(isa));
  }
  return names;
}

void use_isa_named(const std::string& requested) {
  for (const Isa isa : available_isas()) {
    if (name(isa) == requested) {
      use_isa(isa);
      return;
    }
  }
  throw std::invalid_argument("isa is '" + requested + "', expected one of isas()");
}

py::dict build_config() {
  py::dict config;
#ifdef __VERSION__
  config["compiler"] = __VERSION__;
#endif
  config["cxx_standard"] = __cplusplus;
  config["isas"] = isa_names();
  config["isa"] = std::string(name(current_isa()));
  return config;
}

}  // namespace

void register_support(py::module_& module) {
  module.def("build_config", &build_config,
             "Compiler, C++ standard, and the available and the selected instruction set.");
  module.def("isas", &isa_names, "Instruction sets that build and CPU support, weakest first.");
  module.def("use_isa", &use_isa_named, py::arg("isa"), "Selects the instruction set for all later calls.");
}

}  // namespace seizurekit::python
