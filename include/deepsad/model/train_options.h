// Every option of a training run, declared once: name, type, default, range, unit, help. The command line,
// config files, validation, --help and docs/options.md all come from this declaration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace deepsad {

/// Options of `deepsad train`; names and defaults are the reference's where it has the option. Ranges, units
/// and help texts: train_option_declarations() and docs/options.md.
struct TrainOptions {
  // data
  std::string dataset;               ///< a named or built-in set, or one's own file (is_own_file)
  std::string data_dir;              ///< where named sets lie
  std::vector<int> normal_class{0};  ///< class(es) that count as normal
  int known_outlier_class = 1;       ///< class of the labelled anomalies when n_known_outlier_classes = 1
  std::size_t n_known_outlier_classes = 0;
  double ratio_known_normal = 0, ratio_known_outlier = 0, ratio_pollution = 0;
  /// Of tables: auto (resolved_scaling), min-max, standardise, robust, quantile, none.
  std::string scaling = "auto";
  // one's own file; columns by name or position from 1, lists separated by commas, "" = none
  std::string label_column, label_file, label_map;  ///< semi labels: what training may know
  std::string truth_column, truth_map;              ///< true labels: for the test only
  std::string id_column, ignore_columns, category_columns;
  std::string schema;                               ///< a TOML file; "" = inferred from the training rows
  std::string missing_words;                        ///< "" = default_missing_words()
  bool dates = false;                               ///< whether dates become numbers
  std::string separator = "auto", header = "auto";  ///< auto: detected
  std::size_t skip_lines = 0;
  std::string samples = "X";                    ///< variable of a MAT or NPZ file
  std::string image_size, image_fit = "exact";  ///< of a folder of images: "32x32"; exact, stretch, crop
  double calibration_share = 0.2;               ///< of the rows not labelled anomalous, for the threshold
  double test_share = 0.2;                      ///< of the rows, if there are true labels
  std::string threshold = "auto";               ///< auto, none, or what parse_threshold_request() reads
  std::string calibration_contamination = "0";  ///< auto, or a share in [0, 0.5)
  // method and network
  std::string method = "deep_sad";  ///< a name of the detector registry
  std::string network;              ///< catalogue name or a .toml file; "" = chosen from the data
  std::string init;                 ///< model file of the same method and network to go on from; "" = none
  std::size_t rep_dim = 0;          ///< width of the code; 0 = the network's own
  double leaky_relu_slope = 0.01;
  double eta = 1.0;
  std::string objective = "one-class";  ///< deep_svdd: one-class or soft-boundary
  double nu = 0.1;
  std::size_t warm_up_epochs = 10;  ///< soft boundary: epochs before the radius follows the data
  std::string center_rows = "without-labelled-anomalies";  ///< or "all"
  bool clamp_center = true;            ///< push small components of the centre away from 0
  std::string class_weights = "none";  ///< classifier: none, balanced or auto (resolved_class_weights)
  // shallow detectors
  std::string kernel = "auto";         ///< auto: rbf, or gaussian for kde
  std::string gamma = "grid";          ///< grid, scale, median, or a number
  bool nu_grid = false;                ///< oc_svm: choose nu, too
  std::string selection = "training";  ///< training, or test-leak: what hyper-parameters are chosen on
  double solver_tolerance = 1e-6;
  double kappa = 1.0;                                    ///< ssad
  double c_normal = 1, c_unlabelled = 1, c_anomaly = 1;  ///< ssad: C_p, C_u, C_n
  bool grid_search_cv = true;                            ///< kde: choose the bandwidth
  double bandwidth = 1;
  std::size_t n_estimators = 100, max_samples = 256;  ///< isolation_forest
  double contamination = 0.1;
  bool exclude_labelled_anomalies = true;  ///< oc_svm, kde, isolation_forest
  bool hybrid = false;                     ///< on the code of an autoencoder
  std::string load_ae;                     ///< model file with that autoencoder; "" = train one
  double memory_budget = 0;  ///< gigabytes for kernel matrices; 0 = half of the machine's memory
  int n_jobs_model = -1;     ///< accepted for compatibility
  // training
  std::string optimizer_name = "adam";
  double lr = 0.001;
  std::size_t n_epochs = 50;
  std::vector<std::size_t> lr_milestone;
  std::size_t batch_size = 128;
  double weight_decay = 1e-6;
  std::size_t patience = 0;  ///< epochs without a lower loss on held-out rows; 0 = no early stopping
  double validation_share = 0.1;
  // pretraining
  bool pretrain = true;
  bool transfer = true;  ///< start from the pretrained encoder
  std::string ae_optimizer_name = "adam";
  double ae_lr = 0.001;
  std::size_t ae_n_epochs = 100;
  std::vector<std::size_t> ae_lr_milestone;
  std::size_t ae_batch_size = 128;
  double ae_weight_decay = 1e-6;
  bool ae_exclude_labelled_anomalies = false;
  // deep generative models
  double vae_lr = 0.001;
  std::string vae_optimizer_name = "adam";
  std::size_t vae_n_epochs = 100;
  std::vector<std::size_t> vae_lr_milestone;
  std::size_t vae_batch_size = 128;
  double vae_weight_decay = 1e-6;
  bool vae_exclude_labelled_anomalies = false;
  std::string log_variance = "bounded";  ///< or "softplus"
  std::string kl = "closed-form";        ///< or "single-sample"
  std::size_t score_samples = 0;         ///< vae: 0 = the mean code
  double dgm_alpha = -1;                 ///< -1 = 0.1 unlabelled / labelled rows
  std::string dgm_weights = "means";     ///< or "counts"
  // run
  std::string preset = "none";        ///< none, readme, paper: what the other options start from
  std::string compat = "none";        ///< none, reference
  std::optional<std::uint64_t> seed;  ///< nothing = draw one; at most kMaxSeed
  std::string device = "auto";        ///< auto, cpu, cuda, cuda:i
  std::size_t num_threads = 0;        ///< 0 = all processors
  std::size_t n_jobs_dataloader = 0;  ///< accepted for compatibility; data lies in memory
  std::size_t checkpoint_every = 0;   ///< epochs between two checkpoints; 0 = none
  std::size_t example_rows = 32;      ///< training rows of a kind that the model keeps, for explanations
  bool training_profile = true;       ///< keep distributions of features and scores, and hashes of rows
  bool strict = false;                ///< findings end the program with exit code 5

