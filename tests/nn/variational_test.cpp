// The deep generative models' steps: golden values, gradients of the whole bound, the sum over labels.
#include "nn/variational.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "nn/support.h"

namespace deepsad {
namespace {

using kernels::GaussianForm;
using kernels::KlEstimate;
using kernels::LogVariance;
using testing::golden;
using testing::view;
using Json = nlohmann::json;

constexpr double kForwardTolerance = 1e-5;  // of the golden file, relative to the largest value of a list
constexpr GaussianForm kReferenceForm{LogVariance::softplus, KlEstimate::single_sample};

template <class Values>
void expect_close(const Values& got, const Json& wanted, const std::string& what) {
  const std::vector<double> expected =
      wanted.is_array() ? wanted.get<std::vector<double>>() : std::vector<double>{wanted.get<double>()};
  double largest = 0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  ASSERT_GE(std::size(got), expected.size()) << what;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(std::data(got)[i]), expected[i], kForwardTolerance * largest)
        << what << "[" << i << "]";
  }
}

/// Everything that a model of these kinds is trained with.
template <class T>
struct Model {
  Model(const GenerativeNetwork& network, GenerativeKind kind, GaussianForm form, std::size_t max_batch,
        const StateDict& state, std::size_t n_threads = 1)
      : pool(n_threads),
        specs(generative_specs(network, kind)),
        generative(specs, kind, form, 2 * max_batch, pool) {
    generative.load(state);
    if (!specs.classifier) return;
    classifier = std::make_unique<Plan<T>>(*specs.classifier, max_batch, PlanMode::train, pool);
    classifier->load(without_prefix(state, "classifier."));
    classifier_state = without_prefix(state, "classifier.");
  }
  ThreadPool pool;
  GenerativeSpecs specs;
  VariationalNetwork<T> generative;
  std::unique_ptr<Plan<T>> classifier;
  StateDict classifier_state;
};

template <class T>
Matrix<T> outputs_of(const NetworkSpec& spec, const StateDict& state, const Matrix<T>& x, ThreadPool& pool) {
  Plan<T> plan(spec, 0, PlanMode::infer, pool);
  plan.load(state);
  Matrix<T> outputs(x.rows, plan.n_outputs());
  plan.infer_rows(view(x), view(outputs));
  return outputs;
}

template <class T>
class RowsOf final : public GroupSource<T> {
 public:
  explicit RowsOf(const Matrix<T>& x) : x_(x) {}
  void fill(std::size_t group, std::size_t n_valid, T* values) const noexcept override {
    for (std::size_t j = 0; j < x_.cols; ++j) {
      for (std::size_t l = 0; l < kernels::kLanes; ++l) {
        values[j * kernels::kLanes + l] = l < n_valid ? x_.row(group * kernels::kLanes + l)[j] : T{0};
      }
    }
  }

 private:
  const Matrix<T>& x_;
};

std::vector<std::uint8_t> labels_of(const Json& block) {
  return block.at("labels").get<std::vector<std::uint8_t>>();
}

template <class T>
class GoldenGenerative : public ::testing::Test {};
using Numbers = ::testing::Types<float, double>;
TYPED_TEST_SUITE(GoldenGenerative, Numbers);

