#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "cache/batch.hpp"
#include "cache/crc32c.hpp"
#include "cache/labels.hpp"
#include "cache/lz4.hpp"
#include "cache/memory_chunks.hpp"
#include "cache/shard_files.hpp"
#include "python/bindings.hpp"
#include "support/dtype.hpp"

namespace py = pybind11;

namespace seizurekit::python {
namespace {

using Integers = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
using Mask = py::array_t<std::uint8_t, py::array::c_style>;
using ChunkErrors = std::vector<std::tuple<std::int64_t, std::int64_t, std::uint64_t, std::uint64_t, std::string>>;

std::span<const std::int64_t> span_of(const Integers& values) {
  return {values.data(), static_cast<std::size_t>(values.size())};
}

std::vector<std::int64_t> copy_of(const Integers& values) { return {values.data(), values.data() + values.size()}; }

std::span<const std::byte> bytes_of(const py::buffer_info& info) {
  if (info.ndim > 0 && (info.ndim != 1 || info.strides[0] != info.itemsize)) {
    throw std::invalid_argument("data: expected a contiguous buffer of bytes");
  }
  return {static_cast<const std::byte*>(info.ptr), static_cast<std::size_t>(info.size * info.itemsize)};
}

DType dtype_of(const py::array& array) {
  const auto name = array.dtype().attr("name").cast<std::string>();
  const std::pair<std::string_view, DType> dtypes[] = {
      {"float32", DType::float32}, {"float16", DType::float16}, {"bfloat16", DType::bfloat16}, {"int16", DType::int16}};
  for (const auto& [known, dtype] : dtypes) {
    if (name == known) {
      return dtype;
    }
  }
  throw std::invalid_argument("x: dtype is " + name + ", expected float32, float16, bfloat16 or int16");
}

// Which windows to read, and the arrays to fill. Keeps the arrays alive; shapes are checked here, with the GIL held.
class ReadRequest {
 public:
  ReadRequest(Integers first, py::array x, std::shared_ptr<const cache::Labels> labels,
              const std::optional<Integers>& label_offsets, const std::optional<Mask>& y)
      : first_(std::move(first)), x_(std::move(x)), labels_(std::move(labels)) {
    if (x_.ndim() != 3 || x_.shape(0) != first_.size() || (x_.flags() & py::array::c_style) == 0) {
      throw std::invalid_argument("x: expected a contiguous array [window, channel, sample] with a row per window");
    }
    const auto first_samples = span_of(first_);
    if (std::any_of(first_samples.begin(), first_samples.end(), [](std::int64_t sample) { return sample < 0; })) {
      throw std::invalid_argument("first: expected sample indices of at least 0");
    }
    batch_ = {first_samples, x_.shape(2), dtype_of(x_), x_.mutable_data()};
    if (labels_ == nullptr) {
      return;
    }
    label_offsets_ = label_offsets.value_or(Integers(0));
    y_ = y.value_or(Mask(std::vector<py::ssize_t>{0, 0}));
    if (label_offsets_.size() != first_.size() || y_.ndim() != 2 || y_.shape(0) != first_.size() ||
        y_.shape(1) != length()) {
      throw std::invalid_argument(
          "y: expected a uint8 array [window, sample] with a row and a label offset per window");
    }
    mask_ = y_.mutable_data();
  }

  const Integers& first() const { return first_; }
  std::int64_t length() const { return x_.shape(2); }

  // The batch to fill; throws if its channels are not those of the signal.
  const cache::Batch& batch(const cache::Geometry& geometry) const {
    if (x_.shape(1) != geometry.channels) {
      throw std::invalid_argument("x: array has " + std::to_string(x_.shape(1)) + " channels, expected " +
                                  std::to_string(geometry.channels));
    }
    return batch_;
  }

  void draw_labels() const {
    if (labels_ == nullptr) {
      return;
    }
    const auto offsets = span_of(label_offsets_);
    const auto samples = static_cast<std::size_t>(batch_.length);
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      labels_->draw(offsets[i], {mask_ + i * samples, samples});
    }
  }

 private:
  Integers first_;
  py::array x_;
  std::shared_ptr<const cache::Labels> labels_;
  Integers label_offsets_;
  Mask y_;
  cache::Batch batch_{};
  std::uint8_t* mask_ = nullptr;
};

ChunkErrors to_tuples(std::vector<cache::ChunkError> errors) {
  ChunkErrors tuples;
  for (auto& error : errors) {
    tuples.emplace_back(error.window, error.chunk, error.offset, error.length, std::move(error.reason));
  }
  return tuples;
}

ChunkErrors read_files(const cache::ShardFiles& files, const ReadRequest& request, std::size_t threads) {
  const cache::Batch& batch = request.batch(files.geometry());
  const py::gil_scoped_release released;
  request.draw_labels();
  return to_tuples(files.fill(batch, threads));
}

// Each element of `data` is a chunk's bytes, the reason why they are missing, or None for a chunk of zeros.
ChunkErrors read_chunks(const cache::Geometry& geometry, const std::vector<std::int64_t>& chunks,
                        const std::vector<py::object>& data, const std::vector<std::uint64_t>& offsets,
                        const ReadRequest& request, std::size_t threads) {
  if (chunks.size() != data.size() || chunks.size() != offsets.size()) {
    throw std::invalid_argument("data and offsets: expected one of each per chunk");
  }
  const cache::Batch& batch = request.batch(geometry);
  std::vector<py::buffer_info> buffers;
  std::vector<cache::MemoryChunks::Entry> entries;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    cache::ChunkSource::Stored stored{{}, offsets[i], 0, {}};
    if (py::isinstance<py::str>(data[i])) {
      stored.error = data[i].cast<std::string>();
    } else if (!data[i].is_none()) {
      buffers.push_back(data[i].cast<py::buffer>().request());
      stored.data = bytes_of(buffers.back());
      stored.length = stored.data.size();
      stored.error = stored.data.empty() ? "damaged: chunk is empty" : "";
    }
    entries.push_back({chunks[i], std::move(stored)});
  }
  const cache::MemoryChunks source(std::move(entries));
  const py::gil_scoped_release released;
  request.draw_labels();
  return to_tuples(cache::fill(geometry, source, batch, threads));
}

