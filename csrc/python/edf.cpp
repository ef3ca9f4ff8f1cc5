#include <pybind11/native_enum.h>
#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "edf/file.hpp"
#include "python/bindings.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

using edf::File;
using edf::Gaps;

void set_edf_error(const edf::Error& error) {
  const edf::Fault& fault = error.fault();
  const py::object type = py::module_::import("seizurekit.errors").attr("EdfError");
  const py::object value = type(error.file(), fault.offset, fault.field, fault.found, fault.expected);
  PyErr_SetObject(type.ptr(), value.ptr());
}

void set_os_error(const std::filesystem::filesystem_error& error) {
  errno = error.code().value();
  const py::object path = py::module_::import("os").attr("fspath")(error.path1());
  PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path.ptr());
}

void translate(std::exception_ptr pointer)  // NOLINT(performance-unnecessary-value-param): pybind11 requires it
{
  try {
    if (pointer) {
      std::rethrow_exception(pointer);
    }
  } catch (const edf::Error& error) {
    set_edf_error(error);
  } catch (const std::filesystem::filesystem_error& error) {
    set_os_error(error);
  }
}

template <typename Sample>
void read_into(const File& file, const std::vector<int>& channels, std::int64_t first, py::array& out, Gaps gaps,
               int threads) {
  const auto row_stride = static_cast<std::ptrdiff_t>(out.strides(0) / static_cast<py::ssize_t>(sizeof(Sample)));
  auto* data = static_cast<Sample*>(out.mutable_data());
  const py::ssize_t count = out.shape(1);
  const py::gil_scoped_release released;
  file.read(channels, first, count, data, row_stride, gaps, threads);
}

// `out` is [channel, sample]. recordings/edf.py checks that its rows are contiguous.
void read(const File& file, const std::vector<int>& channels, std::int64_t first, py::array out, Gaps gaps,
          int threads) {
  if (out.ndim() != 2 || static_cast<std::size_t>(out.shape(0)) != channels.size()) {
    throw std::invalid_argument("out: expected an array with a row per channel");
  }
  const py::dtype dtype = out.dtype();
  if (dtype.equal(py::dtype::of<float>())) {
    read_into<float>(file, channels, first, out, gaps, threads);
  } else if (dtype.equal(py::dtype::of<double>())) {
    read_into<double>(file, channels, first, out, gaps, threads);
  } else if (dtype.equal(py::dtype::of<std::int32_t>())) {
    read_into<std::int32_t>(file, channels, first, out, gaps, threads);
  } else if (dtype.equal(py::dtype::of<std::int16_t>())) {
    read_into<std::int16_t>(file, channels, first, out, gaps, threads);
  } else {
    throw std::invalid_argument("out: expected dtype float32, float64, int32 or int16");
  }
}

// Year to second; empty if the file has no start time.
py::tuple start_of(const edf::Header& header) {
  if (!header.start) {
    return py::tuple();
  }
  const auto& [date, time] = *header.start;
  return py::make_tuple(date.year, date.month, date.day, time.hour, time.minute, time.second);
}

void register_parts(py::module_& module) {
  py::class_<edf::Issue>(module, "Issue")
      .def_readonly("offset", &edf::Issue::offset)
      .def_readonly("field", &edf::Issue::field)
      .def_readonly("found", &edf::Issue::found)
      .def_readonly("used", &edf::Issue::used);
  py::class_<edf::Annotation>(module, "Annotation")
      .def_readonly("onset", &edf::Annotation::onset)
      .def_readonly("duration", &edf::Annotation::duration)
      .def_readonly("text", &edf::Annotation::text);
  py::class_<edf::Signal>(module, "Signal")
      .def_readonly("position", &edf::Signal::position)
      .def_readonly("label", &edf::Signal::label)
      .def_readonly("transducer", &edf::Signal::transducer)
      .def_readonly("physical_dimension", &edf::Signal::physical_dimension)
      .def_readonly("prefilter", &edf::Signal::prefilter)
      .def_readonly("physical_min", &edf::Signal::physical_min)
      .def_readonly("physical_max", &edf::Signal::physical_max)
      .def_readonly("digital_min", &edf::Signal::digital_min)
      .def_readonly("digital_max", &edf::Signal::digital_max)
      .def_readonly("samples_per_record", &edf::Signal::samples_per_record);
  py::native_enum<Gaps>(module, "Gaps", "enum.Enum")
      .value("error", Gaps::error)
      .value("nan", Gaps::nan)
      .value("join", Gaps::join)
      .finalize();
}

}  // namespace

void register_edf(py::module_& module) {
  module.doc() = "Reading EDF, EDF+, BDF and BDF+ files.";
  py::register_exception_translator(&translate);
  register_parts(module);
  using ReleaseGil = py::call_guard<py::gil_scoped_release>;
  py::class_<File, std::shared_ptr<File>>(module, "File")
      .def(py::init<const std::filesystem::path&>(), py::arg("path"), ReleaseGil())
      .def("issues", &File::issues, ReleaseGil())
      .def("annotations", &File::annotations, ReleaseGil())
      .def("is_discontinuous", &File::is_discontinuous, ReleaseGil())
      .def("duration", &File::duration, py::arg("gaps"), ReleaseGil())
      .def("samples", &File::samples, py::arg("channel"), py::arg("gaps"), ReleaseGil())
      .def("read", &read, py::arg("channels"), py::arg("first"), py::arg("out").noconvert(), py::arg("gaps"),
           py::arg("threads"))
      .def_property_readonly("signals", [](const File& file) { return file.header().signals; })
      .def_property_readonly("start", [](const File& file) { return start_of(file.header()); })
      .def_property_readonly("start_offset", &File::start_offset)
      .def_property_readonly("patient", [](const File& file) { return file.header().patient; })
      .def_property_readonly("recording", [](const File& file) { return file.header().recording; })
      .def_property_readonly("is_bdf", [](const File& file) { return file.header().format == edf::Format::bdf; })
      .def_property_readonly("is_plus", [](const File& file) { return file.header().plus; })
      .def_property_readonly("record_duration", [](const File& file) { return file.header().record_duration; });
}

}  // namespace seizurekit::python
