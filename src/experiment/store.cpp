#include "deepsad/experiment/store.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "deepsad/core/error.h"
#include "experiment/sqlite.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kApplicationId = 0x44534144;  // "DSAD": tells a store from other SQLite files
constexpr std::int64_t kSchemaVersion = 1;

// A run is open until it has ended. A setup points at the run that answers it; its cell, the coordinates
// within the experiment, is what a changed grid finds it by.
constexpr const char* kSchema = R"(
CREATE TABLE runs(
  id TEXT PRIMARY KEY,
  options TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK(state IN ('open', 'done', 'failed')),
  error TEXT NOT NULL DEFAULT '',
  findings TEXT NOT NULL DEFAULT '[]',
  started TEXT NOT NULL DEFAULT '',
  seconds REAL NOT NULL DEFAULT 0,
  version TEXT NOT NULL DEFAULT '',
  folder TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE metrics(
  run TEXT NOT NULL REFERENCES runs(id),
  name TEXT NOT NULL,
  value REAL NOT NULL,
  PRIMARY KEY(run, name)
) WITHOUT ROWID;
CREATE TABLE setups(
  position INTEGER PRIMARY KEY,
  cell TEXT NOT NULL UNIQUE,
  run TEXT NOT NULL REFERENCES runs(id),
  experiment TEXT NOT NULL,
  dataset TEXT NOT NULL,
  method_column TEXT NOT NULL,
  variant TEXT NOT NULL,
  method TEXT NOT NULL,
  preset TEXT NOT NULL,
  compat TEXT NOT NULL,
  normal_classes TEXT NOT NULL,
  known_class INTEGER,
  n_known_classes INTEGER NOT NULL,
  gamma_l REAL NOT NULL,
  gamma_p REAL NOT NULL,
  varied TEXT NOT NULL,
  seed INTEGER NOT NULL
);
CREATE INDEX setups_by_run ON setups(run);
)";

// Refuses other SQLite files and newer stores; makes the tables of a new one.
void prepare_store(const sqlite::Connection& connection, const std::string& path) {
  const std::int64_t application = connection.integer("PRAGMA application_id");
  const std::int64_t n_tables = connection.integer("SELECT count(*) FROM sqlite_master");
  if (application != kApplicationId && n_tables > 0)
    throw DataError(fmt::format("{}: an SQLite file, but not a store of deepsad experiment", path));
  connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
  sqlite::Transaction transaction(connection);
  const std::int64_t found = connection.integer("PRAGMA user_version");
  if (found > kSchemaVersion) {
    throw DataError(fmt::format("{}: written by a newer deepsad (store version {}, this program knows {})",
                                path, found, kSchemaVersion));
  }
  if (found == 0) {
    connection.execute(kSchema);
    connection.execute(
        fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", kApplicationId, kSchemaVersion)
            .c_str());
  }
  transaction.commit();
}

std::string cell_of(const RunSetup& setup) {
  return Json{setup.experiment,
              setup.dataset,
              setup.column,
              setup.variant,
              setup.normal_classes,
              setup.known_class ? Json(*setup.known_class) : Json(),
              setup.n_known_classes,
              setup.gamma_l,
              setup.gamma_p,
              setup.varied,
              setup.seed}
      .dump();
}

void put_setup(const sqlite::Connection& connection, const RunSetup& setup) {
  connection.prepare("INSERT OR IGNORE INTO runs(id, options) VALUES(?1, ?2)")
      .bind(1, setup.id)
      .bind(2, setup.options)
      .run();
  auto statement = connection.prepare(
      "INSERT INTO setups(cell, run, experiment, dataset, method_column, variant, method, preset, compat, "
      "normal_classes, known_class, n_known_classes, gamma_l, gamma_p, varied, seed) "
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) "
      "ON CONFLICT(cell) DO UPDATE SET run = excluded.run, method = excluded.method, "
      "preset = excluded.preset, compat = excluded.compat");
  statement.bind(1, cell_of(setup))
      .bind(2, setup.id)
      .bind(3, setup.experiment)
      .bind(4, setup.dataset)
      .bind(5, setup.column)
      .bind(6, setup.variant)
      .bind(7, setup.method)
      .bind(8, setup.preset)
      .bind(9, setup.compat)
      .bind(10, Json(setup.normal_classes).dump())
      .bind(12, static_cast<std::int64_t>(setup.n_known_classes))
      .bind(13, setup.gamma_l)
      .bind(14, setup.gamma_p)
      .bind(15, Json(setup.varied).dump())
      .bind(16, static_cast<std::int64_t>(setup.seed));
  if (setup.known_class) statement.bind(11, std::int64_t{*setup.known_class});
  statement.run();
}

