#include "deepsad/experiment/store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "deepsad/core/error.h"
#include "experiment/identity.h"
#include "experiment/sqlite.h"

namespace deepsad {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kApplicationId = 0x44534144;  // "DSAD": tells a store from other SQLite files
constexpr std::int64_t kSchemaVersion = 1;
// Claims are renewed several times in this time; other machines that stay silent so long are taken for dead.
constexpr std::int64_t kClaimSeconds = 60;

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
CREATE TABLE claims(
  run TEXT PRIMARY KEY REFERENCES runs(id),
  host TEXT NOT NULL,
  pid INTEGER NOT NULL,
  started INTEGER NOT NULL,
  heartbeat INTEGER NOT NULL
) WITHOUT ROWID;
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

// False, changing nothing, if the run is done already.
bool put_result(const sqlite::Connection& connection, const RunRecord& record) {
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
  if (connection.n_changed() == 0) return false;
  connection.prepare("DELETE FROM claims WHERE run = ?1").bind(1, record.setup.id).run();
  connection.prepare("DELETE FROM metrics WHERE run = ?1").bind(1, record.setup.id).run();
  auto insert = connection.prepare("INSERT INTO metrics(run, name, value) VALUES(?1, ?2, ?3)");
  for (const auto& [name, value] : record.metrics)
    insert.bind(1, record.setup.id).bind(2, name).bind(3, value).run();
  return true;
}

// Clock ticks from the machine's start to that of the process; -1 if there is none (or a zombie).
std::int64_t start_of_process(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t end_of_name = text.rfind(')');
  if (end_of_name == std::string::npos) return -1;
  std::istringstream fields(text.substr(end_of_name + 1));
  std::string state, field;
  fields >> state;
  if (state == "Z" || state == "X") return -1;
  constexpr int kFieldsToStart = 19;  // state is field 3, the start field 22
  for (int i = 0; i < kFieldsToStart; ++i) fields >> field;
  return fields ? std::stoll(field) : -1;
}

// The machine since its last start, and within it the space of process numbers (containers have their own).
std::string this_host() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) name[0] = '?';
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::array<char, 64> space{};
  if (readlink("/proc/self/ns/pid", space.data(), space.size() - 1) < 0) space[0] = '?';
  return fmt::format("{} {} {}", name.data(), boot.substr(0, 8), space.data());
}

// A run is found by options that differ from their defaults; when a default changes, equal identities would
// stand for different trainings.
void check_same_options(const std::string& store, const RunSetup& setup, const std::string& stored) {
  const Json now = Json::parse(setup.options), then = Json::parse(stored);
  for (const auto& [name, value] : then.items()) {
    const OptionDeclaration* option = find_train_option(name);
    if ((option != nullptr && option->of_the_machine) || !now.contains(name) || now.at(name) == value)
      continue;
    throw DataError(fmt::format(
        "{}: run {} ({}, {}) was made with {} = {}, which is {} now: the default has changed; give another "
        "--store, or set the option in the grid",
        store, setup.id, setup.dataset, setup.column, name, value.dump(), now.at(name).dump()));
  }
}

void check_metrics(const RunRecord& record) {
  for (const auto& [name, value] : record.metrics)
    if (!std::isfinite(value))
      throw InvalidArgument(fmt::format("run {}: metric {} is {}; leave out what is not defined",
                                        record.setup.id, name, value));
}

}  // namespace

ProcessIdentity this_process() {
  const std::int64_t pid = getpid();
  static const std::string host = this_host();
  return {.host = host, .pid = pid, .started = start_of_process(pid)};
}

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
  if (!put_result(state_->connection, record))
    throw InvalidArgument(fmt::format("run {} is done already", record.setup.id));
  transaction.commit();
}

std::size_t Store::enrol(std::span<const RunSetup> setups) {
  const sqlite::Connection& connection = state_->connection;
  sqlite::Transaction transaction(connection);
  std::unordered_map<std::string, std::string> known;
  auto rows = connection.prepare("SELECT id, options FROM runs");
  while (rows.next()) known.emplace(rows.text(0), rows.text(1));
  std::size_t n_new = 0;
  for (const RunSetup& setup : setups) {
    const auto [found, is_new] = known.emplace(setup.id, setup.options);
    if (is_new)
      ++n_new;
    else if (found->second != setup.options)
      check_same_options(state_->path, setup, found->second);
    put_setup(connection, setup);
  }
  transaction.commit();
  return n_new;
}

