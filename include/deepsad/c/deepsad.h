/* The C interface of deepsad: load a trained model, score rows, decide on the scores, free it.
 *
 * Link libdeepsad_scoring.a (scoring alone, without the training code) or libdeepsad.a; docs/c-interface.md.
 *
 * Data: rows of raw values as they would lie in a file, row-major, never scaled; the model scales them
 * itself. Larger score = more anomalous. A row's score depends on that row and the model alone: it has the
 * same bits in every call, at any number of threads, and in the program `deepsad score`.
 *
 * Threads: everything may be called from any number of threads at once, on one model or several, except that
 * a model is freed once, when no other call uses it. A process that was forked may use the models it
 * inherits, if no other thread was in a call at that moment.
 *
 * Errors: functions that can fail return one of the DEEPSAD_ codes below and leave their outputs as they
 * were, but for the buffers that a failing call was filling. deepsad_last_error() says in words what was
 * wrong. Each may return DEEPSAD_INVALID_ARGUMENT for a null pointer and DEEPSAD_OUT_OF_MEMORY; what else is
 * listed with it. Nothing is printed, nothing throws, nothing exits.
 *
 * Stability: programs compiled with this header keep working with any later library whose
 * deepsad_abi_version() is the same. Functions and codes may be added within a version; none changes or goes.
 */
#ifndef DEEPSAD_C_DEEPSAD_H
#define DEEPSAD_C_DEEPSAD_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DEEPSAD_C_API __attribute__((visibility("default")))
#else
#define DEEPSAD_C_API
#endif

/* Version of this interface: deepsad_abi_version() of the library that is linked must be the same. */
#define DEEPSAD_ABI_VERSION 1

/* What functions return. Below 6 the numbers are those of the program's exit codes. */
#define DEEPSAD_OK 0
#define DEEPSAD_FAILED 1           /* a file that cannot be read, a score that is NaN, anything else */
#define DEEPSAD_INVALID_ARGUMENT 2 /* a null pointer, a length that does not fit */
#define DEEPSAD_BAD_DATA 3         /* a row holds NaN, infinity, or what the model was not trained on */
#define DEEPSAD_BAD_MODEL 4        /* the model file is truncated, altered, foreign or too new */
#define DEEPSAD_NOT_CALIBRATED 6   /* the model has no threshold, or no calibration scores */
#define DEEPSAD_OUT_OF_MEMORY 7

/* A trained model. Immutable. */
typedef struct deepsad_model deepsad_model;

/* DEEPSAD_ABI_VERSION of the library that is linked. */
DEEPSAD_C_API int deepsad_abi_version(void);
/* Its version, "major.minor.patch"; a constant text. */
DEEPSAD_C_API const char* deepsad_version(void);
/* Why the last call in this thread that returned another code than DEEPSAD_OK did so: one line that names the
 * file or argument, what was found and what was wanted; "" before the first failure. The text is the thread's
 * own, and stays until the next failure in the same thread. */
DEEPSAD_C_API const char* deepsad_last_error(void);

/* Loads a model file (`deepsad train` writes model.safetensors) and checks every byte of it.
 * Errors: DEEPSAD_FAILED (cannot be read), DEEPSAD_BAD_MODEL. */
DEEPSAD_C_API int deepsad_model_load(const char* path, deepsad_model** model);
/* The same from the file's bytes in memory, which are not needed afterwards. `name` stands for the file in
 * messages; NULL: "model". Errors: DEEPSAD_BAD_MODEL. */
DEEPSAD_C_API int deepsad_model_load_memory(const void* bytes, size_t n_bytes, const char* name,
                                            deepsad_model** model);
/* Frees a model; NULL is allowed. */
DEEPSAD_C_API void deepsad_model_free(deepsad_model* model);

/* The method's name, "deep_sad", "isolation_forest", ...; lives as long as the model. NULL for NULL. */
DEEPSAD_C_API const char* deepsad_model_method(const deepsad_model* model);
/* Number of values a row must have: features of a table, or channels * height * width of an image. 0 for
 * NULL. */
DEEPSAD_C_API size_t deepsad_model_n_features(const deepsad_model* model);
/* Name of a feature, or NULL if the model knows none of that index; lives as long as the model. */
DEEPSAD_C_API const char* deepsad_model_feature_name(const deepsad_model* model, size_t feature);

/* scores[i] = the model's score of row i.
 * - rows: n_rows rows of deepsad_model_n_features() values. Of a table: any finite numbers. Of images: whole
 *   numbers in 0..255, [channel][y][x]. May be NULL if n_rows is 0.
 * - stride: values from the start of a row to the start of the next; 0 = n_features, rows without gaps.
 * - n_threads: 0 = as many as the process may use. With 1 the calling thread does all the work, and a model
 *   that was scored before needs no set-up: microseconds for a small network.
 * - scores: room for n_rows values; may be NULL if n_rows is 0.
 *
 * Errors: DEEPSAD_INVALID_ARGUMENT (stride below n_features), DEEPSAD_BAD_DATA (names row and feature),
 * DEEPSAD_FAILED (the system starts no more threads). */
DEEPSAD_C_API int deepsad_model_score_float(const deepsad_model* model, const float* rows, size_t n_rows,
                                            size_t stride, size_t n_threads, float* scores);
DEEPSAD_C_API int deepsad_model_score_double(const deepsad_model* model, const double* rows, size_t n_rows,
                                             size_t stride, size_t n_threads, float* scores);
DEEPSAD_C_API int deepsad_model_score_bytes(const deepsad_model* model, const unsigned char* rows,
                                            size_t n_rows, size_t stride, size_t n_threads, float* scores);

/* The model's threshold: a row is anomalous if its score is larger.
 * Errors: DEEPSAD_NOT_CALIBRATED */
DEEPSAD_C_API int deepsad_model_threshold(const deepsad_model* model, double* threshold);
/* labels[i] = 1 if scores[i] is larger than the threshold, else 0. Errors: DEEPSAD_NOT_CALIBRATED */
DEEPSAD_C_API int deepsad_model_labels(const deepsad_model* model, const float* scores, size_t n_scores,
                                       unsigned char* labels);
/* p_values[i] = conformal p-value of scores[i], in (0, 1]: the share of the calibration rows, which are like
 * the normal ones, that score at least as high, the row itself counted (Vovk, Gammerman and Shafer 2005).
 * Errors: DEEPSAD_NOT_CALIBRATED, DEEPSAD_FAILED (a score is NaN) */
DEEPSAD_C_API int deepsad_model_p_values(const deepsad_model* model, const float* scores, size_t n_scores,
                                         double* p_values);

#ifdef __cplusplus
}
#endif

#endif
