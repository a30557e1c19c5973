// Networks for prediction only: their parameters do not change, and any number of threads may use
// them at once. Outputs have the same bits as those of the network that was frozen.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "network/network.h"

namespace densecore {

template <class T>
class Frozen {
 public:
  // Takes over the network with its parameters and states; the caller must not use it any more.
  explicit Frozen(std::unique_ptr<Network<T>> network);

  const Network<T>& network() const { return *first_; }
  // Whether a prediction of so many rows writes to nothing but its output.
  bool alone(index_t rows) const { return rows == 1 && first_->predicts_rows(); }
  void predict_alone(const T* x, T* out) const { first_->predict_one(x, out); }

  // A replica with a workspace of its own, for the duration of one call. Replicas are kept for
  // later calls: there are as many as there were calls at the same time.
  class Place {
   public:
    explicit Place(Frozen& frozen) : frozen_(frozen), network_(frozen.take()) {}
    ~Place() { frozen_.give_back(std::move(network_)); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Network<T>& network() { return *network_; }

   private:
    Frozen& frozen_;
    std::unique_ptr<Network<T>> network_;
  };

 private:
  std::unique_ptr<Network<T>> take();
  void give_back(std::unique_ptr<Network<T>> network) noexcept;

  std::unique_ptr<Network<T>> first_;  // the original of the replicas; computes no call itself
  std::vector<std::unique_ptr<Network<T>>> free_;  // under ForkLock, as made_
  std::size_t made_ = 0;
};

}  // namespace densecore
