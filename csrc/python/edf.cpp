#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "edf/file.hpp"
#include "python/bindings.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

void raise_edf_error(const edf::Error& error) {
  const edf::Fault& fault = error.fault();
  const py::object type = py::module_::import("seizurekit.errors").attr("EdfError");
  const py::object instance = type(error.file(), fault.offset, fault.field, fault.found, fault.wanted);
  PyErr_SetObject(type.ptr(), instance.ptr());
}

void raise_os_error(const std::filesystem::filesystem_error& error) {
  errno = error.code().value();
  const py::object path = py::cast(error.path1()).attr("__fspath__")();
  PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path.ptr());
}

edf::Gaps gaps_named(const std::string& name) {
  if (name == "error") {
    return edf::Gaps::error;
  }
  if (name == "nan") {
    return edf::Gaps::nan;
  }
  if (name == "join") {
    return edf::Gaps::join;
  }
  throw std::invalid_argument("gaps: found '" + name + "', wanted 'error', 'nan' or 'join'");
}

template <typename Sample>
void read_into(const edf::File& file, const std::vector<int>& channels, std::int64_t first, const py::array& out,
               edf::Gaps gaps, int threads) {
  auto* data = static_cast<Sample*>(py::array(out).mutable_data());
  const py::ssize_t count = out.shape(1);
  const auto row_stride = out.strides(0) / static_cast<py::ssize_t>(sizeof(Sample));
  const py::gil_scoped_release unlocked;
  file.read(channels, first, count, data, row_stride, gaps, threads);
}

void read(const edf::File& file, const std::vector<int>& channels, std::int64_t first, const py::array& out,
          const std::string& gaps, int threads) {
  const py::ssize_t size = out.itemsize();
  if (out.ndim() != 2 || out.shape(0) != static_cast<py::ssize_t>(channels.size()) ||
      (out.shape(1) > 1 && out.strides(1) != size) || out.strides(0) % size != 0) {
    throw std::invalid_argument("out: wanted a row for each channel, each row contiguous");
  }
  if (py::isinstance<py::array_t<float>>(out)) {
    read_into<float>(file, channels, first, out, gaps_named(gaps), threads);
  } else if (py::isinstance<py::array_t<double>>(out)) {
    read_into<double>(file, channels, first, out, gaps_named(gaps), threads);
  } else if (py::isinstance<py::array_t<std::int32_t>>(out)) {
    read_into<std::int32_t>(file, channels, first, out, gaps_named(gaps), threads);
  } else if (py::isinstance<py::array_t<std::int16_t>>(out)) {
    read_into<std::int16_t>(file, channels, first, out, gaps_named(gaps), threads);
  } else {
    throw std::invalid_argument("out: wanted float32, float64, int32 or int16");
  }
}

std::vector<std::tuple<std::int64_t, std::string, std::string, std::string>> issues(const edf::File& file) {
  std::vector<std::tuple<std::int64_t, std::string, std::string, std::string>> rows;
  for (edf::Issue& issue : file.issues()) {
    rows.emplace_back(issue.offset, std::move(issue.field), std::move(issue.found), std::move(issue.used));
  }
  return rows;
}

py::list annotations(const edf::File& file) {
  const std::vector<edf::Annotation>* found = nullptr;
  {
    const py::gil_scoped_release unlocked;
    found = &file.annotations();
  }
  py::list rows;
  for (const edf::Annotation& annotation : *found) {
    rows.append(py::make_tuple(annotation.onset, annotation.duration, annotation.text));
  }
  return rows;
}

py::object start(const edf::File& file) {
  if (!file.header().start) {
    return py::none();
  }
  const auto& [date, time] = *file.header().start;
  return py::make_tuple(date.year, date.month, date.day, time.hour, time.minute, time.second);
}

std::string format(const edf::File& file) {
  const edf::Header& header = file.header();
  return std::string(header.format == edf::Format::bdf ? "BDF" : "EDF") + (header.plus ? "+" : "");
}

using Unlocked = py::call_guard<py::gil_scoped_release>;

void register_signal_header(py::module_& module) {
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
}

template <auto member>
auto of_header() {
  return [](const edf::File& file) { return file.header().*member; };
}

void register_file(py::module_& module) {
  using edf::File;
  using edf::Header;
  py::class_<File, std::shared_ptr<File>>(module, "File")
      .def(py::init<const std::filesystem::path&>(), py::arg("path"), Unlocked())
      .def_property_readonly("path", &File::path)
      .def_property_readonly("format", &format)
      .def_property_readonly("patient", of_header<&Header::patient>())
      .def_property_readonly("recording", of_header<&Header::recording>())
      .def_property_readonly("reserved", of_header<&Header::reserved>())
      .def_property_readonly("start", &start)
      .def_property_readonly("start_offset", &File::start_offset)
      .def_property_readonly("header_bytes", of_header<&Header::bytes>())
      .def_property_readonly("records", of_header<&Header::records>())
      .def_property_readonly("record_bytes", of_header<&Header::record_bytes>())
      .def_property_readonly("record_duration", of_header<&Header::record_duration>())
      .def_property_readonly("signals", of_header<&Header::signals>())
      .def("sampling_rate",
           [](const File& file, std::size_t channel) {
             return file.header().sampling_rate(file.header().signals.at(channel));
           })
      .def("issues", &issues, Unlocked(), "(byte offset, field, found, used) of everything mended.")
      .def("annotations", &annotations, "(onset s, duration s or None, text) by onset.")
      .def("is_discontinuous", &File::is_discontinuous, Unlocked())
      .def(
          "duration", [](const File& file, const std::string& gaps) { return file.duration(gaps_named(gaps)); },
          py::arg("gaps"), Unlocked())
      .def(
          "samples",
          [](const File& file, int channel, const std::string& gaps) {
            return file.samples(channel, gaps_named(gaps));
          },
          py::arg("channel"), py::arg("gaps"), Unlocked())
      .def("read", &read, py::arg("channels"), py::arg("first"), py::arg("out").noconvert(), py::arg("gaps"),
           py::arg("threads") = 0, "Fills `out` with samples from `first` on, a row a channel.");
}

}  // namespace

void register_edf(py::module_& module) {
  module.doc() = "EDF, EDF+, BDF and BDF+ files.";
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) {
        std::rethrow_exception(error);
      }
    } catch (const edf::Error& failure) {
      raise_edf_error(failure);
    } catch (const std::filesystem::filesystem_error& failure) {
      raise_os_error(failure);
    }
  });
  register_signal_header(module);
  register_file(module);
}

}  // namespace seizurekit::python
