// One function a binding file; module.cpp calls them all.
#pragma once

#include <pybind11/pybind11.h>

namespace seizurekit::python {

void register_support(pybind11::module_& module);
void register_edf(pybind11::module_& module);
void register_edf_repair(pybind11::module_& module);
void register_signal(pybind11::module_& module);
void register_cache(pybind11::module_& module);
void register_ops(pybind11::module_& module);

}  // namespace seizurekit::python
