// The settings of an optimizer, shared between the Python object and the networks that use it.
#pragma once

#include <memory>
#include <string>

#include "bindings/core_class.h"
#include "objectives/optimizer.h"

namespace densecore::bindings {

class PySettings : public CoreObject {
 public:
  explicit PySettings(const std::string& name)
      : settings(std::make_shared<OptimizerSettings>(name)) {}

  const std::shared_ptr<OptimizerSettings> settings;
};

}  // namespace densecore::bindings
