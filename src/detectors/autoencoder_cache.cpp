#include "deepsad/detectors/autoencoder_cache.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>
#include <set>
#include <utility>

namespace deepsad {

struct AutoencoderCache::State {
  using Entry = std::pair<std::string, std::shared_ptr<const TrainedAutoencoder>>;

  std::size_t capacity;
  std::mutex mutex;
  std::condition_variable training_ended;
  std::list<Entry> entries;  // the one used last in front
  std::set<std::string> in_training;

  std::shared_ptr<const TrainedAutoencoder> find(const std::string& key) {
    const auto found =
        std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) { return entry.first == key; });
    if (found == entries.end()) return nullptr;
    entries.splice(entries.begin(), entries, found);
    return entries.front().second;
  }
};

AutoencoderCache::AutoencoderCache(std::size_t capacity) : state_(std::make_unique<State>()) {
  state_->capacity = std::max<std::size_t>(1, capacity);
}
AutoencoderCache::~AutoencoderCache() = default;

std::shared_ptr<const TrainedAutoencoder> AutoencoderCache::get(
    const std::string& key, const std::function<TrainedAutoencoder()>& train) {
  std::unique_lock lock(state_->mutex);
  for (;;) {
    if (auto found = state_->find(key)) return found;
    if (state_->in_training.insert(key).second) break;
    state_->training_ended.wait(lock);
  }
  lock.unlock();
  std::shared_ptr<const TrainedAutoencoder> trained;
  try {
    trained = std::make_shared<const TrainedAutoencoder>(train());
  } catch (...) {
    lock.lock();
    state_->in_training.erase(key);
    state_->training_ended.notify_all();
    throw;
  }
  lock.lock();
  state_->in_training.erase(key);
  state_->entries.emplace_front(key, trained);
  if (state_->entries.size() > state_->capacity) state_->entries.pop_back();
  state_->training_ended.notify_all();
  return trained;
}

}  // namespace deepsad
