// The engine against numbers of the reference implementation (PyTorch), computed on weights and inputs that a
// rule gives: seed-golden-values.json.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nn/losses.h"
#include "nn/support.h"

namespace deepsad {
namespace {

using testing::golden;
using testing::view;
using Json = nlohmann::json;

// Tolerances of the golden file: relative to the largest value of the list compared.
constexpr double kForwardTolerance = 1e-5;
constexpr double kTrainingTolerance = 1e-4;

// The first wanted.size() values of got.
template <class Values>
void expect_close(const Values& got, const Json& wanted, double tolerance, const std::string& what) {
  const std::vector<double> expected =
      wanted.is_array() ? wanted.get<std::vector<double>>() : std::vector<double>{wanted.get<double>()};
  ASSERT_FALSE(expected.empty()) << what;
  ASSERT_GE(std::size(got), expected.size()) << what;
  double largest = 0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto value = static_cast<double>(std::data(got)[i]);
    ASSERT_TRUE(std::isfinite(value)) << what << "[" << i << "]";
    EXPECT_NEAR(value, expected[i], tolerance * largest) << what << "[" << i << "]";
  }
}

template <class T>
std::span<const T> last(std::span<const T> values, std::size_t n) {
  return values.last(n);
}

template <class T>
double squared_norm(std::span<const T> values) {
  double sum = 0;
  for (const T v : values) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum;
}

template <class T>
double mean_squared_difference(std::span<const T> a, std::span<const T> b) {
  double sum = 0;
  for (std::size_t j = 0; j < a.size(); ++j) {
    const double difference = static_cast<double>(a[j]) - static_cast<double>(b[j]);
    sum += difference * difference;
  }
  return sum / static_cast<double>(a.size());
}

template <class T>
Matrix<T> infer(const NetworkSpec& spec, const StateDict& state, const Matrix<T>& x) {
  ThreadPool pool(1);
  Plan<T> plan(spec, 0, PlanMode::infer, pool);
  plan.load(state);
  Matrix<T> output(x.rows, plan.n_outputs());
  plan.infer_rows(view(x), view(output));
  return output;
}

// c_i = +0.1 for even i, -0.1 for odd i.
template <class T>
std::vector<T> golden_center(std::size_t n) {
  std::vector<T> center(n);
  for (std::size_t i = 0; i < n; ++i) center[i] = static_cast<T>(i % 2 == 0 ? 0.1F : -0.1F);
  return center;
}

template <class T>
class Golden : public ::testing::Test {};
using Numbers = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Golden, Numbers);

TYPED_TEST(Golden, EvaluationModeOfAllNetworksAndAutoencoders) {
  using T = TypeParam;
  const Json& block = golden("forward_eval");
  ASSERT_EQ(block.size(), network_names().size());
  for (const std::string& name : network_names()) {
    SCOPED_TRACE(name);
    const Json& wanted = block.at(name);
    const NetworkDefinition definition = network_by_name(name);
    const NetworkSpec whole = autoencoder(definition);
    const StateDict state = testing::golden_state(whole);
    const auto n = wanted.at("input_shape").at(0).get<std::size_t>();
    const Matrix<T> x = testing::golden_input<T>(n, n_elements(definition.encoder.input));
    expect_close(x.row(0), wanted.at("input_first4"), kForwardTolerance, "input");

    const Matrix<T> codes = infer(definition.encoder, testing::golden_state(definition.encoder), x);
    expect_close(codes.row(0), wanted.at("net_out_row0"), kForwardTolerance, "output of row 0");
    ASSERT_EQ(wanted.at("net_out_row0").size(), codes.cols);
    // The first values of a row are held to the largest of the whole row, which the file does not give: use
    // that of row 0.
    double largest = 0;
    for (const T v : codes.row(0)) largest = std::max(largest, std::abs(static_cast<double>(v)));
    const auto row1 = wanted.at("net_out_row1_first4").get<std::vector<double>>();
    for (std::size_t j = 0; j < row1.size(); ++j) {
      EXPECT_NEAR(static_cast<double>(codes.row(1)[j]), row1[j], kForwardTolerance * largest);
    }
    expect_close(std::vector<double>{squared_norm(codes.row(0)), squared_norm(codes.row(1))},
                 wanted.at("net_out_sq_norms"), kForwardTolerance, "squared norms");

    const Matrix<T> ae_codes = infer(definition.encoder, without_prefix(state, "encoder."), x);
    expect_close(ae_codes.row(0), wanted.at("ae_code_row0_first4"), kForwardTolerance, "code");
    const Matrix<T> reconstructions = infer(whole, state, x);
    expect_close(reconstructions.row(0), wanted.at("ae_rec_row0_first8"), kForwardTolerance,
                 "reconstruction of row 0");
    expect_close(last(reconstructions.row(n - 1), 4), wanted.at("ae_rec_row1_last4"), kForwardTolerance,
                 "reconstruction of row 1");
    double sum = 0;
    for (const T v : reconstructions.values) sum += static_cast<double>(v);
    expect_close(std::vector<double>{sum}, wanted.at("ae_rec_sum"), kForwardTolerance,
                 "sum of reconstructions");
    expect_close(std::vector<double>{mean_squared_difference(reconstructions.row(0), x.row(0)),
                                     mean_squared_difference(reconstructions.row(1), x.row(1))},
                 wanted.at("ae_score_mse_per_sample"), kForwardTolerance, "scores");
  }
}