  friend bool operator==(const TrainOptions&, const TrainOptions&) = default;
};

/// Largest seed: every integer up to it survives JSON readers that keep numbers as double.
inline constexpr std::uint64_t kMaxSeed = (std::uint64_t{1} << 53) - 1;
/// Largest seed of the reference's generators (--compat reference).
inline constexpr std::uint64_t kMaxReferenceSeed = 0xFFFFFFFF;

/// The value of one option on its way between text, file and struct; monostate = not given (JSON null).
using OptionValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::int64_t>>;

enum class OptionType { boolean, integer, real, text, integer_list };

/// One option of TrainOptions, as declared.
struct OptionDeclaration {
  std::string name;  ///< as in config files; on the command line --name, dashes or underscores
  std::vector<std::string>
      aliases;        ///< other names accepted everywhere (the reference's, where ours is shorter)
  std::string group;  ///< heading in --help and docs/options.md
  OptionType type = OptionType::text;
  std::string unit;                  ///< "epochs", "rows", "classes", ...; "" = a pure number or a name
  std::string range;                 ///< in words: "> 0", "0 <= x < 1", "one of a, b"
  std::vector<std::string> choices;  ///< if only these texts are allowed
  std::string help;                  ///< one sentence
  std::string default_text;          ///< what --help shows as default
  bool of_the_machine = false;       ///< says where and how to compute, not what: results do not depend on it
  /// Checks type and range, then stores; monostate leaves the option as it is.
  /// @throws InvalidArgument "got X, wanted Y", without the option's name, which the caller knows with its
  /// place.
  std::function<void(TrainOptions&, const OptionValue&)> set;
  std::function<OptionValue(const TrainOptions&)> get;
};

