#include "deepsad/interchange/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "deepsad/core/random.h"
#include "interchange/cases.h"
#include "interchange/onnx_evaluation.h"
#include "interchange/onnx_format.h"
#include "interchange/onnx_graph.h"
#include "interchange/onnx_scaler.h"

namespace deepsad {
namespace {

using ::testing::AllOf;
using testing::ExportCase;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::vector<std::uint8_t> bytes_of(const OnnxFile& file) {
  const std::string bytes = onnx_bytes(file);
  return {bytes.begin(), bytes.end()};
}

Model small_model(const ExportCase& wanted = {"table", "deep_sad", "", {5}}) {
  return testing::trained(wanted, testing::raw_rows(wanted.sample_shape, 60, 1));
}

class OnnxOf : public ::testing::TestWithParam<ExportCase> {};

TEST_P(OnnxOf, TheGraphGivesTheModelsScores) {
  const ExportCase& wanted = GetParam();
  const Model model = testing::trained(wanted, testing::raw_rows(wanted.sample_shape, 40, 1));
  ThreadPool pool(1);
  const std::vector<std::uint8_t> bytes = to_onnx(model, pool);
  const OnnxCheck check = check_onnx(bytes, "file.onnx", &model, pool);
  EXPECT_EQ(check.n_rows, kProbeRows);
  EXPECT_LE(check.graph_difference, 1);
  EXPECT_EQ(check.model_difference, 0);

  const OnnxFile file = onnx_from_bytes(bytes, "file.onnx");
  EXPECT_EQ(file.opset, kOnnxOpset);
  EXPECT_EQ(file.inputs[0].name, "x");
  EXPECT_EQ(file.inputs[0].type, wanted.sample_shape.size() == 3 ? OnnxType::u8 : OnnxType::f64);
  EXPECT_EQ(file.outputs.size(), 2U);
  EXPECT_EQ(file.metadata.at("deepsad.method"), wanted.method);
  // Scores that are all alike would prove nothing.
  const auto scores =
      nlohmann::json::parse(file.metadata.at("deepsad.probe")).at("scores").get<std::vector<float>>();
  const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
  EXPECT_LT(*least, *most);
}

INSTANTIATE_TEST_SUITE_P(EveryNetwork, OnnxOf, ::testing::ValuesIn(testing::export_cases()),
                         [](const auto& test) {
                           std::string name = test.param.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Onnx, TheSameModelGivesTheSameBytesAtAnyThreadCount) {
  const Model model = small_model();
  ThreadPool one(1), three(3);
  EXPECT_EQ(to_onnx(model, one), to_onnx(model, three));
}

TEST(Onnx, ReadingAFileGivesWhatWasWritten) {
  ThreadPool pool(1);
  const auto bytes = to_onnx(small_model(), pool);
  EXPECT_EQ(bytes_of(onnx_from_bytes(bytes, "file.onnx")), bytes);
}

TEST(Onnx, NoRowsGiveNoScores) {
  ThreadPool pool(1);
  const OnnxFile file = onnx_from_bytes(to_onnx(small_model(), pool), "file.onnx");
  const auto outputs =
      evaluate_onnx(file, {{"x", {.type = OnnxType::f64, .shape = {0, 5}, .values = {}}}}, "file.onnx");
  EXPECT_EQ(outputs.at("score").shape, (std::vector<std::size_t>{0}));
}

TEST(Onnx, LabelsFollowTheThresholdAlsoWhereItIsNoFloat) {
  const Model model = small_model();
  ThreadPool pool(1);
  const auto rows = testing::raw_rows({5}, 30, 2);
  const std::vector<float> scores = model.score(testing::view_of(rows, 5), pool);
  const auto middle = static_cast<double>(scores[7]);
  for (const double threshold : {middle, std::nextafter(middle, 0.0), std::nextafter(middle, 1e30), 1e300,
                                 -1e300, std::numeric_limits<double>::infinity()}) {
    Decision decision;
    decision.threshold = manual_threshold(0);
    decision.threshold->value = threshold;
    const OnnxFile file = onnx_from_bytes(to_onnx(model.with_decision(decision), pool), "file.onnx");
    OnnxFile labels_only = file;
    labels_only.nodes.erase(labels_only.nodes.begin(), labels_only.nodes.end() - 2);
    labels_only.outputs.erase(labels_only.outputs.begin());
    for (const float score : scores) {
      const auto outputs = evaluate_onnx(
          labels_only,
          {{"score", {.type = OnnxType::f32, .shape = {1}, .values = {static_cast<double>(score)}}}},
          "file.onnx");
      EXPECT_EQ(outputs.at("label").values[0] == 1, decision.threshold->is_anomalous(score))
          << score << " and " << threshold;
    }
  }
}

TEST(Onnx, WithoutAThresholdThereIsNoLabel) {
  ThreadPool pool(1);
  const OnnxFile file = onnx_from_bytes(to_onnx(small_model().with_decision({}), pool), "file.onnx");
  EXPECT_EQ(file.outputs.size(), 1U);
  EXPECT_FALSE(file.metadata.contains("deepsad.threshold"));
}

TEST(Onnx, MethodsWithoutANetworksScoreAreRefusedByName) {
  ThreadPool pool(1);
  for (const char* method : {"oc_svm", "ssad", "kde", "isolation_forest"}) {
    const Model model = small_model({method, method, "", {5}});
    EXPECT_THAT([&] { (void)to_onnx(model, pool); },
                ThrowsMessage<InvalidArgument>(AllOf(HasSubstr(method), HasSubstr("deep_sad, deep_svdd"))));
  }
}

// Quantiles that many rows share, at the ends and between; columns that are constant, of two values, of whole
// numbers, and of tiny differences: the scaled values must be the scaler's to the bit of float.
TEST(OnnxScaler, QuantilesAreAsTheScalerTakesThem) {
  constexpr std::size_t kFeatures = 6, kRows = 400;
  RandomStream random(5, "test");
  std::vector<double> values;
  for (std::size_t i = 0; i < kRows; ++i) {
    const auto whole = static_cast<double>(random.below(7));
    values.insert(values.end(), {3.5, i % 3 == 0 ? 1.0 : 0.0, whole - 3, std::max(0.0, random.normal()),
                                 1e9 + 1e-3 * random.normal(), std::pow(10.0, 40 * random.normal())});
  }
  const Scaler scaler = Scaler::fit_table(testing::view_of(values, kFeatures), Scaling::quantile);
  // The rows themselves, what lies just beside them, between and beyond.
  std::vector<double> rows = values;
  // Beside 0 the smallest normal numbers: the graph takes those that are not for 0.
  for (const double side : {-1e300, 1e300}) {
    for (const double value : values)
      rows.push_back(value == 0 ? std::copysign(std::numeric_limits<double>::min(), side)
                                : std::nextafter(value, side));
  }
  for (const double value : values) rows.push_back(value * (1 + 0.01 * random.normal()));
  for (const double value : values) rows.push_back(value + 10 * random.normal());
  const RawRows raw = testing::view_of(rows, kFeatures);
  Matrix<float> wanted(raw.size(), kFeatures);
  scaler.transform(raw, 0, {wanted.values.data(), wanted.rows, wanted.cols});
  GraphBuilder graph;
  graph.file.outputs = {{add_scaler(graph, scaler, "x", {kFeatures}), OnnxType::f32, {}}};
  const auto outputs = evaluate_onnx(
      graph.file, {{"x", {.type = OnnxType::f64, .shape = {raw.size(), kFeatures}, .values = rows}}}, "test",
      std::size_t{1} << 24);
  const OnnxArray& found = outputs.at("scaled");
  ASSERT_EQ(found.shape, (std::vector<std::size_t>{raw.size(), kFeatures}));
  for (std::size_t k = 0; k < found.values.size(); ++k) {
    const auto value = static_cast<double>(wanted.values.data()[k]);
    // One step of float, where the last rounding goes the other way; near 0 one of double at 1.
    ASSERT_NEAR(found.values[k], value, std::abs(value) * 1.2e-7 + 1e-15)
        << "row " << k / kFeatures << ", feature " << k % kFeatures << ": " << rows[k];
  }
}

TEST(Onnx, AnAlteredWeightIsFound) {
  ThreadPool pool(1);
  OnnxFile file = onnx_from_bytes(to_onnx(small_model(), pool), "file.onnx");
  for (OnnxTensor& tensor : file.constants) {
    if (tensor.name != "center") continue;
    const float other = 5;
    std::memcpy(tensor.bytes.data(), &other, sizeof(other));
  }
  EXPECT_THAT([&] { (void)check_onnx(bytes_of(file), "file.onnx", nullptr, pool); },
              ThrowsMessage<ModelError>(AllOf(HasSubstr("file.onnx: probe row 0"), HasSubstr("its graph"))));
}

TEST(Onnx, AnAlteredThresholdIsFound) {
  ThreadPool pool(1);
  const auto bytes = to_onnx(small_model(), pool);
  OnnxFile file = onnx_from_bytes(bytes, "file.onnx");
  const auto scores =
      nlohmann::json::parse(file.metadata.at("deepsad.probe")).at("scores").get<std::vector<double>>();
  Threshold above_all = manual_threshold(2 * *std::max_element(scores.begin(), scores.end()));
  file.metadata.at("deepsad.threshold") = threshold_to_json(above_all);
  EXPECT_THAT([&] { (void)check_onnx(bytes_of(file), "file.onnx", nullptr, pool); },
              ThrowsMessage<ModelError>(HasSubstr("its graph labels it otherwise")));
}

// Whatever the graph gives would lie within a tolerance below 0.
TEST(Onnx, TheFilesTolerancesCountAndMustBeAboveZero) {
  ThreadPool pool(1);
  const auto bytes = to_onnx(small_model(), pool);
  const auto with_tolerance = [&](const std::string& tolerance) {
    OnnxFile file = onnx_from_bytes(bytes, "file.onnx");
    auto probe = nlohmann::json::parse(file.metadata.at("deepsad.probe"));
    probe["tolerances"][3] = "HERE";
    std::string text = probe.dump();
    file.metadata.at("deepsad.probe") = text.replace(text.find("\"HERE\""), 6, tolerance);
    return bytes_of(file);
  };
  for (const char* refused : {"0", "-0.5", "-1e300"}) {
    EXPECT_THAT([&] { (void)check_onnx(with_tolerance(refused), "file.onnx", nullptr, pool); },
                ThrowsMessage<DataError>(
                    AllOf(HasSubstr("file.onnx: damaged"), HasSubstr("in row 3, wanted a finite number"))));
  }
  EXPECT_THAT([&] { (void)check_onnx(with_tolerance("1e999"), "file.onnx", nullptr, pool); },
              ThrowsMessage<DataError>(HasSubstr("file.onnx: damaged")));
  // The graph computes in double, the model in float: they differ by more than this.
  EXPECT_THAT([&] { (void)check_onnx(with_tolerance("1e-30"), "file.onnx", nullptr, pool); },
              ThrowsMessage<ModelError>(HasSubstr("probe row 3")));
}

TEST(Onnx, AnotherModelsFileIsFound) {
  ThreadPool pool(1);
  const auto bytes = to_onnx(small_model(), pool);
  const Model other_weights = testing::trained({"table", "deep_sad", "", {5}}, testing::raw_rows({5}, 60, 8));
  EXPECT_THAT([&] { (void)check_onnx(bytes, "file.onnx", &other_weights, pool); },
              ThrowsMessage<ModelError>(HasSubstr("the model gives the score")));
  const Model other_rows = small_model({"table", "deep_sad", "", {4}});
  EXPECT_THAT([&] { (void)check_onnx(bytes, "file.onnx", &other_rows, pool); },
              ThrowsMessage<ModelError>(HasSubstr("rows of 5 values, but the model takes 4")));
}

TEST(Onnx, WhatIsNoFileOfOursIsRefusedWithTheReason) {
  ThreadPool pool(1);
  const auto bytes = to_onnx(small_model(), pool);
  const auto refused = [&](const std::vector<std::uint8_t>& content, const char* why) {
    EXPECT_THAT([&] { (void)check_onnx(content, "file.onnx", nullptr, pool); },
                ThrowsMessage<DataError>(AllOf(HasSubstr("file.onnx: "), HasSubstr(why))));
  };
  const std::string text = "not a model, but some text";
  refused({text.begin(), text.end()}, "no ONNX file");
  refused({}, "no graph");
  refused({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(bytes.size() / 2)}, "beyond the end");
  const auto altered = [&](auto&& change) {
    OnnxFile file = onnx_from_bytes(bytes, "file.onnx");
    change(file);
    return bytes_of(file);
  };
  refused(altered([](OnnxFile& f) { f.metadata.erase("deepsad.probe"); }), "no file of `deepsad export`");
  refused(altered([](OnnxFile& f) { f.metadata.at("deepsad.probe") = "{}"; }), "cannot be read");
  refused(altered([](OnnxFile& f) {
            f.metadata.at("deepsad.probe") = R"({"rows":[[1]],"scores":[1],"tolerances":[1]})";
          }),
          "have 1 values in row 0, but the graph takes 5");
  refused(altered([](OnnxFile& f) { f.nodes.back().op = "Loop"; }), "of the kind Loop");
  refused(altered([](OnnxFile& f) { f.nodes.front().inputs[0] = "nothing"; }), "\"nothing\"");
  refused(altered([](OnnxFile& f) {
            f.outputs.clear();
            f.outputs.push_back({"other", OnnxType::f32, {-1}});
          }),
          "no node computes the output \"other\"");
}

/// The output of one node.
OnnxArray run(OnnxNode node, std::map<std::string, OnnxArray> inputs) {
  OnnxFile file;
  node.outputs = {"y"};
  file.nodes = {std::move(node)};
  file.outputs = {{"y", OnnxType::f32, {}}};
  return evaluate_onnx(file, std::move(inputs), "test").at("y");
}

TEST(OnnxEvaluation, AReshapeToOtherThanWholeExtentsIsRefused) {
  const auto reshaped = [](std::vector<double> extents) {
    const OnnxArray x{.type = OnnxType::f32, .shape = {3}, .values = {1, 2, 3}};
    const OnnxArray shape{.type = OnnxType::f64, .shape = {extents.size()}, .values = std::move(extents)};
    return run({"Reshape", {"x", "shape"}, {}}, {{"x", x}, {"shape", shape}});
  };
  EXPECT_EQ(reshaped({3, 1}).shape, (std::vector<std::size_t>{3, 1}));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const std::vector<double>& extents :
       {std::vector<double>{1.5, 2}, {-1, 3}, {-3, -1}, {std::nan(""), 3}, {kInfinity, 3}, {1e300, 3}}) {
    EXPECT_THAT([&] { (void)reshaped(extents); }, ThrowsMessage<DataError>(HasSubstr("wanted whole extents")))
        << ::testing::PrintToString(extents);
  }
}

// Extents whose product is 2^64, that is 0, and one of 0.
TEST(OnnxEvaluation, MapsWithoutElementsMayHaveAnyExtents) {
  const std::size_t huge = std::size_t{1} << 62;
  const OnnxArray x{.type = OnnxType::f32, .shape = {huge, 4, 0}, .values = {}};
  const OnnxArray constants{.type = OnnxType::f32, .shape = {4}, .values = {1, 1, 1, 1}};
  EXPECT_EQ(run({"BatchNormalization", {"x", "c", "c", "c", "c"}, {}}, {{"x", x}, {"c", constants}}).shape,
            x.shape);
  const OnnxArray maps{.type = OnnxType::f32, .shape = {1, huge, 0, 0}, .values = {}};
  const OnnxArray kernels{.type = OnnxType::f32, .shape = {huge, 0, 3, 3}, .values = {}};
  const OnnxAttribute kernel_shape{"kernel_shape", std::vector<std::int64_t>{3, 3}};
  EXPECT_EQ(run({"ConvTranspose", {"x", "w"}, {}, {kernel_shape}}, {{"x", maps}, {"w", kernels}}).shape,
            (std::vector<std::size_t>{1, 0, 2, 2}));
}

// Convolution, transposed convolution, pooling and upsampling by hand: the definitions of ONNX.
TEST(OnnxEvaluation, OperatorsOnMapsAreAsDefined) {
  const auto map = [](std::size_t h, std::size_t w, std::vector<double> values) {
    return OnnxArray{.type = OnnxType::f32, .shape = {1, 1, h, w}, .values = std::move(values)};
  };
  using Integers = std::vector<std::int64_t>;
  const std::vector<OnnxAttribute> padded{{"kernel_shape", Integers{3, 3}}, {"pads", Integers{1, 1, 1, 1}}};
  const OnnxArray kernel = map(3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  // A one in the corner: the convolution gives the kernel turned by half a turn, the transposed one the
  // kernel.
  const OnnxArray corner = map(2, 2, {1, 0, 0, 0});
  EXPECT_EQ(run({"Conv", {"x", "w"}, {}, padded}, {{"x", corner}, {"w", kernel}}).values,
            (std::vector<double>{5, 4, 2, 1}));
  EXPECT_EQ(run({"ConvTranspose", {"x", "w"}, {}, padded}, {{"x", corner}, {"w", kernel}}).values,
            (std::vector<double>{5, 6, 8, 9}));
  EXPECT_EQ(run({"MaxPool", {"x"}, {}, {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}}},
                {{"x", map(3, 3, {1, 2, 3, 4, 0, 6, 7, 8, 9})}})
                .values,
            (std::vector<double>{4}));
  const OnnxArray scales{.type = OnnxType::f32, .shape = {4}, .values = {1, 1, 2, 2}};
  EXPECT_EQ(run({"Resize",
                 {"x", "", "s"},
                 {},
                 {{"mode", std::string("nearest")},
                  {"coordinate_transformation_mode", std::string("asymmetric")},
                  {"nearest_mode", std::string("floor")}}},
                {{"x", map(1, 2, {3, 4})}, {"s", scales}})
                .values,
            (std::vector<double>{3, 3, 4, 4, 3, 3, 4, 4}));
}

}  // namespace
}  // namespace deepsad