TYPED_TEST(Golden, TrainingModeOutputsAndRunningStatistics) {
  using T = TypeParam;
  for (const auto& [name, wanted] : golden("forward_train_mode").items()) {
    SCOPED_TRACE(name);
    const NetworkSpec spec = network_by_name(name).encoder;
    const auto n = wanted.at("batch").template get<std::size_t>();
    const Matrix<T> x = testing::golden_input<T>(n, n_elements(spec.input));
    ThreadPool pool(1);
    Plan<T> plan(spec, n, PlanMode::train, pool);
    plan.load(testing::golden_state(spec));
    const std::vector<T> center(plan.n_outputs());
    const std::vector<SemiLabel> semi(n, SemiLabel::unlabelled);
    const DeepSadLoss<T> loss(center, semi, 1, 1e-6);
    const testing::RecordingLoss<T> recorder(loss, n, plan.n_outputs());
    (void)plan.forward_backward(view(x), testing::first_rows(n), recorder);
    expect_close(recorder.outputs.row(0), wanted.at("net_out_row0_first4"), kForwardTolerance, "row 0");
    expect_close(recorder.outputs.row(3), wanted.at("net_out_row3_first4"), kForwardTolerance, "row 3");
    const StateDict state = plan.state();
    std::size_t n_statistics = 0;
    for (const auto& [key, values] : wanted.items()) {
      if (!key.ends_with("_first4_after") && !key.ends_with("num_batches_tracked")) continue;
      ++n_statistics;
      const StateTensor& tensor = testing::tensor_of(state, key.substr(0, key.find("_first4_after")));
      if (tensor.is_count) {
        EXPECT_EQ(tensor.count, values.template get<std::int64_t>()) << key;
      } else {
        expect_close(tensor.values, values, kForwardTolerance, key);
      }
    }
    EXPECT_EQ(n_statistics, 6U);
  }
}

TYPED_TEST(Golden, FiveStepsOfDeepSad) {
  using T = TypeParam;
  const Json& block = golden("deep_sad_training");
  ASSERT_EQ(block.size(), 3U);
  for (const auto& [name, wanted] : block.items()) {
    SCOPED_TRACE(name);
    const NetworkSpec spec = network_by_name(name).encoder;
    std::vector<SemiLabel> semi;
    for (const int label : wanted.at("semi_targets").template get<std::vector<int>>()) {
      semi.push_back(static_cast<SemiLabel>(label));
    }
    const std::size_t n = semi.size();
    const Matrix<T> x = testing::golden_input<T>(n, n_elements(spec.input));
    ThreadPool pool(1);
    Plan<T> plan(spec, n, PlanMode::train, pool);
    plan.load(testing::golden_state(spec));
    const std::vector<T> center = golden_center<T>(plan.n_outputs());
    const DeepSadLoss<T> loss(center, semi, wanted.at("eta").template get<double>(), 1e-6);
    const testing::RecordingLoss<T> recorder(loss, n, plan.n_outputs());
    const auto distances = [&](const Matrix<T>& outputs) {
      std::vector<double> result;
      for (std::size_t i = 0; i < n; ++i) {
        result.push_back(mean_squared_difference<T>(outputs.row(i), center) *
                         static_cast<double>(center.size()));
      }
      return result;
    };

    std::vector<double> losses;
    for (std::size_t step = 0; step < wanted.at("loss_steps_1_to_5").size(); ++step) {
      losses.push_back(plan.forward_backward(view(x), testing::first_rows(n), recorder));
      if (step == 0) {
        const Json& first = wanted.at("step1");
        expect_close(distances(recorder.outputs), first.at("dist"), kTrainingTolerance, "distances");
        expect_close(recorder.losses, first.at("losses"), kTrainingTolerance, "losses of the rows");
        for (const std::string which : {"first", "last"}) {
          const auto tensor = first.at("grad_" + which + "_weight_name").template get<std::string>();
          expect_close(testing::gradient_of(plan, tensor), first.at("grad_" + which + "_weight_first4"),
                       kTrainingTolerance, "gradient of " + tensor);
        }
      }
      plan.update(static_cast<T>(wanted.at("lr").template get<double>()),
                  static_cast<T>(wanted.at("weight_decay").template get<double>()));
    }
    expect_close(losses, wanted.at("loss_steps_1_to_5"), kTrainingTolerance, "losses");
    expect_close(distances(infer(spec, plan.state(), x)), wanted.at("eval_scores_after_5_steps"),
                 kTrainingTolerance, "final scores");
  }
}