/// All options, in the order of --help and of config files. Built on first use.
[[nodiscard]] const std::vector<OptionDeclaration>& train_option_declarations();
/// The declaration with this name or alias (dashes and underscores are the same), or nullptr.
[[nodiscard]] const OptionDeclaration* find_train_option(const std::string& name);

/// Reads a value from words of a command line: numbers in C notation whatever the locale, booleans as
/// true/t/1/yes/y and false/f/0/no/n in any case, lists as several words or comma-separated.
/// @throws InvalidArgument "got X, wanted Y" for another form, trailing letters included; ranges are checked
/// by set().
[[nodiscard]] OptionValue parse_option_value(const OptionDeclaration& option,
                                             const std::vector<std::string>& words);
/// The value as parse_option_value() reads it: "0.001", "50,100", "true"; "" for monostate and the empty
/// list.
[[nodiscard]] std::string option_value_text(const OptionValue& value);

/// An option given by one source (config file or command line), with the place for messages: "--lr",
/// "run.toml:3: lr".
struct OptionAssignment {
  const OptionDeclaration* option = nullptr;
  OptionValue value;
  std::string place;
};
using OptionLayer = std::vector<OptionAssignment>;

/// Sets each value, checked by itself. @throws InvalidArgument "PLACE: got X, wanted Y"
void apply_layer(TrainOptions& options, const OptionLayer& layer);

/// Default < method < preset < compat < init (few epochs) < the layers in their order (config file, command
/// line). Method, preset, compat and init themselves are taken from the layers first. Checks every value as
/// it is stored, then the whole.
/// @throws InvalidArgument "PLACE: got X, wanted Y", or what validate() throws.
[[nodiscard]] TrainOptions merge_options(const std::vector<OptionLayer>& layers);

/// The same without the check of the whole, for callers whose data the check needs.
/// @throws InvalidArgument "PLACE: got X, wanted Y"
[[nodiscard]] TrainOptions merge_unchecked(const std::vector<OptionLayer>& layers);

/// Starting values of a preset (none, readme, paper), a compatibility mode (none, reference) and a method:
/// - readme: the training of the example command in the reference's README;
/// - paper: what the paper prints in its section on experiments (arXiv 1906.02694v2), where it differs;
/// - compat reference: the centre over all training rows, the published bound of the generative models,
///   labelled anomalies as ordinary rows of the methods that ignore labels, kernels chosen on test rows;
/// - autoencoder, vae: labelled anomalies are left out of the training; dgm_m2: no pretraining.
/// @throws InvalidArgument for another name.
[[nodiscard]] TrainOptions starting_options(const std::string& preset, const std::string& compat,
                                            const std::string& method = "deep_sad");

/// Whether a dataset is a path of one's own (or "-", standard input) and no name of a set: it has a slash or
/// a point in it.
[[nodiscard]] bool is_own_file(const std::string& dataset);

/// Sides in pixels.
struct ImageSize {
  std::size_t height = 0, width = 0;
};
/// Reads "HEIGHTxWIDTH"; empty for anything else, sides below 1 and above 16384 among it.
[[nodiscard]] std::optional<ImageSize> parse_image_size(const std::string& text);

/// What scaling auto means for a table: standardise for preset paper, as the paper says, and for one's own
/// file; min-max else, as the published code does; always min-max for the deep generative models, whose
/// decoders give values in [0, 1].
[[nodiscard]] std::string resolved_scaling(const TrainOptions& options);

/// What class_weights = auto stands for: balanced on tables, none on images.
[[nodiscard]] std::string resolved_class_weights(const TrainOptions& options, bool images);

/// Whether the method is one of the deep generative models: vae, dgm_m2, dgm_m1m2.
[[nodiscard]] bool is_generative_method(const std::string& method);
/// Whether the method has no network of its own: oc_svm, ssad, kde, isolation_forest.
[[nodiscard]] bool is_shallow_method(const std::string& method);
/// The kernel, with auto replaced by the method's default.
[[nodiscard]] std::string resolved_kernel(const TrainOptions& options);

/// Checks every range and that the options do not contradict each other. What depends on the data (feasible
/// ratios, existing classes) is checked where the data is known.
/// @throws InvalidArgument naming option, value and range.
void validate(const TrainOptions& options);

}  // namespace deepsad
