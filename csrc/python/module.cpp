#include "python/bindings.hpp"

// The core has no unprotected shared state: the selected instruction set and shard indexes are atomic, and annotations
// are read by std::call_once.
PYBIND11_MODULE(_core, module, pybind11::mod_gil_not_used()) {
  module.doc() = "The C++ core of seizurekit.";
  module.attr("__version__") = SEIZUREKIT_VERSION;
  auto support = module.def_submodule("support");
  auto edf = module.def_submodule("edf");
  auto signal = module.def_submodule("signal");
  auto cache = module.def_submodule("cache");
  auto ops = module.def_submodule("ops");
  seizurekit::python::register_support(support);
  seizurekit::python::register_edf(edf);
  seizurekit::python::register_edf_repair(edf);
  seizurekit::python::register_signal(signal);
  seizurekit::python::register_cache(cache);
  seizurekit::python::register_ops(ops);
}
