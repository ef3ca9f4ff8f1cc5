#include "python/bindings.hpp"

namespace seizurekit::python {

void register_signal(pybind11::module_& module) { module.doc() = "signal"; }

}  // namespace seizurekit::python
