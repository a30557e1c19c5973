#include "network/gradient_plan.h"

#include <algorithm>

namespace densecore {

GradientPlan plan_gradients(const NetworkSpec& spec, const Graph& graph) {
  GradientPlan plan;
  GradientPlaces& places = plan.places;
  const std::size_t count = spec.layers.size();
  plan.edges.resize(count);
  plan.uses.resize(count);
  plan.follows.resize(count);
  places.buffer.resize(count);
  std::vector<char> met(count), taken(1, 1);  // `taken`: the buffer of the last layer
  for (const auto& sources : graph.sources)
    for (const Source& source : sources) plan.x_uses += source.from_x();
  const auto need_spare = [&](const Source& source) {
    places.spare = std::max(places.spare, source.columns);
    return true;
  };
  for (std::size_t l = count; l-- > 0;) {
    for (const Source& source : graph.sources[l]) {
      if (source.from_x()) {
        plan.edges[l].push_back({source, plan.x_uses > 1 && need_spare(source)});
        continue;
      }
      const auto from = static_cast<std::size_t>(source.layer);
      const bool first = plan.uses[from]++ == 0;
      plan.edges[l].push_back({source, !first && need_spare(source)});
      if (!first) continue;
      places.buffer[from] =
          static_cast<std::size_t>(std::find(taken.begin(), taken.end(), 0) - taken.begin());
      if (places.buffer[from] == taken.size()) taken.push_back(0);
      taken[places.buffer[from]] = 1;
    }
    // The gradient of an embedding's table is added up at the end of the pass.
    if (!spec.layers[l].kind->is_table) taken[places.buffer[l]] = 0;
    plan.follows[l] = met[graph.roots[l]];
    met[graph.roots[l]] = 1;
  }
  places.columns.assign(std::max<std::size_t>(2, taken.size()), 0);
  index_t widest = 0;
  for (std::size_t l = 0; l < count; ++l) {
    index_t& columns = places.columns[places.buffer[l]];
    columns = std::max(columns, graph.units[l]);
    widest = std::max(widest, columns);
  }
  // A stack has both of one width: it was measured with this distance between rows.
  if (graph.stack) std::fill(places.columns.begin(), places.columns.end(), widest);
  return plan;
}

}  // namespace densecore
