#include "training/predict_rows.h"

#include <algorithm>

#include "base/dtypes.h"

namespace densecore {

template <class T>
void predict_rows(Executor& executor, Network<T>& network, const RowSource<T>& source,
                  MatrixView<T> out) {
  constexpr index_t block = 1024;
  AlignedBuffer<T> x(static_cast<std::size_t>(std::min(block, source.rows()) * source.cols()));
  for (index_t begin = 0; begin < source.rows(); begin += block) {
    const index_t count = std::min(block, source.rows() - begin);
    source.read(nullptr, begin, count, x.data());
    network.predict(executor, {x.data(), count, source.cols()}, out.slice(begin, begin + count));
  }
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template void predict_rows(Executor&, Network<T>&, const RowSource<T>&, MatrixView<T>);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