TYPED_TEST(Golden, FiveStepsOfAnAutoencoder) {
  using T = TypeParam;
  const Json& block = golden("autoencoder_training");
  ASSERT_EQ(block.size(), 2U);
  for (const auto& [name, wanted] : block.items()) {
    SCOPED_TRACE(name);
    const NetworkSpec spec = autoencoder(network_by_name(name));
    const auto n = wanted.at("batch").template get<std::size_t>();
    const Matrix<T> x = testing::golden_input<T>(n, n_elements(spec.input));
    ThreadPool pool(1);
    Plan<T> plan(spec, n, PlanMode::train, pool);
    plan.load(testing::golden_state(spec));
    const ReconstructionLoss<T> loss(plan.n_outputs());
    std::vector<double> losses;
    for (std::size_t step = 0; step < wanted.at("loss_steps_1_to_5").size(); ++step) {
      losses.push_back(plan.forward_backward(view(x), testing::first_rows(n), loss));
      plan.update(static_cast<T>(wanted.at("lr").template get<double>()),
                  static_cast<T>(wanted.at("weight_decay").template get<double>()));
    }
    expect_close(losses, wanted.at("loss_steps_1_to_5"), kTrainingTolerance, "losses");
    const Matrix<T> reconstructions = infer(spec, plan.state(), x);
    std::vector<double> scores;
    for (std::size_t i = 0; i < n; ++i) {
      scores.push_back(mean_squared_difference(reconstructions.row(i), x.row(i)));
    }
    expect_close(scores, wanted.at("eval_scores_after_5_steps"), kTrainingTolerance, "final scores");
  }
}

// The Deep SAD loss of one number at given distances from the centre, without a network around it.
TYPED_TEST(Golden, DeepSadLossAtGivenDistances) {
  using T = TypeParam;
  const Json& block = golden("loss_micro");
  const auto wanted_distances = block.at("dist").get<std::vector<double>>();
  const std::size_t n = wanted_distances.size();
  const std::vector<T> center{T{0}};
  for (const auto& [key, label] :
       {std::pair{"semi=-1", SemiLabel::anomaly}, std::pair{"semi=0", SemiLabel::unlabelled},
        std::pair{"semi=+1", SemiLabel::normal}}) {
    SCOPED_TRACE(key);
    const std::vector<SemiLabel> semi(n, label);
    const DeepSadLoss<T> loss(center, semi, block.at("eta").get<double>(), block.at("eps").get<double>());
    AlignedBuffer<T> output(kernels::kLanes);
    AlignedBuffer<T> gradient(kernels::kLanes);
    AlignedBuffer<double> lane_loss(kernels::kLanes);
    const std::vector<std::uint32_t> rows = testing::first_rows(n);
    for (std::size_t i = 0; i < n; ++i) output[i] = static_cast<T>(std::sqrt(wanted_distances[i]));
    loss.evaluate({.n_valid = n,
                   .rows = rows.data(),
                   .input = output.data(),
                   .output = output.data(),
                   .d_output = gradient.data(),
                   .lane_loss = lane_loss.data(),
                   .scale = T{1}});
    const auto wanted = block.at(key).template get<std::vector<double>>();
    ASSERT_EQ(wanted.size(), n);
    for (std::size_t i = 0; i < n; ++i) {
      EXPECT_NEAR(lane_loss[i], wanted[i], kForwardTolerance * std::abs(wanted[i])) << i;
    }
    for (std::size_t i = n; i < kernels::kLanes; ++i) {
      EXPECT_EQ(lane_loss[i], 0) << i;
      EXPECT_EQ(gradient[i], T{0}) << i;
    }
  }
}

}  // namespace
}  // namespace deepsad
