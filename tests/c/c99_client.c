#define _POSIX_C_SOURCE 200809L /* pthread.h */
#include "c99_client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deepsad/c/deepsad.h"

#define CHECK(condition) \
  do {                   \
    if (!(condition)) return __LINE__; \
  } while (0)

enum { kThreads = 4, kRepeats = 8 };

static int check_rows(const deepsad_model* model, const struct c99_expected* expected, size_t n_threads) {
  const size_t n = expected->n_rows;
  const size_t d = deepsad_model_n_features(model);
  float* const scores = calloc(n, sizeof *scores);
  float* const rows = calloc(n * (d + 2), sizeof *rows); /* with a gap of two values */
  unsigned char* const labels = calloc(n, 1);
  double* const p_values = calloc(n, sizeof *p_values);
  size_t i, j;
  CHECK(scores != NULL && rows != NULL && labels != NULL && p_values != NULL);

  CHECK(deepsad_model_score_double(model, expected->rows, n, 0, n_threads, scores) == DEEPSAD_OK);
  CHECK(memcmp(scores, expected->scores, n * sizeof *scores) == 0);
  CHECK(deepsad_model_labels(model, scores, n, labels) == DEEPSAD_OK);
  CHECK(memcmp(labels, expected->labels, n) == 0);
  CHECK(deepsad_model_p_values(model, scores, n, p_values) == DEEPSAD_OK);
  CHECK(memcmp(p_values, expected->p_values, n * sizeof *p_values) == 0);

  for (i = 0; i < n; ++i)
    for (j = 0; j < d; ++j) rows[i * (d + 2) + j] = (float)expected->rows[i * d + j];
  memset(scores, 0, n * sizeof *scores);
  CHECK(deepsad_model_score_float(model, rows, n, d + 2, n_threads, scores) == DEEPSAD_OK);
  CHECK(memcmp(scores, expected->scores, n * sizeof *scores) == 0);

  /* One row at a time: the same bits. */
  for (i = 0; i < n; i += 50) {
    float score = 0;
    CHECK(deepsad_model_score_double(model, expected->rows + i * d, 1, 0, 1, &score) == DEEPSAD_OK);
    CHECK(memcmp(&score, expected->scores + i, sizeof score) == 0);
  }
  free(p_values);
  free(labels);
  free(rows);
  free(scores);
  return 0;
}

struct job {
  const deepsad_model* model;
  const struct c99_expected* expected;
  size_t n_threads;
  int failed;
};

static void* work(void* argument) {
  struct job* const job = argument;
  int i;
  for (i = 0; i < kRepeats && job->failed == 0; ++i)
    job->failed = check_rows(job->model, job->expected, job->n_threads);
  /* An error here must not be seen by other threads. */
  if (deepsad_model_load("/nowhere/at/all", NULL) != DEEPSAD_INVALID_ARGUMENT) job->failed = __LINE__;
  if (strcmp(deepsad_last_error(), "model is a null pointer") != 0) job->failed = __LINE__;
  return NULL;
}

static int load_from_memory(const char* path, deepsad_model** model) {
  FILE* const file = fopen(path, "rb");
  long size;
  char* bytes;
  CHECK(file != NULL);
  CHECK(fseek(file, 0, SEEK_END) == 0);
  size = ftell(file);
  CHECK(size > 0 && fseek(file, 0, SEEK_SET) == 0);
  bytes = malloc((size_t)size);
  CHECK(bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size);
  fclose(file);
  CHECK(deepsad_model_load_memory(bytes, (size_t)size - 1, "shortened", model) == DEEPSAD_BAD_MODEL);
  CHECK(strncmp(deepsad_last_error(), "shortened: ", 11) == 0);
  CHECK(deepsad_model_load_memory(bytes, (size_t)size, NULL, model) == DEEPSAD_OK);
  free(bytes);
  return 0;
}

int c99_client(const char* path, const struct c99_expected* expected) {
  deepsad_model* model = NULL;
  deepsad_model* from_memory = NULL;
  double threshold = 0;
  pthread_t threads[kThreads];
  struct job jobs[kThreads];
  int i, failed;

  CHECK(deepsad_abi_version() == DEEPSAD_ABI_VERSION);
  CHECK(strlen(deepsad_version()) >= 5);
  if (deepsad_model_load(path, &model) != DEEPSAD_OK) {
    fprintf(stderr, "%s\n", deepsad_last_error());
    return __LINE__;
  }
  CHECK(deepsad_model_threshold(model, &threshold) == DEEPSAD_OK);
  CHECK(threshold == expected->threshold);
  CHECK(strcmp(deepsad_model_feature_name(model, 0), "a") == 0);
  CHECK(deepsad_model_feature_name(model, 1000) == NULL);
  failed = load_from_memory(path, &from_memory);
  CHECK(failed == 0);

  for (i = 0; i < kThreads; ++i) {
    const struct job job = {i % 2 == 0 ? model : from_memory, expected, i < 2 ? 1 : 2, 0};
    jobs[i] = job;
    CHECK(pthread_create(&threads[i], NULL, work, &jobs[i]) == 0);
  }
  for (i = 0; i < kThreads; ++i) CHECK(pthread_join(threads[i], NULL) == 0);
  for (i = 0; i < kThreads; ++i)
    if (jobs[i].failed != 0) return jobs[i].failed;

  deepsad_model_free(from_memory);
  deepsad_model_free(model);
  deepsad_model_free(NULL);
  return 0;
}
