// Signal labels: ASCII, not empty, unique.
#pragma once

#include "edf/repair/header.hpp"

namespace seizurekit::edf {

void repair_labels(HeaderRepair& repair);

}  // namespace seizurekit::edf
