// The start of each data record: contiguous, or with gaps between them (EDF+D).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace seizurekit::edf {

/// Contiguous data records.
struct Segment {
  std::int64_t first_record;
  std::int64_t records;
  double start;  // s after the start of the first data record
};

/// The recording's segments in time order. Sample indices count time, including the samples that fit into gaps.
class Timeline {
 public:
  Timeline(std::int64_t records, double record_duration) : Timeline({{0, records, 0.0}}, record_duration) {}
  Timeline(std::vector<Segment> segments, double record_duration)
      : segments_(std::move(segments)), record_duration_(record_duration) {}

  const std::vector<Segment>& segments() const { return segments_; }
  bool has_gaps() const { return segments_.size() > 1; }
  double duration() const;  // s, including gaps

  /// First sample of a segment for a signal with `samples_per_record`: the one nearest to the segment's start.
  std::int64_t first_sample(const Segment& segment, std::int64_t samples_per_record) const;
  /// Samples from the start of the recording to its end, including gaps.
  std::int64_t samples(std::int64_t samples_per_record) const;

 private:
  std::vector<Segment> segments_;
  double record_duration_;
};

/// Builds a timeline from the onsets in the time-keeping annotations of the data records, in file order.
///
/// A record follows the previous one without a gap if its onset is within `tolerance` of that record's end, or if it
/// has no valid onset. The time of records that start before the previous one ends is uncertain.
class TimelineBuilder {
 public:
  TimelineBuilder(double record_duration, double tolerance)
      : record_duration_(record_duration), tolerance_(tolerance) {}

  void add(std::optional<double> onset);  // s after the header's start time
  /// First record that starts before the previous one ends, from 0.
  std::optional<std::int64_t> first_out_of_order() const { return out_of_order_; }
  Timeline build() const { return {segments_, record_duration_}; }

 private:
  double record_duration_;
  double tolerance_;
  std::vector<Segment> segments_;
  double origin_ = 0.0;
  double expected_ = 0.0;
  std::int64_t records_ = 0;
  std::optional<std::int64_t> out_of_order_;
};

}  // namespace seizurekit::edf
