#include "core/shared_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "deepsad/core/error.h"
#include "support/files.h"

namespace deepsad {
namespace {

using ::testing::HasSubstr;
using testing::message_of;

TEST(SharedLibrary, GivesFunctionsOfTheirType) {
  const SharedLibrary library("libm.so.6", "libc6");
  double (*const root)(double) = library.function("sqrt");
  EXPECT_EQ(root(9), 3);
}

TEST(SharedLibrary, AMissingLibraryIsNamedWithItsPackage) {
  const std::string message = message_of<Error>([] { SharedLibrary("libnowhere.so.7", "libnowhere7"); });
  EXPECT_THAT(message, HasSubstr("libnowhere.so.7: cannot be loaded"));
  EXPECT_THAT(message, HasSubstr("install the package libnowhere7"));
}

TEST(SharedLibrary, AMissingFunctionIsNamed) {
  const SharedLibrary library("libm.so.6", "libc6");
  EXPECT_THAT(message_of<Error>([&] { (void)library.function("no_such_function"); }),
              HasSubstr("libm.so.6: has no function no_such_function"));
}

}  // namespace
}  // namespace deepsad