TYPED_TEST(GoldenGenerative, Vae) {
  using T = TypeParam;
  const Json& block = golden("deep_generative").at("mnist_vae_zero_noise");
  const GenerativeNetwork network = generative_network_by_name("mnist_VAE", GenerativeKind::vae);
  const StateDict state = testing::golden_state(generative_tensors(network, GenerativeKind::vae));
  Model<T> model(network, GenerativeKind::vae, kReferenceForm, 2, state);
  const Matrix<T> x = testing::golden_input<T>(2, 784);
  VaeStep<T> step(model.generative, view(x), 2, NoiseStream(1, "test"));
  step.noise().silence();
  EXPECT_NEAR(step.forward_backward(testing::first_rows(2)), block.at("loss").get<double>(),
              673 * kForwardTolerance);

  std::vector<T> mu, log_variance, reconstruction;
  const T* heads = model.generative.encoder().output(0);
  const T* logits = model.generative.decoder().output(0);
  for (std::size_t j = 0; j < 4; ++j) {
    mu.push_back(heads[j * kernels::kLanes]);
    log_variance.push_back(std::log1p(std::exp(heads[(32 + j) * kernels::kLanes])));
    reconstruction.push_back(1 / (1 + std::exp(-logits[j * kernels::kLanes])));
  }
  expect_close(mu, block.at("mu_row0_first4"), "mu");
  expect_close(log_variance, block.at("log_var_row0_first4"), "log_var");
  expect_close(reconstruction, block.at("rec_row0_first4"), "reconstruction");

  std::vector<double> costs(2);
  const std::vector<T> weights(2, T{1});
  model.generative.forward_backward({.n = 2, .input = RowsOf<T>(x), .weights = weights.data(), .noise = {}},
                                    costs);
  const std::vector<double> kl{model.generative.divergence(0), model.generative.divergence(1)};
  // The divergences are differences of numbers of the size of z^2 = 5: held to the costs' tolerance.
  const auto wanted_kl = block.at("kl_per_sample").get<std::vector<double>>();
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(kl[i], wanted_kl[i], 5.6 * kForwardTolerance);
  expect_close(std::vector<double>{costs[0] - kl[0], costs[1] - kl[1]}, block.at("bce_per_sample"), "BCE");
}

// Every row of the block counts once as labelled and once as unlabelled.
template <class T>
void expect_golden_model(const std::string& name) {
  SCOPED_TRACE(name);
  const Json& block = golden("deep_generative").at(name + "_zero_noise");
  const GenerativeKind kind = generative_kind_of(name).value();
  const GenerativeNetwork network = generative_network_by_name(name, kind);
  const StateDict state = testing::golden_state(generative_tensors(network, kind));
  const std::vector<std::uint8_t> labels = labels_of(block);
  const std::size_t n = labels.size();
  const Matrix<T> x = testing::golden_input<T>(n, n_elements(network.input));
  Model<T> model(network, kind, kReferenceForm, 2 * n, state);

  Matrix<T> posteriors, codes;
  if (kind == GenerativeKind::m1m2) {
    const NetworkSpec features = generative_specs(network, GenerativeKind::vae).encoder;
    posteriors = outputs_of(
        features, join_heads(without_prefix(without_prefix(state, "features."), "encoder.")), x, model.pool);
    codes = Matrix<T>(n, network.n_latent);
    for (std::size_t i = 0; i < n; ++i)
      std::copy_n(posteriors.row(i).begin(), network.n_latent, codes.row(i).begin());
  }
  const Matrix<T>& classified = kind == GenerativeKind::m1m2 ? codes : x;
  const Matrix<T> logits =
      outputs_of(*model.specs.classifier, model.classifier_state, classified, model.pool);

  // In evaluation mode, from the parts: q, the bounds with either label, and what J is made of.
  std::vector<double> q_of_rows;
  std::array<std::vector<double>, 2> costs;
  for (std::uint8_t label = 0; label < 2; ++label) {
    costs[label].resize(n);
    const std::vector<std::uint8_t> all(n, label);
    const std::vector<T> weights(n, T{1});
    const RowsOf<T> target(x), input(classified);
    model.generative.forward_backward({.n = n,
                                       .input = input,
                                       .target = kind == GenerativeKind::m1m2 ? &target : nullptr,
                                       .labels = all.data(),
                                       .weights = weights.data(),
                                       .noise = {}},
                                      costs[label]);
    std::vector<double> bounds;
    for (const double cost : costs[label]) bounds.push_back(-cost - kLabelCost);
    expect_close(bounds, block.at(label == 0 ? "elbo_y0_per_sample" : "elbo_y1_per_sample"), "bound");
  }
  double labelled = 0, unlabelled = 0, log_q = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::array<double, 2> q{}, d{};
    const std::array<double, 2> of_row{static_cast<double>(logits.row(i)[0]),
                                       static_cast<double>(logits.row(i)[1])};
    unlabelled += unlabelled_cost({costs[0][i], costs[1][i]}, of_row, q, d) / static_cast<double>(n);
    labelled += (costs[labels[i]][i] + kLabelCost) / static_cast<double>(n);
    log_q -= classification_cost(labels[i], of_row, d) / static_cast<double>(n);
    q_of_rows.insert(q_of_rows.end(), q.begin(), q.end());
  }
  const auto alpha = block.at("alpha").get<double>();
  expect_close(q_of_rows, block.at("q_y_given_x"), "q");
  expect_close(std::vector<double>{labelled}, block.at("L_labelled_term"), "L");
  expect_close(std::vector<double>{unlabelled}, block.at("U_unlabelled_term"), "U");
  expect_close(std::vector<double>{log_q}, block.at("mean_log_q_true"), "C");
  expect_close(std::vector<double>{labelled + unlabelled - alpha * log_q}, block.at("J_alpha"), "J");

  // The training step itself, where no batch norm makes it differ from evaluation mode.
  if (network.classifier_body) return;
  std::vector<SemiLabel> semi;
  Matrix<T> twice(2 * n, x.cols), classified_twice(2 * n, classified.cols),
      posteriors_twice(2 * n, posteriors.cols);
  for (std::size_t i = 0; i < 2 * n; ++i) {
    semi.push_back(i >= n ? SemiLabel::unlabelled : labels[i] == 1 ? SemiLabel::anomaly : SemiLabel::normal);
    std::copy_n(x.row(i % n).begin(), x.cols, twice.row(i).begin());
    std::copy_n(classified.row(i % n).begin(), classified.cols, classified_twice.row(i).begin());
    if (posteriors.cols > 0)
      std::copy_n(posteriors.row(i % n).begin(), posteriors.cols, posteriors_twice.row(i).begin());
  }
  const Matrix<T>& const_twice = twice;
  const Matrix<T>& const_classified = classified_twice;
  const Matrix<T>& const_posteriors = posteriors_twice;
  SemiSupervisedStep<T> step(model.generative, *model.classifier,
                             {.x = view(const_twice),
                              .classified = view(const_classified),
                              .posteriors = view(const_posteriors),
                              .posterior_form = kReferenceForm,
                              .semi = semi},
                             {.alpha = alpha}, 2 * n, NoiseStream(1, "test"), NoiseStream(1, "code"));
  step.noise().silence();
  step.code_noise().silence();
  expect_close(std::vector<double>{step.forward_backward(testing::first_rows(2 * n))}, block.at("J_alpha"),
               "J of the step");
  expect_close(std::vector<double>{step.terms().labelled}, block.at("L_labelled_term"), "L of the step");
  expect_close(std::vector<double>{step.terms().unlabelled}, block.at("U_unlabelled_term"), "U of the step");
}

