#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "cache/batch.hpp"
#include "cache/crc32c.hpp"
#include "cache/labels.hpp"
#include "cache/memory_chunks.hpp"
#include "cache/shard_files.hpp"
#include "python/bindings.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

using Integers = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
using Unreadables = std::vector<std::tuple<std::int64_t, std::int64_t, std::uint64_t, std::uint64_t, std::string>>;

std::span<const std::int64_t> span_of(const Integers& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

std::vector<std::int64_t> copy_of(const Integers& values) { return {values.data(), values.data() + values.size()}; }

std::span<const std::byte> bytes_of(const py::buffer_info& info) {
  if (info.ndim > 0 && (info.ndim != 1 || info.strides[0] != info.itemsize)) {
    throw std::invalid_argument("wanted a contiguous buffer of bytes");
  }
  return {static_cast<const std::byte*>(info.ptr), static_cast<std::size_t>(info.size * info.itemsize)};
}

cache::Number number_named(const std::string& name) {
  const std::pair<const char*, cache::Number> names[] = {{"float32", cache::Number::float32},
                                                         {"float16", cache::Number::float16},
                                                         {"bfloat16", cache::Number::bfloat16},
                                                         {"int16", cache::Number::int16}};
  for (const auto& [known, number] : names) {
    if (name == known) {
      return number;
    }
  }
  throw std::invalid_argument("no numbers of type '" + name + "'");
}

// The arrays of a batch, whose shapes are checked while the GIL is held.
class Output {
 public:
  Output(const cache::Geometry& geometry, const Integers& first, py::array& x, const std::string& number)
      : batch_{span_of(first), x.ndim() == 3 ? x.shape(2) : 0, number_named(number), x.mutable_data()} {
    const bool fits = x.ndim() == 3 && x.shape(0) == first.size() && x.shape(1) == geometry.channels &&
                      x.itemsize() == (batch_.number == cache::Number::float32 ? 4 : 2) &&
                      (x.flags() & py::array::c_style) != 0;
    if (!fits) {
      throw std::invalid_argument("x: wanted a contiguous array [window, channel, sample] of numbers of that type");
    }
    for (const std::int64_t value : batch_.first) {
      if (value < 0) {
        throw std::invalid_argument("first: wanted numbers of samples, 0 or above");
      }
    }
  }

  // Has masks drawn too, unless there are no labels.
  void draw(const cache::Labels* labels, const Integers& places, py::array_t<std::uint8_t>& y) {
    if (labels == nullptr) {
      return;
    }
    const bool fits = y.ndim() == 2 && y.shape(0) == places.size() && y.shape(1) == batch_.length &&
                      (y.flags() & py::array::c_style) != 0;
    if (!fits) {
      throw std::invalid_argument("y: wanted a contiguous uint8 array [window, sample]");
    }
    labels_ = labels;
    places_ = span_of(places);
    mask_ = y.mutable_data();
  }

  const cache::Batch& batch() const { return batch_; }

  void draw_labels() const {
    const auto length = static_cast<std::size_t>(batch_.length);
    for (std::size_t i = 0; i < places_.size(); ++i) {
      labels_->draw(places_[i], {mask_ + i * length, length});
    }
  }

 private:
  cache::Batch batch_;
  const cache::Labels* labels_ = nullptr;
  std::span<const std::int64_t> places_;
  std::uint8_t* mask_ = nullptr;
};

Unreadables told(std::vector<cache::Unreadable> found) {
  Unreadables rows;
  for (auto& each : found) {
    rows.emplace_back(each.window, each.chunk, each.offset, each.length, std::move(each.reason));
  }
  return rows;
}

Unreadables read_files(const cache::ShardFiles& files, const Integers& first, py::array x, const std::string& number,
                       std::size_t threads, const cache::Labels* labels, const Integers& places,
                       py::array_t<std::uint8_t> y) {
  Output output(files.geometry(), first, x, number);
  output.draw(labels, places, y);
  const py::gil_scoped_release released;
  output.draw_labels();
  return told(files.fill(output.batch(), threads));
}

Unreadables read_chunks(const cache::Geometry& geometry, const std::vector<std::int64_t>& chunks,
                        const std::vector<py::object>& data, const std::vector<std::uint64_t>& offsets,
                        const Integers& first, py::array x, const std::string& number, std::size_t threads,
                        const cache::Labels* labels, const Integers& places, py::array_t<std::uint8_t> y) {
  if (chunks.size() != data.size() || chunks.size() != offsets.size()) {
    throw std::invalid_argument("wanted data and an offset for each chunk");
  }
  Output output(geometry, first, x, number);
  output.draw(labels, places, y);
  std::vector<py::buffer_info> held;
  std::vector<cache::MemoryChunks::Entry> entries;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    cache::ChunkSource::Stored stored{{}, offsets[i], 0, {}};
    if (py::isinstance<py::str>(data[i])) {
      stored.wrong = data[i].cast<std::string>();
    } else if (!data[i].is_none()) {
      held.push_back(data[i].cast<py::buffer>().request());
      stored.data = bytes_of(held.back());
      stored.length = stored.data.size();
      stored.wrong = stored.data.empty() ? "damaged: it has no bytes" : "";
    }
    entries.push_back({chunks[i], std::move(stored)});
  }
  const cache::MemoryChunks source(std::move(entries));
  const py::gil_scoped_release released;
  output.draw_labels();
  return told(cache::fill(geometry, source, output.batch(), threads));
}