void put_result(const sqlite::Connection& connection, const RunRecord& record) {
  auto update = connection.prepare(
      "UPDATE runs SET options = ?2, state = ?3, error = ?4, findings = ?5, started = ?6, seconds = ?7, "
      "version = ?8, folder = ?9 WHERE id = ?1 AND state <> 'done'");
  update.bind(1, record.setup.id)
      .bind(2, record.setup.options)
      .bind(3, record.state == RunState::done ? "done" : "failed")
      .bind(4, record.error)
      .bind(5, Json(record.findings).dump())
      .bind(6, record.started)
      .bind(7, record.seconds)
      .bind(8, record.version)
      .bind(9, record.folder)
      .run();
  if (connection.n_changed() == 0)
    throw InvalidArgument(fmt::format("run {} is done already", record.setup.id));
  connection.prepare("DELETE FROM metrics WHERE run = ?1").bind(1, record.setup.id).run();
  auto insert = connection.prepare("INSERT INTO metrics(run, name, value) VALUES(?1, ?2, ?3)");
  for (const auto& [name, value] : record.metrics)
    insert.bind(1, record.setup.id).bind(2, name).bind(3, value).run();
}

void check_metrics(const RunRecord& record) {
  for (const auto& [name, value] : record.metrics)
    if (!std::isfinite(value))
      throw InvalidArgument(fmt::format("run {}: metric {} is {}; leave out what is not defined",
                                        record.setup.id, name, value));
}

}  // namespace

struct Store::State {
  std::string path;
  sqlite::Connection connection;
};

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::open(const std::string& path) {
  sqlite::Connection connection(path);
  prepare_store(connection, path);
  return Store(std::make_unique<State>(State{path, std::move(connection)}));
}

const std::string& Store::path() const {
  return state_->path;
}

std::vector<RunRecord> Store::records() const {
  std::map<std::string, std::map<std::string, double>> metrics;
  auto metric_rows = state_->connection.prepare("SELECT run, name, value FROM metrics");
  while (metric_rows.next()) metrics[metric_rows.text(0)][metric_rows.text(1)] = metric_rows.real(2);

  std::vector<RunRecord> records;
  auto rows = state_->connection.prepare(
      "SELECT run, experiment, dataset, method_column, variant, method, preset, compat, normal_classes, "
      "known_class, n_known_classes, gamma_l, gamma_p, varied, seed, options, state, error, findings, "
      "started, seconds, version, folder FROM setups JOIN runs ON runs.id = setups.run "
      "WHERE state <> 'open' ORDER BY position");
  while (rows.next()) {
    RunRecord record;
    RunSetup& setup = record.setup;
    setup.id = rows.text(0);
    setup.experiment = rows.text(1);
    setup.dataset = rows.text(2);
    setup.column = rows.text(3);
    setup.variant = rows.text(4);
    setup.method = rows.text(5);
    setup.preset = rows.text(6);
    setup.compat = rows.text(7);
    setup.normal_classes = Json::parse(rows.text(8)).get<std::vector<int>>();
    if (!rows.is_null(9)) setup.known_class = static_cast<int>(rows.integer(9));
    setup.n_known_classes = static_cast<std::size_t>(rows.integer(10));
    setup.gamma_l = rows.real(11);
    setup.gamma_p = rows.real(12);
    setup.varied = Json::parse(rows.text(13)).get<std::map<std::string, std::string>>();
    setup.seed = static_cast<std::uint64_t>(rows.integer(14));
    setup.options = rows.text(15);
    record.state = rows.text(16) == "done" ? RunState::done : RunState::failed;
    record.error = rows.text(17);
    record.findings = Json::parse(rows.text(18)).get<std::vector<std::string>>();
    record.started = rows.text(19);
    record.seconds = rows.real(20);
    record.version = rows.text(21);
    record.folder = rows.text(22);
    if (const auto found = metrics.find(setup.id); found != metrics.end()) record.metrics = found->second;
    records.push_back(std::move(record));
  }
  return records;
}

void Store::add(const RunRecord& record) {
  check_metrics(record);
  sqlite::Transaction transaction(state_->connection);
  put_setup(state_->connection, record.setup);
  put_result(state_->connection, record);
  transaction.commit();
}

}  // namespace deepsad
