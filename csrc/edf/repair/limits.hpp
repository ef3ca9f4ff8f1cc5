// Physical and digital limits.
#pragma once

#include "edf/repair/header.hpp"

namespace seizurekit::edf {

void repair_limits(HeaderRepair& repair);

}  // namespace seizurekit::edf