std::map<std::string, std::optional<RunState>> Store::states() const {
  std::map<std::string, std::optional<RunState>> states;
  auto rows = state_->connection.prepare("SELECT id, state FROM runs");
  while (rows.next()) {
    const std::string state = rows.text(1);
    states[rows.text(0)] = state == "open"   ? std::nullopt
                           : state == "done" ? std::optional(RunState::done)
                                             : std::optional(RunState::failed);
  }
  return states;
}

std::size_t Store::reopen_failed(std::span<const std::string> ids) {
  sqlite::Transaction transaction(state_->connection);
  auto update =
      state_->connection.prepare("UPDATE runs SET state = 'open' WHERE id = ?1 AND state = 'failed'");
  std::size_t n_reopened = 0;
  for (const std::string& id : ids) {
    update.bind(1, id).run();
    n_reopened += static_cast<std::size_t>(state_->connection.n_changed());
  }
  transaction.commit();
  return n_reopened;
}

Store::Claimed Store::claim(std::span<const ClaimCandidate> candidates, const std::string& group) {
  const sqlite::Connection& connection = state_->connection;
  const ProcessIdentity me = this_process();
  const std::int64_t now = std::time(nullptr);
  sqlite::Transaction transaction(connection);

  std::unordered_set<std::string> held;
  std::vector<std::string> dead;
  auto claims = connection.prepare("SELECT run, host, pid, started, heartbeat FROM claims");
  while (claims.next()) {
    const ProcessIdentity owner{claims.text(1), claims.integer(2), claims.integer(3)};
    const bool alive = owner.host == me.host ? start_of_process(owner.pid) == owner.started
                                             : now - claims.integer(4) <= kClaimSeconds;
    if (alive)
      held.insert(claims.text(0));
    else
      dead.push_back(claims.text(0));
  }
  for (const std::string& run : dead)
    connection.prepare("DELETE FROM claims WHERE run = ?1").bind(1, run).run();

  std::unordered_set<std::string> open;
  auto rows = connection.prepare("SELECT id FROM runs WHERE state = 'open'");
  while (rows.next()) open.insert(rows.text(0));

  std::unordered_set<std::string> busy_groups;
  Claimed claimed;
  for (const ClaimCandidate& candidate : candidates) {
    if (held.count(candidate.id) == 0 || open.count(candidate.id) == 0) continue;
    busy_groups.insert(candidate.group);
    claimed.others_at_work = true;
  }
  std::optional<std::size_t> fresh, first;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (open.count(candidates[i].id) == 0 || held.count(candidates[i].id) > 0) continue;
    if (candidates[i].group == group) {
      claimed.position = i;
      break;
    }
    if (!first) first = i;
    if (!fresh && busy_groups.count(candidates[i].group) == 0) fresh = i;
  }
  if (!claimed.position) claimed.position = fresh ? fresh : first;
  if (claimed.position) {
    connection.prepare("INSERT INTO claims(run, host, pid, started, heartbeat) VALUES(?1, ?2, ?3, ?4, ?5)")
        .bind(1, candidates[*claimed.position].id)
        .bind(2, me.host)
        .bind(3, me.pid)
        .bind(4, me.started)
        .bind(5, now)
        .run();
  }
  transaction.commit();
  return claimed;
}

void Store::renew_claims() {
  const ProcessIdentity me = this_process();
  sqlite::Transaction transaction(state_->connection);
  state_->connection.prepare("UPDATE claims SET heartbeat = ?4 WHERE host = ?1 AND pid = ?2 AND started = ?3")
      .bind(1, me.host)
      .bind(2, me.pid)
      .bind(3, me.started)
      .bind(4, std::int64_t{std::time(nullptr)})
      .run();
  transaction.commit();
}

void Store::release_claims() {
  const ProcessIdentity me = this_process();
  sqlite::Transaction transaction(state_->connection);
  state_->connection.prepare("DELETE FROM claims WHERE host = ?1 AND pid = ?2 AND started = ?3")
      .bind(1, me.host)
      .bind(2, me.pid)
      .bind(3, me.started)
      .run();
  transaction.commit();
}

void Store::release_claims(std::span<const std::string> ids) {
  sqlite::Transaction transaction(state_->connection);
  auto statement = state_->connection.prepare("DELETE FROM claims WHERE run = ?1");
  for (const std::string& id : ids) statement.bind(1, id).run();
  transaction.commit();
}

bool Store::finish(const RunRecord& record) {
  check_metrics(record);
  sqlite::Transaction transaction(state_->connection);
  if (!put_result(state_->connection, record)) return false;
  transaction.commit();
  return true;
}

}  // namespace deepsad
