/* Scores rows with a trained model, in C. Reads one row a line, numbers separated by commas or blanks, from standard
 * input; prints a score a line, and label and p-value where the model has them.
 *
 *   cc score.c $(pkg-config --cflags --libs deepsad-scoring) -o score
 *   printf '0.1,0.2\n3,4\n' | ./score model.safetensors
 *
 * or with CMake: find_package(deepsad REQUIRED), target_link_libraries(score PRIVATE deepsad::scoring).
 */
#include <stdio.h>
#include <stdlib.h>

#include <deepsad/c/deepsad.h>

enum { kLineSize = 1 << 16 };

/* Reads exactly n numbers from the line; 0 if there are fewer or more. */
static int read_row(const char* line, double* row, size_t n) {
  size_t i;
  for (i = 0; i < n; ++i) {
    char* end;
    row[i] = strtod(line, &end);
    if (end == line) return 0;
    line = end;
    while (*line == ',' || *line == ' ' || *line == '\t') ++line;
  }
  return *line == '\n' || *line == '\0';
}

int main(int argc, char** argv) {
  static char line[kLineSize];
  deepsad_model* model = NULL;
  double* row;
  size_t n_features, number = 0;
  int status = 0;

  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL < ROWS\n", argv[0]);
    return 2;
  }
  if (deepsad_abi_version() != DEEPSAD_ABI_VERSION) {
    fprintf(stderr, "deepsad %s is not the library that this program was compiled for\n", deepsad_version());
    return 1;
  }
  if (deepsad_model_load(argv[1], &model) != DEEPSAD_OK) {
    fprintf(stderr, "%s\n", deepsad_last_error());
    return 4;
  }
  n_features = deepsad_model_n_features(model);
  row = malloc(n_features * sizeof *row);
  while (row != NULL && status == 0 && fgets(line, sizeof line, stdin) != NULL) {
    float score;
    unsigned char label;
    double p_value;
    ++number;
    if (!read_row(line, row, n_features)) {
      fprintf(stderr, "line %lu: wanted %lu numbers\n", (unsigned long)number, (unsigned long)n_features);
      status = 3;
    } else if (deepsad_model_score_double(model, row, 1, 0, 1, &score) != DEEPSAD_OK) {
      fprintf(stderr, "line %lu: %s\n", (unsigned long)number, deepsad_last_error());
      status = 3;
    } else {
      printf("%.9g", (double)score);
      if (deepsad_model_labels(model, &score, 1, &label) == DEEPSAD_OK)
        printf(",%s", label ? "anomaly" : "normal");
      if (deepsad_model_p_values(model, &score, 1, &p_value) == DEEPSAD_OK) printf(",%.6g", p_value);
      printf("\n");
    }
  }
  free(row);
  deepsad_model_free(model);
  return status;
}