TYPED_TEST(GoldenGenerative, M2OfATable) {
  expect_golden_model<TypeParam>("thyroid_DGM_M2");
}
TYPED_TEST(GoldenGenerative, M2OfImages) {
  expect_golden_model<TypeParam>("mnist_DGM_M2");
}
TYPED_TEST(GoldenGenerative, M1M2) {
  expect_golden_model<TypeParam>("mnist_DGM_M1M2");
}

// --- gradients in double ---

// Central differences along random directions and single weights of every tensor of a plan. ReLUs have kinks:
// where the difference does not match, the step is made smaller, which leaves a kink outside.
template <class Step>
void expect_gradient(Plan<double>& plan, Step& step, std::span<const std::uint32_t> rows,
                     const std::string& what) {
  (void)step.forward_backward(rows);
  const std::vector<double> gradient = plan.gradient();
  RandomStream stream(7, "test/gradient");
  for (const auto& place : plan.places()) {
    const std::size_t size = place.at.size();
    double largest = 0;
    for (const std::size_t at : place.at) largest = std::max(largest, std::abs(gradient[at]));
    EXPECT_GT(largest, 0) << what << place.name << " has no gradient at all";
    for (std::size_t trial = 0; trial < 8; ++trial) {
      std::vector<double> direction(size, 0.0);
      if (trial < 6) {
        direction[stream.below(size)] = 1;
      } else {
        for (double& v : direction) v = stream.normal() / std::sqrt(static_cast<double>(size));
      }
      double wanted = 0;
      for (std::size_t i = 0; i < size; ++i) wanted += gradient[place.at[i]] * direction[i];
      const std::vector<double> kept(plan.weights().begin(), plan.weights().end());
      const auto value_at = [&](double h) {
        for (std::size_t i = 0; i < size; ++i)
          plan.weights()[place.at[i]] = kept[place.at[i]] + h * direction[i];
        const double value = step.forward_backward(rows);
        std::copy(kept.begin(), kept.end(), plan.weights().begin());
        return value;
      };
      double best = 1, numeric = 0;
      double h = 1e-4;
      for (int attempt = 0; attempt < 5 && best > 1e-6; ++attempt, h /= 4) {
        const double difference = (value_at(h) - value_at(-h)) / (2 * h);
        const double error =
            std::abs(difference - wanted) / (std::abs(difference) + std::abs(wanted) + 1e-2 * largest);
        if (error < best) {
          best = error;
          numeric = difference;
        }
      }
      EXPECT_LE(best, 1e-6) << what << place.name << ": gradient " << wanted << ", central difference "
                            << numeric;
    }
  }
}

