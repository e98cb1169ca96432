// One record of a text cannot be used, but those after it can.
#pragma once

#include "deepsad/core/error.h"

namespace deepsad {

class BadRecord : public DataError {
 public:
  using DataError::DataError;
};

}  // namespace deepsad
