#include "python/bindings.hpp"

namespace seizurekit::python {

void register_edf(pybind11::module_& module) { module.doc() = "edf"; }

}  // namespace seizurekit::python
