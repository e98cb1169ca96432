/* What a program in C does with the interface, for the tests. */
#ifndef DEEPSAD_TESTS_C99_CLIENT_H
#define DEEPSAD_TESTS_C99_CLIENT_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is known of a calibrated model and n_rows rows. */
struct c99_expected {
  const double* rows;
  size_t n_rows;
  const float* scores;
  double threshold;
  const unsigned char* labels;
  const double* p_values;
};

/* Loads the model from the file and from memory, scores in this thread and in four at once, decides, frees.
 * Returns 0, or the line of c99_client.c whose check failed. */
int c99_client(const char* path, const struct c99_expected* expected);

#ifdef __cplusplus
}
#endif

#endif
