// The first 256 bytes of a header.
#pragma once

#include "edf/repair/header.hpp"

namespace seizurekit::edf {

void repair_main_fields(HeaderRepair& repair);

}  // namespace seizurekit::edf
