#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <string>
#include <tuple>
#include <vector>

#include "edf/repair/repair.hpp"
#include "python/bindings.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

using Fields = std::tuple<std::int64_t, std::string, std::string, std::string>;

std::vector<Fields> repair(const std::filesystem::path& source, const std::filesystem::path& destination) {
  std::vector<Fields> fields;
  for (const edf::Repair& repair : edf::repair(source, destination)) {
    fields.emplace_back(repair.offset, repair.field, repair.found, repair.written);
  }
  return fields;
}

}  // namespace

void register_edf_repair(py::module_& module) {
  module.def("repair", &repair, py::arg("source"), py::arg("destination"), py::call_guard<py::gil_scoped_release>(),
             "Writes a repaired copy. Returns byte offset, field, found and written text of each repair.");
}

}  // namespace seizurekit::python
