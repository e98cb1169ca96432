// What tests of refusals share.
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <string>

namespace deepsad::testing {

/// The message of the E that @p f throws; the test fails if it throws nothing or something else.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  } catch (const std::exception& e) {
    ADD_FAILURE() << "another exception: " << e.what();
    return {};
  }
  ADD_FAILURE() << "no exception";
  return {};
}

}  // namespace deepsad::testing
