#include "edf/timeline.hpp"

#include <algorithm>
#include <cmath>

namespace seizurekit::edf {

double Timeline::duration() const {
  const Segment& last = segments_.back();
  return last.start + static_cast<double>(last.records) * record_duration_;
}

std::int64_t Timeline::first_sample(const Segment& segment, std::int64_t samples_per_record) const {
  if (segment.first_record == 0 || samples_per_record == 0) {
    return 0;
  }
  return std::llround(segment.start / record_duration_ * static_cast<double>(samples_per_record));
}

std::int64_t Timeline::samples(std::int64_t samples_per_record) const {
  const Segment& last = segments_.back();
  return first_sample(last, samples_per_record) + last.records * samples_per_record;
}

void TimelineBuilder::add(std::optional<double> onset) {
  // EDF+, section 2.2.4: the first annotation of each data record is empty and gives the onset of the record. The onset
  // of the first record is the start of the recording.
  if (records_ == 0) {
    origin_ = onset.value_or(0.0);
    segments_.push_back({0, 1, 0.0});
    expected_ = record_duration_;
    records_ = 1;
    return;
  }
  const double start = onset ? *onset - origin_ : expected_;
  Segment& last = segments_.back();
  const double last_end = last.start + static_cast<double>(last.records) * record_duration_;
  if (start < expected_ - tolerance_ && !out_of_order_) {
    out_of_order_ = records_;
  }
  if (start > expected_ + tolerance_ && !out_of_order_) {
    segments_.push_back({records_, 1, std::max(start, last_end)});
  } else {
    ++last.records;
  }
  expected_ = start + record_duration_;
  ++records_;
}

}  // namespace seizurekit::edf