GenerativeNetwork small_network(GenerativeKind kind, bool images) {
  GenerativeNetwork network{
      .name = "small", .input = images ? Shape{1, 6, 6} : Shape{5}, .hidden = {7, 6}, .n_latent = 3};
  if (images && kind == GenerativeKind::m2) {
    network.classifier_body =
        NetworkSpec{{1, 6, 6},
                    {{.kind = LayerKind::conv2d, .name = "c", .out = 2, .kernel = 3, .padding = 1},
                     {.kind = LayerKind::batch_norm, .name = "b"},
                     {.kind = LayerKind::leaky_relu},
                     {.kind = LayerKind::max_pool2d},
                     {.kind = LayerKind::reshape, .shape = {18}},
                     {.kind = LayerKind::linear, .name = "f", .out = 4}}};
  }
  return network;
}

// Weights that differ from the initial ones in the biases, so that no term is 0 by accident.
StateDict random_state(const GenerativeNetwork& network, GenerativeKind kind) {
  StateDict state = initial_state(network, kind, 5);
  RandomStream stream(5, "test/biases");
  for (StateTensor& tensor : state) {
    if (!tensor.name.ends_with(".bias")) continue;
    for (float& value : tensor.values) value = static_cast<float>(stream.uniform(-0.3, 0.3));
  }
  return state;
}

constexpr GaussianForm kForms[] = {{LogVariance::bounded, KlEstimate::closed_form}, kReferenceForm};

TEST(VariationalGradient, Vae) {
  for (const GaussianForm form : kForms) {
    const GenerativeNetwork network = small_network(GenerativeKind::vae, false);
    constexpr std::size_t n = 19;
    Model<double> model(network, GenerativeKind::vae, form, n, random_state(network, GenerativeKind::vae));
    const Matrix<double> x = testing::random_matrix<double>(n, 5, 3);
    VaeStep<double> step(model.generative, view(x), n, NoiseStream(1, "test"));
    step.noise().hold();
    expect_gradient(model.generative.encoder(), step, testing::first_rows(n), "encoder: ");
    expect_gradient(model.generative.decoder(), step, testing::first_rows(n), "decoder: ");
  }
}

std::vector<SemiLabel> mixed_labels(std::size_t n) {
  std::vector<SemiLabel> semi(n, SemiLabel::unlabelled);
  for (std::size_t i = 0; i < n; ++i) {
    if (i % 4 == 1) semi[i] = i % 8 == 1 ? SemiLabel::anomaly : SemiLabel::normal;
  }
  return semi;
}

void expect_gradients_of(GenerativeKind kind, bool images, GaussianForm form, BatchWeights weights) {
  const GenerativeNetwork network = small_network(kind, images);
  constexpr std::size_t n = 21;
  Model<double> model(network, kind, form, n, random_state(network, kind));
  const Matrix<double> x = testing::random_matrix<double>(n, n_elements(network.input), 3);
  const Matrix<double> posteriors = testing::random_matrix<double>(n, 2 * network.n_latent, 4, -1, 1);
  const MatrixView<const double> codes(posteriors.values.data(), n, network.n_latent, posteriors.cols);
  const std::vector<SemiLabel> semi = mixed_labels(n);
  const bool stacked = kind == GenerativeKind::m1m2;
  SemiSupervisedStep<double> step(model.generative, *model.classifier,
                                  {.x = view(x),
                                   .classified = stacked ? codes : view(x),
                                   .posteriors = stacked ? view(posteriors) : MatrixView<const double>(),
                                   .posterior_form = form,
                                   .semi = semi},
                                  {.alpha = 1.7, .weights = weights}, n, NoiseStream(1, "test"),
                                  NoiseStream(1, "code"));
  step.noise().hold();
  step.code_noise().hold();
  expect_gradient(model.generative.encoder(), step, testing::first_rows(n), "encoder: ");
  expect_gradient(model.generative.decoder(), step, testing::first_rows(n), "decoder: ");
  expect_gradient(*model.classifier, step, testing::first_rows(n), "classifier: ");
}

