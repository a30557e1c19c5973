// Networks for prediction alone: parameters that nobody changes any more, used by any number of
// threads at once. The outputs have the bits of the network that was frozen.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "network/network.h"

namespace densecore {

template <class T>
class Frozen {
 public:
  // Takes the network, which nobody else may use from now on, with its parameters and states.
  explicit Frozen(std::unique_ptr<Network<T>> network);

  const Network<T>& network() const { return *first_; }
  // Whether a prediction of so many rows writes to nothing but its output.
  bool alone(index_t rows) const { return rows == 1 && first_->predicts_rows(); }
  void predict_alone(const T* x, T* out) const { first_->predict_one(x, out); }

  // A network with the same parameters and a workspace of its own, for one call: the threads that
  // are in a call have one each. They are kept, so that none is made once there are enough.
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

  std::unique_ptr<Network<T>> first_;  // which the others are made after; never in a call itself
  std::mutex mutex_;
  std::vector<std::unique_ptr<Network<T>>> free_;
  std::size_t made_ = 0;
};

}  // namespace densecore
