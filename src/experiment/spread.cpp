// One experiment over several processes. Requests and answers are lines of JSON, one answer to each request:
//   {"key", "grid"}                  -> {"open": [ids]}
//   {"claim": group}                 -> {"run": id} or {"later": true} or {}
//   {"finish": record}               -> {"n_done", "n_failed"}
//   {"state": true}                  -> {"n_done", "n_failed"}
// An answer {"error"} ends the connection.
#include "deepsad/experiment/spread.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "deepsad/core/error.h"
#include "deepsad/storage/checksum.h"
#include "experiment/run_desk.h"

namespace deepsad {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxLine = std::size_t{1} << 26;  // no request comes near; a stranger's stream must end
constexpr std::chrono::seconds kFarewell{3};            // workers ask several times a second
constexpr int kPollMilliseconds = 200;

/// A connection, as lines of JSON.
class Line {
 public:
  explicit Line(int descriptor) : descriptor_(descriptor) {
    const int on = 1;
    setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(descriptor_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  }
  ~Line() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Line(Line&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_)) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  Line& operator=(Line&&) = delete;

  /// False when the other side is gone.
  [[nodiscard]] bool send(const Json& message) {
    const std::string text = message.dump() + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t n = ::send(descriptor_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  /// Nothing when the other side is gone, or sends what is no JSON.
  [[nodiscard]] std::optional<Json> receive(const std::atomic<bool>* ended = nullptr) {
    for (;;) {
      if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
        const Json message = Json::parse(buffer_.substr(0, end), nullptr, false);
        buffer_.erase(0, end + 1);
        if (!message.is_object()) return std::nullopt;
        return message;
      }
      if (buffer_.size() > kMaxLine) return std::nullopt;
      pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
      const int ready = poll(&waiting, 1, kPollMilliseconds);
      if (ended != nullptr && *ended) return std::nullopt;
      if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
      char part[4096];
      const ssize_t n = recv(descriptor_, part, sizeof part, 0);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return std::nullopt;
      buffer_.append(part, static_cast<std::size_t>(n));
    }
  }

 private:
  int descriptor_;
  std::string buffer_;
};

std::string digest_of(const Grid& grid) {
  std::string text;
  for (const GridRun& run : grid.runs) text += run.setup.id;
  return sha256_hex({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

Json to_json(const RunRecord& record) {
  return {{"id", record.setup.id},       {"failed", record.state == RunState::failed},
          {"error", record.error},       {"metrics", record.metrics},
          {"findings", record.findings}, {"started", record.started},
          {"seconds", record.seconds},   {"version", record.version},
          {"folder", record.folder}};
}

void read_record(const Json& json, RunRecord& record) {
  record.state = json.at("failed").get<bool>() ? RunState::failed : RunState::done;
  record.error = json.at("error").get<std::string>();
  record.metrics = json.at("metrics").get<std::map<std::string, double>>();
  record.findings = json.at("findings").get<std::vector<std::string>>();
  record.started = json.at("started").get<std::string>();
  record.seconds = json.at("seconds").get<double>();
  record.version = json.at("version").get<std::string>();
  record.folder = json.at("folder").get<std::string>();
}

// IPv4 addresses of this machine, those that others can reach first.
std::vector<std::string> own_addresses() {
  std::vector<std::string> addresses;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) == 0) {
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
      if ((entry->ifa_flags & IFF_LOOPBACK) != 0 || (entry->ifa_flags & IFF_UP) == 0) continue;
      sockaddr_in address{};
      std::memcpy(&address, entry->ifa_addr, sizeof address);
      char text[INET_ADDRSTRLEN];
      if (inet_ntop(AF_INET, &address.sin_addr, text, sizeof text) != nullptr) addresses.emplace_back(text);
    }
    freeifaddrs(list);
  }
  addresses.emplace_back("127.0.0.1");
  return addresses;
}

std::string random_key() {
  std::random_device entropy;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", entropy(), entropy(), entropy(), entropy());
}

}  // namespace

struct ExperimentServer::State {
  State(const Grid& g, std::string s) : grid(g), store(std::move(s)), digest(digest_of(g)) {
    for (const GridRun& run : grid.runs) setup_of.emplace(run.setup.id, &run.setup);
  }