using Damages = std::vector<std::tuple<std::int64_t, std::uint64_t, std::uint64_t, std::string>>;

Damages shard_damages(const py::buffer& shard, std::int64_t channels, std::int64_t chunk, std::int64_t chunks) {
  cache::Geometry{channels, chunk, chunks, 1.0F}.check();
  const auto info = shard.request();
  const auto data = bytes_of(info);
  const py::gil_scoped_release released;
  Damages rows;
  for (const auto& each :
       cache::shard_damages(data, static_cast<std::size_t>(chunks), static_cast<std::size_t>(channels * chunk))) {
    rows.emplace_back(each.chunk, each.first, each.end, std::string(each.reason));
  }
  return rows;
}

std::uint32_t checksum(const py::buffer& buffer) {
  const auto info = buffer.request();
  const auto data = bytes_of(info);
  const py::gil_scoped_release released;
  return cache::crc32c(data);
}

}  // namespace

void register_cache(py::module_& module) {
  module.doc() = "Batches of windows from stored chunks.";
  py::class_<cache::Geometry>(module, "Geometry")
      .def(py::init([](std::int64_t channels, std::int64_t chunk, std::int64_t chunks_a_shard, float step) {
             const cache::Geometry geometry{channels, chunk, chunks_a_shard, step};
             geometry.check();
             return geometry;
           }),
           py::kw_only(), py::arg("channels"), py::arg("chunk"), py::arg("chunks_a_shard"), py::arg("step"))
      .def_readonly("chunk", &cache::Geometry::chunk)
      .def_property_readonly("chunk_samples", &cache::Geometry::chunk_samples)
      .def(
          "chunks_of",
          [](const cache::Geometry& geometry, const Integers& first, std::int64_t length) {
            return cache::chunks_of(geometry, span_of(first), length);
          },
          py::arg("first"), py::arg("length"));
  py::class_<cache::Labels>(module, "Labels")
      .def(py::init(
               [](const Integers& first, const Integers& end) { return cache::Labels(copy_of(first), copy_of(end)); }),
           py::arg("first"), py::arg("end"))
      .def(
          "draw",
          [](const cache::Labels& labels, std::int64_t first, py::array_t<std::uint8_t, py::array::c_style> mask) {
            labels.draw(first, {mask.mutable_data(), static_cast<std::size_t>(mask.size())});
          },
          py::arg("first"), py::arg("mask").noconvert());
  py::class_<cache::ShardFiles>(module, "ShardFiles")
      .def(py::init<cache::Geometry, std::string, std::vector<bool>>(), py::arg("geometry"), py::arg("folder"),
           py::arg("present"))
      .def("read", &read_files, py::arg("first"), py::arg("x"), py::arg("number"), py::arg("threads"),
           py::arg("labels"), py::arg("places"), py::arg("y"));
  module.def("read_chunks", &read_chunks, py::arg("geometry"), py::arg("chunks"), py::arg("data"), py::arg("offsets"),
             py::arg("first"), py::arg("x"), py::arg("number"), py::arg("threads"), py::arg("labels"),
             py::arg("places"), py::arg("y"));
  module.def("shard_damages", &shard_damages, py::arg("data"), py::arg("channels"), py::arg("chunk"),
             py::arg("chunks_a_shard"));
  module.def("crc32c", &checksum, py::arg("data"));
}

}  // namespace seizurekit::python
