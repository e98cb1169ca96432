#include "deepsad/c/deepsad.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/pool_cache.h"
#include "deepsad/core/error.h"
#include "deepsad/core/parallel.h"
#include "deepsad/core/version.h"
#include "deepsad/model/model.h"

namespace {

using namespace deepsad;

// Of a fixed size, so that reporting an error cannot fail for want of memory.
constexpr std::size_t kErrorSize = 2048;
thread_local char last_error[kErrorSize] = "";

int fail(int code, const char* text) noexcept {
  const std::size_t n = std::min(std::strlen(text), kErrorSize - 1);
  std::memcpy(last_error, text, n);
  last_error[n] = '\0';
  return code;
}

// Runs f and turns what it throws into a code and the thread's error text.
template <class F>
int guarded(F&& f) noexcept {
  try {
    return f();
  } catch (const InvalidArgument& error) {
    return fail(DEEPSAD_INVALID_ARGUMENT, error.what());
  } catch (const DataError& error) {
    return fail(DEEPSAD_BAD_DATA, error.what());
  } catch (const ModelError& error) {
    return fail(DEEPSAD_BAD_MODEL, error.what());
  } catch (const std::bad_alloc&) {
    return fail(DEEPSAD_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return fail(DEEPSAD_FAILED, error.what());
  } catch (...) {
    return fail(DEEPSAD_FAILED, "an exception of unknown type");
  }
}

int null_pointer(const char* what) noexcept {
  char message[128];
  std::snprintf(message, sizeof message, "%s is a null pointer", what);
  return fail(DEEPSAD_INVALID_ARGUMENT, message);
}

}  // namespace

struct deepsad_model {
  explicit deepsad_model(Model loaded) : model(std::move(loaded)), method(model.detector().method()) {}

  Model model;
  std::string method;
  mutable PoolCache pools;
};

namespace {

template <class T>
int score(const deepsad_model* model, const T* rows, std::size_t n_rows, std::size_t stride,
          std::size_t n_threads, float* scores) noexcept {
  if (model == nullptr) return null_pointer("model");
  if (n_rows == 0) return DEEPSAD_OK;
  if (rows == nullptr) return null_pointer("rows");
  if (scores == nullptr) return null_pointer("scores");
  return guarded([&] {
    const std::size_t d = model->model.scaler().n_features();
    if (stride == 0) stride = d;
    if (stride < d) {
      throw InvalidArgument("stride is " + std::to_string(stride) + ", but a row has " + std::to_string(d) +
                            " features; give 0 for rows without gaps");
    }
    RawRows raw{.values = MatrixView<const T>(rows, n_rows, d, stride),
                .feature_names = model->model.feature_names()};
    model->pools.with(n_threads == 0 ? available_processors() : n_threads, [&](ThreadPool& pool) {
      const std::vector<float> result = model->model.score(raw, pool);
      std::ranges::copy(result, scores);
    });
    return DEEPSAD_OK;
  });
}

// decide(i) for every score, if the model has what it needs and there is room for the results.
template <class T, class Decide>
int decide_all(const deepsad_model* model, const float* scores, std::size_t n, T* results,
               const char* results_name, Decide&& decide) noexcept {
  if (model == nullptr) return null_pointer("model");
  if (n > 0 && scores == nullptr) return null_pointer("scores");
  if (n > 0 && results == nullptr) return null_pointer(results_name);
  return guarded([&] { return decide(model->model.decision()); });
}

int no_threshold() noexcept {
  return fail(DEEPSAD_NOT_CALIBRATED, "the model has no threshold; calibrate it first");
}

int load(std::unique_ptr<deepsad_model> loaded, deepsad_model** model) noexcept {
  *model = loaded.release();
  return DEEPSAD_OK;
}

}  // namespace

int deepsad_abi_version(void) {
  return DEEPSAD_ABI_VERSION;
}

const char* deepsad_version(void) {
  return version().data();  // a string literal
}

const char* deepsad_last_error(void) {
  return last_error;
}

int deepsad_model_load(const char* path, deepsad_model** model) {
  if (path == nullptr) return null_pointer("path");
  if (model == nullptr) return null_pointer("model");
  return guarded([&] { return load(std::make_unique<deepsad_model>(Model::load(path)), model); });
}

int deepsad_model_load_memory(const void* bytes, size_t n_bytes, const char* name, deepsad_model** model) {
  if (bytes == nullptr) return null_pointer("bytes");
  if (model == nullptr) return null_pointer("model");
  return guarded([&] {
    const std::span<const std::uint8_t> content(static_cast<const std::uint8_t*>(bytes), n_bytes);
    return load(std::make_unique<deepsad_model>(Model::from_bytes(content, name == nullptr ? "model" : name)),
                model);
  });
}

void deepsad_model_free(deepsad_model* model) {
  delete model;
}

const char* deepsad_model_method(const deepsad_model* model) {
  return model == nullptr ? nullptr : model->method.c_str();
}

size_t deepsad_model_n_features(const deepsad_model* model) {
  return model == nullptr ? 0 : model->model.scaler().n_features();
}

const char* deepsad_model_feature_name(const deepsad_model* model, size_t feature) {
  if (model == nullptr || feature >= model->model.feature_names().size()) return nullptr;
  return model->model.feature_names()[feature].c_str();
}

int deepsad_model_score_float(const deepsad_model* model, const float* rows, size_t n_rows, size_t stride,
                              size_t n_threads, float* scores) {
  return score(model, rows, n_rows, stride, n_threads, scores);
}

int deepsad_model_score_double(const deepsad_model* model, const double* rows, size_t n_rows, size_t stride,
                               size_t n_threads, float* scores) {
  return score(model, rows, n_rows, stride, n_threads, scores);
}

int deepsad_model_score_bytes(const deepsad_model* model, const unsigned char* rows, size_t n_rows,
                              size_t stride, size_t n_threads, float* scores) {
  return score(model, rows, n_rows, stride, n_threads, scores);
}

int deepsad_model_threshold(const deepsad_model* model, double* threshold) {
  if (model == nullptr) return null_pointer("model");
  if (threshold == nullptr) return null_pointer("threshold");
  if (!model->model.decision().threshold) return no_threshold();
  *threshold = model->model.decision().threshold->value;
  return DEEPSAD_OK;
}

int deepsad_model_labels(const deepsad_model* model, const float* scores, size_t n_scores,
                         unsigned char* labels) {
  return decide_all(model, scores, n_scores, labels, "labels", [&](const Decision& decision) {
    if (!decision.threshold) return no_threshold();
    for (std::size_t i = 0; i < n_scores; ++i)
      labels[i] = decision.threshold->is_anomalous(scores[i]) ? 1 : 0;
    return DEEPSAD_OK;
  });
}

int deepsad_model_p_values(const deepsad_model* model, const float* scores, size_t n_scores,
                           double* p_values) {
  return decide_all(model, scores, n_scores, p_values, "p_values", [&](const Decision& decision) {
    if (!decision.calibration) {
      return fail(DEEPSAD_NOT_CALIBRATED,
                  "the model has no calibration scores to take p-values from; calibrate it first");
    }
    for (std::size_t i = 0; i < n_scores; ++i) p_values[i] = decision.calibration->p_value(scores[i]);
    return DEEPSAD_OK;
  });
}