TEST(VariationalGradient, M2OfATable) {
  expect_gradients_of(GenerativeKind::m2, false, kForms[0], BatchWeights::means);
  expect_gradients_of(GenerativeKind::m2, false, kForms[1], BatchWeights::counts);
}
TEST(VariationalGradient, M2OfImagesWithABatchNormInTheClassifier) {
  expect_gradients_of(GenerativeKind::m2, true, kForms[0], BatchWeights::means);
}
TEST(VariationalGradient, M1M2) {
  expect_gradients_of(GenerativeKind::m1m2, false, kForms[0], BatchWeights::means);
  expect_gradients_of(GenerativeKind::m1m2, true, kForms[1], BatchWeights::counts);
}

// --- the objective ---

TEST(UnlabelledCost, IsTheExplicitSumOverLabels) {
  RandomStream stream(1, "test/cost");
  for (int trial = 0; trial < 200; ++trial) {
    const std::array<double, 2> costs{stream.uniform(0, 900), stream.uniform(0, 900)};
    const std::array<double, 2> logits{stream.uniform(-9, 9), stream.uniform(-9, 9)};
    std::array<double, 2> q{}, d{}, ignored{};
    const double value = unlabelled_cost(costs, logits, q, d);
    const double q1 = 1 / (1 + std::exp(logits[0] - logits[1]));
    // -(sum_y q(y) E(x, y) + H(q)), E = -cost + log 1/2.
    const double bound = (1 - q1) * (-costs[0] + std::log(0.5)) + q1 * (-costs[1] + std::log(0.5));
    const double entropy = -(1 - q1) * std::log1p(-q1) - q1 * std::log(q1);
    EXPECT_NEAR(value, -(bound + entropy), 1e-9);
    EXPECT_NEAR(q[1], q1, 1e-12);
    EXPECT_NEAR(q[0] + q[1], 1, 1e-12);
    for (std::size_t k = 0; k < 2; ++k) {
      std::array<double, 2> moved = logits;
      moved[k] += 1e-5;
      const double above = unlabelled_cost(costs, moved, q, ignored);
      moved[k] -= 2e-5;
      EXPECT_NEAR(d[k], (above - unlabelled_cost(costs, moved, q, ignored)) / 2e-5, 1e-4) << trial;
    }
  }
}

TEST(UnlabelledCost, StaysFiniteWhenTheClassifierIsCertain) {
  std::array<double, 2> q{}, d{};
  EXPECT_NEAR(unlabelled_cost({700, 3}, {-2000, 2000}, q, d), 3 + kLabelCost, 1e-9);
  EXPECT_EQ(q[0], 0);
  EXPECT_EQ(d[0], 0);
  EXPECT_EQ(classification_cost(0, {-2000, 2000}, d), 4000);
  EXPECT_EQ(d[0], -1);
  EXPECT_EQ(d[1], 1);
}

struct StepCase {
  std::vector<SemiLabel> semi;
  SemiSupervisedStepOptions options;
};

// Value and gradient norm of the classifier's logit layer for given labels.
std::pair<SemiSupervisedStep<double>::Terms, double> terms_of(const StepCase& c,
                                                              std::int64_t* batches = nullptr) {
  const GenerativeNetwork network = small_network(GenerativeKind::m2, true);
  const std::size_t n = c.semi.size();
  Model<double> model(network, GenerativeKind::m2, kForms[0], n, random_state(network, GenerativeKind::m2));
  const Matrix<double> x = testing::random_matrix<double>(n, 36, 3);
  SemiSupervisedStep<double> step(model.generative, *model.classifier,
                                  {.x = view(x), .classified = view(x), .semi = c.semi}, c.options, n,
                                  NoiseStream(1, "test"), NoiseStream(1, "code"));
  const double value = step.forward_backward(testing::first_rows(n));
  const auto& terms = step.terms();
  EXPECT_TRUE(std::isfinite(value));
  EXPECT_NEAR(value, terms.labelled + terms.unlabelled + c.options.alpha * terms.classification, 1e-9);
  double squares = 0;
  for (const double g : model.classifier->gradient()) squares += g * g;
  if (batches != nullptr)
    *batches = testing::tensor_of(model.classifier->state(), "net.b.num_batches_tracked").count;
  return {terms, std::sqrt(squares)};
}

