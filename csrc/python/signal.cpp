#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "edf/file.hpp"
#include "python/bindings.hpp"
#include "signal/chain.hpp"
#include "signal/edf_source.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

using Rows = py::array_t<float, py::array::c_style>;

// Rows of an array [electrode, sample] as input of a chain.
class ArraySource final : public signal::SampleSource {
 public:
  explicit ArraySource(const Rows& rows) : data_(rows.data()), samples_(rows.shape(1)), electrodes_(rows.shape(0)) {}

  std::int64_t samples() const override { return samples_; }
  void read(std::int64_t first, std::int64_t count, float* out, std::ptrdiff_t row_stride) const override {
    for (py::ssize_t row = 0; row < electrodes_; ++row) {
      std::memcpy(out + row * row_stride, data_ + row * samples_ + first,
                  static_cast<std::size_t>(count) * sizeof(float));
    }
  }

 private:
  const float* data_;
  std::int64_t samples_;
  py::ssize_t electrodes_;
};

py::tuple run(const signal::ChainPlan& plan, const signal::SampleSource& source) {
  plan.check();
  Rows out(
      {static_cast<py::ssize_t>(plan.channels()), static_cast<py::ssize_t>(plan.output_samples(source.samples()))});
  float* data = out.mutable_data();
  std::vector<signal::Scale> scales;
  {
    const py::gil_scoped_release released;
    scales = signal::run(plan, source, data);
  }
  const auto channels = static_cast<py::ssize_t>(scales.size());
  py::array_t<double> means(channels);
  py::array_t<double> stds(channels);
  for (py::ssize_t c = 0; c < channels; ++c) {
    means.mutable_at(c) = scales[static_cast<std::size_t>(c)].mean;
    stds.mutable_at(c) = scales[static_cast<std::size_t>(c)].std;
  }
  return py::make_tuple(out, means, stds);
}

py::tuple run_array(const signal::ChainPlan& plan, const Rows& rows) {
  if (rows.ndim() != 2 || rows.shape(0) != plan.electrodes) {
    throw std::invalid_argument("rows: expected an array [electrode, sample] with a row per electrode of the plan");
  }
  return run(plan, ArraySource(rows));
}

py::tuple run_edf(const signal::ChainPlan& plan, std::shared_ptr<edf::File> file, std::vector<int> channels) {
  if (static_cast<int>(channels.size()) != plan.electrodes) {
    throw std::invalid_argument("channels: expected one per electrode of the plan");
  }
  return run(plan, signal::EdfSource(std::move(file), std::move(channels)));
}

py::array_t<std::int16_t> quantize(const Rows& rows, float inverse_step) {
  py::array_t<std::int16_t> out(std::vector<py::ssize_t>(rows.shape(), rows.shape() + rows.ndim()));
  const float* from = rows.data();
  std::int16_t* to = out.mutable_data();
  const std::int64_t count = rows.size();
  const py::gil_scoped_release released;
  signal::to_int16(from, count, inverse_step, to);
  return out;
}

signal::ChainPlan make_plan(std::vector<float> scales, std::vector<int> electrode_of,
                            std::vector<std::vector<float>> weights, std::pair<std::int64_t, std::int64_t> factors,
                            std::int64_t phases, const Rows& table, const std::vector<std::vector<double>>& sections,
                            float clip) {
  signal::ChainPlan plan;
  plan.electrodes = static_cast<int>(scales.size());
  plan.scales = std::move(scales);
  plan.electrode_of = std::move(electrode_of);
  plan.weights = std::move(weights);
  plan.resampling.up = factors.first;
  plan.resampling.down = factors.second;
  plan.resampling.phases = phases;
  plan.resampling.taps = table.ndim() == 2 ? static_cast<int>(table.shape(1)) : 0;
  plan.resampling.table.assign(table.data(), table.data() + table.size());
  for (const auto& section : sections) {
    plan.sections.push_back({section.at(0), section.at(1), section.at(2), section.at(4), section.at(5)});
  }
  plan.clip = clip;
  plan.check();
  return plan;
}

}  // namespace

void register_signal(py::module_& module) {
  module.doc() = "The preprocessing chain.";
  py::class_<signal::ChainPlan>(module, "ChainPlan")
      .def(py::init(&make_plan), py::kw_only(), py::arg("scales"), py::arg("electrode_of"), py::arg("weights"),
           py::arg("factors"), py::arg("phases"), py::arg("table"), py::arg("sections"), py::arg("clip"))
      .def("output_samples", &signal::ChainPlan::output_samples, py::arg("samples"));
  module.def("run_array", &run_array, py::arg("plan"), py::arg("rows"));
  module.def("run_edf", &run_edf, py::arg("plan"), py::arg("file"), py::arg("channels"));
  module.def("quantize", &quantize, py::arg("rows"), py::arg("inverse_step"));
}

}  // namespace seizurekit::python
