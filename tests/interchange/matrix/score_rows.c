/* The same as score_rows.cpp, in C, with the scoring library. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deepsad/c/deepsad.h"

int main(int argc, char** argv) {
  deepsad_model* model = NULL;
  size_t n, size, status = DEEPSAD_OK;
  FILE* file;
  void* rows;
  float* scores;
  int bytes;
  if (argc != 6) return 2;
  if (deepsad_model_load(argv[1], &model) != DEEPSAD_OK) {
    fprintf(stderr, "%s\n", deepsad_last_error());
    return 1;
  }
  bytes = strcmp(argv[3], "uint8") == 0;
  n = strtoul(argv[4], NULL, 10);
  size = n * deepsad_model_n_features(model) * (bytes ? 1 : sizeof(double));
  rows = malloc(size);
  scores = malloc(n * sizeof *scores);
  file = fopen(argv[2], "rb");
  if (rows == NULL || scores == NULL || file == NULL || fread(rows, 1, size, file) != size) return 1;
  fclose(file);
  status = (size_t)(bytes ? deepsad_model_score_bytes(model, rows, n, 0, 2, scores)
                          : deepsad_model_score_double(model, rows, n, 0, 2, scores));
  if (status != DEEPSAD_OK) {
    fprintf(stderr, "%s\n", deepsad_last_error());
    return 1;
  }
  file = fopen(argv[5], "wb");
  if (file == NULL || fwrite(scores, sizeof *scores, n, file) != n || fclose(file) != 0) return 1;
  free(scores);
  free(rows);
  deepsad_model_free(model);
  return 0;
}
