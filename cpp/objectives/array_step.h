// Steps of whole arrays: optimizers whose step of a kernel or a bias depends on all of it.
#pragma once

#include "objectives/optimizer.h"

namespace densecore {

// The step of one array. Its gradient becomes the direction of the step.
template <class T>
void step_of_array(const Update<T>& update, const ParameterBlock& block, T* gradients);

}  // namespace densecore
