/* c_scoring_client MODEL EXPECTED...: a program in C that is linked with the scoring library alone runs c99_client() on
 * models that write_c_models wrote, each with a file of what the whole library says of the rows. */
#include <stdio.h>
#include <stdlib.h>

#include "c99_client.h"

/* Everything from the file, in the order of write_c_models.cpp. */
static int read_expected(const char* path, struct c99_expected* expected) {
  FILE* const file = fopen(path, "rb");
  unsigned long long counts[2];
  double *rows, *p_values;
  float* scores;
  unsigned char* labels;
  size_t n, d;
  if (file == NULL || fread(counts, sizeof counts, 1, file) != 1) return -1;
  n = (size_t)counts[0];
  d = (size_t)counts[1];
  rows = malloc(n * d * sizeof *rows);
  scores = malloc(n * sizeof *scores);
  labels = malloc(n);
  p_values = malloc(n * sizeof *p_values);
  if (rows == NULL || scores == NULL || labels == NULL || p_values == NULL) return -1;
  if (fread(rows, sizeof *rows, n * d, file) != n * d || fread(scores, sizeof *scores, n, file) != n ||
      fread(&expected->threshold, sizeof expected->threshold, 1, file) != 1 ||
      fread(labels, 1, n, file) != n || fread(p_values, sizeof *p_values, n, file) != n)
    return -1;
  fclose(file);
  expected->rows = rows;
  expected->n_rows = n;
  expected->scores = scores;
  expected->labels = labels;
  expected->p_values = p_values;
  return 0;
}

int main(int argc, char** argv) {
  int i;
  if (argc < 3 || argc % 2 == 0) {
    fprintf(stderr, "usage: %s MODEL EXPECTED [MODEL EXPECTED]...\n", argv[0]);
    return 2;
  }
  for (i = 1; i < argc; i += 2) {
    struct c99_expected expected;
    int line;
    if (read_expected(argv[i + 1], &expected) != 0) {
      fprintf(stderr, "%s: cannot be read\n", argv[i + 1]);
      return 1;
    }
    line = c99_client(argv[i], &expected);
    if (line != 0) {
      fprintf(stderr, "%s: the check in line %d of c99_client.c failed\n", argv[i], line);
      return 1;
    }
    printf("%s: %lu rows, equal to the last bit\n", argv[i], (unsigned long)expected.n_rows);
  }
  return 0;
}
