#include "network/frozen.h"

#include "base/dtypes.h"
#include "base/fork_lock.h"

namespace densecore {

template <class T>
Frozen<T>::Frozen(std::unique_ptr<Network<T>> network) : first_(std::move(network)) {}

template <class T>
std::unique_ptr<Network<T>> Frozen<T>::take() {
  const ForkLock lock;
  if (free_.empty()) {
    // Room for all replicas: give_back cannot fail.
    free_.reserve(made_ + 1);
    auto network = first_->replica();
    ++made_;
    return network;
  }
  auto network = std::move(free_.back());
  free_.pop_back();
  return network;
}

template <class T>
void Frozen<T>::give_back(std::unique_ptr<Network<T>> network) noexcept {
  const ForkLock lock;
  free_.push_back(std::move(network));
}

#define DENSECORE_INSTANTIATE(T, ...) template class Frozen<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