  const Grid& grid;
  std::string store, digest, key = random_key(), address;
  const std::vector<ClaimCandidate> candidates = candidates_of(grid);
  std::unordered_map<std::string, const RunSetup*> setup_of;
  int listener = -1;
  std::atomic<bool> ended{false};
  std::thread thread;
  std::mutex mutex;
  std::condition_variable left;
  std::size_t n_workers = 0;
  std::vector<std::thread> workers;

  void listen_here() {
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_ANY);
    socklen_t size = sizeof any;
    auto* name = reinterpret_cast<sockaddr*>(&any);
    if (listener < 0 || bind(listener, name, size) != 0 || listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, name, &size) != 0)
      throw IoError(fmt::format("cannot open a port for workers: {}", std::strerror(errno)));
    address = fmt::format("{}:{}/{}", fmt::join(own_addresses(), ","), ntohs(any.sin_port), key);
  }

  void accept_workers() {
    while (!ended) {
      pollfd waiting{.fd = listener, .events = POLLIN, .revents = 0};
      if (poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
      const int descriptor = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      if (descriptor < 0) continue;
      const std::lock_guard lock(mutex);
      ++n_workers;
      workers.emplace_back([this, descriptor] {
        try {
          serve(Line(descriptor));
        } catch (const std::exception&) {  // the worker sees its connection end, and says so
        }
        const std::lock_guard ending(mutex);
        --n_workers;
        left.notify_all();
      });
    }
  }

  // One worker, until it is gone.
  void serve(Line line) {
    const std::optional<Json> hello = line.receive(&ended);
    if (!hello || hello->value("key", "") != key) return;
    if (hello->value("grid", "") != digest) {
      (void)line.send(
          {{"error", "the grid of the server is another one; give all the same file and --subset"}});
      return;
    }
    Store own = Store::open(store);
    std::set<std::string> held;
    try {
      Json open = Json::array();
      for (const auto& [id, state] : own.states())
        if (!state) open.push_back(id);
      if (line.send({{"open", std::move(open)}})) {
        while (const std::optional<Json> request = line.receive(&ended))
          if (!line.send(answer(*request, own, held))) break;
      }
    } catch (...) {
      own.release_claims(std::vector<std::string>(held.begin(), held.end()));
      throw;
    }
    own.release_claims(std::vector<std::string>(held.begin(), held.end()));
  }

  Json answer(const Json& request, Store& own, std::set<std::string>& held) {
    if (request.contains("claim")) {
      const Store::Claimed claimed = own.claim(candidates, request.at("claim").get<std::string>());
      if (!claimed.position) return claimed.others_at_work ? Json{{"later", true}} : Json::object();
      const std::string& id = candidates[*claimed.position].id;
      held.insert(id);
      return {{"run", id}};
    }
    if (request.contains("finish")) {
      const Json& result = request.at("finish");
      RunRecord record;
      record.setup = *setup_of.at(result.at("id").get<std::string>());
      read_record(result, record);
      (void)own.finish(record);
      held.erase(record.setup.id);
    }
    const ExperimentState state = experiment_state(grid, own);
    return {{"n_done", state.n_done}, {"n_failed", state.n_failed}};
  }
};

ExperimentServer::ExperimentServer(const Grid& grid, const std::string& store)
    : state_(std::make_unique<State>(grid, store)) {
  state_->listen_here();
  state_->thread = std::thread([state = state_.get()] { state->accept_workers(); });
}

ExperimentServer::~ExperimentServer() {
  {
    std::unique_lock lock(state_->mutex);
    state_->left.wait_for(lock, kFarewell, [this] { return state_->n_workers == 0; });
  }
  state_->ended = true;
  state_->thread.join();
  for (std::thread& worker : state_->workers) worker.join();
  close(state_->listener);
}

