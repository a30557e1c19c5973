// Predictions for rows that are made as they are needed.
#pragma once

#include "network/network.h"
#include "training/row_source.h"

namespace densecore {

// out (rows, outputs) = f(rows of the source), a block at a time.
template <class T>
void predict_rows(Executor& executor, Network<T>& network, const RowSource<T>& source,
                  MatrixView<T> out);

}  // namespace densecore