using DamageRows = std::vector<std::tuple<std::int64_t, std::uint64_t, std::uint64_t, std::string>>;

DamageRows find_damage(const py::buffer& shard, std::int64_t channels, std::int64_t chunk,
                       std::int64_t chunks_per_shard) {
  const cache::Geometry geometry{channels, chunk, chunks_per_shard, 1.0F};
  geometry.check();
  const auto info = shard.request();
  const auto data = bytes_of(info);
  const py::gil_scoped_release released;
  DamageRows rows;
  for (const auto& each :
       cache::find_damage(data, static_cast<std::size_t>(chunks_per_shard), geometry.chunk_samples())) {
    rows.emplace_back(each.chunk, each.first, each.end, std::string(each.reason));
  }
  return rows;
}

std::uint32_t crc32c(const py::buffer& buffer) {
  const auto info = buffer.request();
  const auto data = bytes_of(info);
  const py::gil_scoped_release released;
  return cache::crc32c(data);
}

// For benchmarks and tests.
py::object lz4_decode(const py::buffer& block, std::size_t size) {
  const auto info = block.request();
  py::array_t<std::uint8_t> out(static_cast<py::ssize_t>(size + cache::lz4_slack));
  auto* data = reinterpret_cast<std::byte*>(out.mutable_data());
  if (!cache::lz4_decode(bytes_of(info), {data, size})) {
    throw std::invalid_argument("block: expected an LZ4 block of " + std::to_string(size) + " bytes");
  }
  return out[py::slice(0, static_cast<py::ssize_t>(size), 1)];
}

}  // namespace

void register_cache(py::module_& module) {
  module.doc() = "Batches of windows from stored chunks.";
  py::class_<cache::Geometry>(module, "Geometry")
      .def(py::init([](std::int64_t channels, std::int64_t chunk, std::int64_t chunks_per_shard, float step) {
             const cache::Geometry geometry{channels, chunk, chunks_per_shard, step};
             geometry.check();
             return geometry;
           }),
           py::kw_only(), py::arg("channels"), py::arg("chunk"), py::arg("chunks_per_shard"), py::arg("step"))
      .def_readonly("chunk", &cache::Geometry::chunk)
      .def_property_readonly("chunk_samples", &cache::Geometry::chunk_samples)
      .def(
          "chunks_of",
          [](const cache::Geometry& geometry, const Integers& first, std::int64_t length) {
            return cache::chunks_of(geometry, span_of(first), length);
          },
          py::arg("first"), py::arg("length"));
  py::class_<cache::Labels, std::shared_ptr<cache::Labels>>(module, "Labels")
      .def(py::init(
               [](const Integers& first, const Integers& end) { return cache::Labels(copy_of(first), copy_of(end)); }),
           py::arg("first"), py::arg("end"))
      .def(
          "draw",
          [](const cache::Labels& labels, std::int64_t first, Mask mask) {
            labels.draw(first, {mask.mutable_data(), static_cast<std::size_t>(mask.size())});
          },
          py::arg("first"), py::arg("mask").noconvert());
  py::class_<ReadRequest>(module, "ReadRequest")
      .def(py::init<Integers, py::array, std::shared_ptr<const cache::Labels>, const std::optional<Integers>&,
                    const std::optional<Mask>&>(),
           py::arg("first"), py::arg("x").noconvert(), py::arg("labels") = py::none(),
           py::arg("label_offsets") = py::none(), py::arg("y").noconvert() = py::none())
      .def_property_readonly("first", &ReadRequest::first)
      .def_property_readonly("length", &ReadRequest::length);
  py::class_<cache::ShardFiles>(module, "ShardFiles")
      .def(py::init<cache::Geometry, std::string, std::vector<bool>>(), py::arg("geometry"), py::arg("folder"),
           py::arg("present"))
      .def("read", &read_files, py::arg("request"), py::arg("threads"));
  module.def("read_chunks", &read_chunks, py::arg("geometry"), py::arg("chunks"), py::arg("data"), py::arg("offsets"),
             py::arg("request"), py::arg("threads"));
  module.def("find_damage", &find_damage, py::arg("shard"), py::arg("channels"), py::arg("chunk"),
             py::arg("chunks_per_shard"));
  module.def("crc32c", &crc32c, py::arg("data"));
  module.def("lz4_decode", &lz4_decode, py::arg("block"), py::arg("size"));
}

}  // namespace seizurekit::python
