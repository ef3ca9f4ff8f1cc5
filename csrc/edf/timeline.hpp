// When each data record started: one after the other, or with gaps between them (EDF+D).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace seizurekit::edf {

/// Data records that follow one another without a gap.
struct Segment {
  std::int64_t first_record;
  std::int64_t records;
  double start;  // s from the start of the first data record
};

/// The recording's segments in time order. Sample numbers run over time, a gap having as many samples as fit into it.
class Timeline {
 public:
  Timeline(std::int64_t records, double record_duration) : Timeline({{0, records, 0.0}}, record_duration) {}
  Timeline(std::vector<Segment> segments, double record_duration)
      : segments_(std::move(segments)), record_duration_(record_duration) {}

  const std::vector<Segment>& segments() const { return segments_; }
  bool has_gaps() const { return segments_.size() > 1; }
  double duration() const;  // s, gaps counted

  /// First sample of a segment, for a signal of so many samples a record: the one nearest to the segment's start.
  std::int64_t first_sample(const Segment& segment, std::int64_t samples_per_record) const;
  /// Samples from the recording's start to its end, gaps counted.
  std::int64_t samples(std::int64_t samples_per_record) const;

 private:
  std::vector<Segment> segments_;
  double record_duration_;
};

/// Makes a timeline of the onsets that the time-keeping annotations of the data records give, in file order.
///
/// A record follows its predecessor at once if its onset is the predecessor's end to within `tolerance`, or if it
/// has no readable onset. Records that start before their predecessor ends have no certain place in time.
class TimelineBuilder {
 public:
  TimelineBuilder(double record_duration, double tolerance)
      : record_duration_(record_duration), tolerance_(tolerance) {}

  void add(std::optional<double> onset);  // s from the header's start time
  /// First record that starts before its predecessor ends, from 0.
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