const std::string& ExperimentServer::address() const {
  return state_->address;
}

namespace {

int connect_to(const std::string& host, const std::string& port) {
  addrinfo wanted{};
  wanted.ai_family = AF_INET;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &wanted, &found) != 0) return -1;
  int descriptor = -1;
  for (const addrinfo* entry = found; entry != nullptr && descriptor < 0; entry = entry->ai_next) {
    descriptor = socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC, entry->ai_protocol);
    if (descriptor >= 0 && connect(descriptor, entry->ai_addr, entry->ai_addrlen) != 0) {
      close(descriptor);
      descriptor = -1;
    }
  }
  freeaddrinfo(found);
  return descriptor;
}

/// The process that owns the store.
class ServerDesk final : public RunDesk {
 public:
  ServerDesk(const Grid& grid, const std::string& address) : line_(connect_any(address)) {
    for (const ClaimCandidate& candidate : candidates_of(grid)) ids_.push_back(candidate.id);
    const std::string key = address.substr(address.rfind('/') + 1);
    open_ = ask({{"key", key}, {"grid", digest_of(grid)}}).at("open").get<std::vector<std::string>>();
  }

  [[nodiscard]] std::vector<std::string> open_runs() override { return open_; }
  [[nodiscard]] Store::Claimed claim(const std::vector<ClaimCandidate>& candidates,
                                     const std::string& group) override {
    const Json answer = ask({{"claim", group}});
    if (!answer.contains("run")) return {.position = {}, .others_at_work = answer.value("later", false)};
    const std::string id = answer.at("run").get<std::string>();
    for (std::size_t i = 0; i < candidates.size(); ++i)
      if (candidates[i].id == id) return {.position = i, .others_at_work = true};
    throw IoError(fmt::format("the server handed out run {}, which was not open before", id));
  }
  void finish(const RunRecord& record) override { (void)ask({{"finish", to_json(record)}}); }
  void release() override {}  // the end of the connection does
  [[nodiscard]] ExperimentState state() override {
    const Json answer = ask({{"state", true}});
    return {.n_runs = ids_.size(),
            .n_done = answer.at("n_done").get<std::size_t>(),
            .n_failed = answer.at("n_failed").get<std::size_t>()};
  }

 private:
  static Line connect_any(const std::string& address) {
    const std::size_t slash = address.rfind('/'), colon = address.rfind(':', slash);
    if (slash == std::string::npos || colon == std::string::npos)
      throw InvalidArgument(
          fmt::format("got address \"{}\", wanted ADDRESS:PORT/KEY, as the server prints it", address));
    const std::string port = address.substr(colon + 1, slash - colon - 1);
    for (std::size_t begin = 0; begin <= colon;) {
      const std::size_t end = std::min(address.find(',', begin), colon);
      const int descriptor = connect_to(address.substr(begin, end - begin), port);
      if (descriptor >= 0) return Line(descriptor);
      begin = end + 1;
    }
    throw IoError(fmt::format("no server of the experiment answers at {}", address.substr(0, slash)));
  }

  Json ask(const Json& request) {
    std::optional<Json> answer;
    if (line_.send(request)) answer = line_.receive();
    if (!answer)
      throw IoError(
          "the process that owns the store is gone (or has refused the key); start the experiment again, it "
          "goes on where it stopped");
    if (answer->contains("error")) throw InvalidArgument(answer->at("error").get<std::string>());
    return *answer;
  }

  Line line_;
  std::vector<std::string> ids_, open_;
};

}  // namespace

ExperimentState join_experiment(const Grid& grid, const std::string& address,
                                const ExperimentOptions& options, const ExperimentCallbacks& callbacks,
                                const StopToken* stop) {
  ServerDesk desk(grid, address);
  work_at(desk, grid, options, callbacks, stop);
  return desk.state();
}

}  // namespace deepsad