TEST(SemiSupervisedStep, CountsASingleLabelledRow) {
  std::vector<SemiLabel> semi(9, SemiLabel::unlabelled);
  semi[4] = SemiLabel::anomaly;
  const auto [terms, gradient] = terms_of({semi, {.alpha = 3}});
  EXPECT_EQ(terms.n_labelled, 1U);
  EXPECT_GT(terms.labelled, 1);
  EXPECT_GT(terms.classification, 0);
  const auto [dropped, gradient_without] = terms_of({semi, {.alpha = 3, .drop_single_labelled = true}});
  EXPECT_EQ(dropped.labelled, 0);
  EXPECT_EQ(dropped.classification, 0);
  EXPECT_EQ(dropped.unlabelled, terms.unlabelled);
  EXPECT_NE(gradient, gradient_without);
}

TEST(SemiSupervisedStep, TakesBatchesOfOneKind) {
  const auto [none, g1] = terms_of({std::vector<SemiLabel>(5, SemiLabel::unlabelled), {}});
  EXPECT_EQ(none.labelled, 0);
  EXPECT_GT(none.unlabelled, 0);
  const auto [all, g2] = terms_of({std::vector<SemiLabel>(5, SemiLabel::normal), {}});
  EXPECT_EQ(all.unlabelled, 0);
  EXPECT_GT(all.labelled, 0);
}

TEST(SemiSupervisedStep, WeighsRowsByMeansOrByCounts) {
  const std::vector<SemiLabel> semi = mixed_labels(16);  // 4 labelled, 12 not
  const auto [means, g1] = terms_of({semi, {.weights = BatchWeights::means}});
  const auto [counts, g2] = terms_of({semi, {.weights = BatchWeights::counts}});
  EXPECT_NEAR(counts.labelled, means.labelled * 4 / 16, 1e-9);
  EXPECT_NEAR(counts.unlabelled, means.unlabelled * 12 / 16, 1e-9);
  EXPECT_NEAR(counts.classification, means.classification * 4 / 16, 1e-9);
}

TEST(SemiSupervisedStep, NormalisesTheJointBatchOnce) {
  std::int64_t batches = 0;
  (void)terms_of({mixed_labels(16), {}}, &batches);
  EXPECT_EQ(batches, 1);
}

TEST(SameBitsGenerative, AtAnyThreadCount) {
  const GenerativeNetwork network = generative_network_by_name("mnist_DGM_M2", GenerativeKind::m2);
  const StateDict start = initial_state(network, GenerativeKind::m2, 5);
  const Matrix<float> x = testing::random_matrix<float>(70, 784, 3);
  const std::vector<SemiLabel> semi = mixed_labels(70);
  StateDict wanted;
  for (const std::size_t threads : {1UL, 2UL, 3UL}) {
    Model<float> model(network, GenerativeKind::m2, kForms[0], 70, start, threads);
    SemiSupervisedStep<float> step(model.generative, *model.classifier,
                                   {.x = view(x), .classified = view(x), .semi = semi}, {}, 70,
                                   NoiseStream(1, "test"), NoiseStream(1, "code"));
    for (int k = 0; k < 2; ++k) {
      (void)step.forward_backward(testing::first_rows(70));
      step.update(1e-3F, 1e-6F);
    }
    StateDict state = model.generative.state();
    for (StateTensor& tensor : model.classifier->state()) state.push_back(tensor);
    if (threads == 1) wanted = state;
    EXPECT_EQ(state, wanted) << threads << " threads";
  }
}

TEST(NoiseStream, GivesEveryStepNumbersOfItsOwn) {
  NoiseStream stream(1, "a"), again(1, "a"), other(1, "b");
  const NoiseKey first = stream.next();
  EXPECT_EQ(again.next(), first);
  EXPECT_NE(other.next(), first);
  EXPECT_NE(stream.next(), first);
  again.silence();
  EXPECT_EQ(again.next(), std::nullopt);
}

}  // namespace
}  // namespace deepsad
