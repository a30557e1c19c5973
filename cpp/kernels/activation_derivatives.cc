#include "kernels/activation_derivatives.h"

#include <algorithm>
#include <cstring>

#include "base/dtypes.h"
// The structures are templates over vector types; of these it is only their mathematics of single
// numbers that is used here.
#include "kernels/activation_list.h"

namespace densecore {
namespace {

template <class Entry, class T>
T inner_argument(T z) {
  if constexpr (requires { Entry::inner_argument(z); })
    return Entry::inner_argument(z);
  else
    return z;
}

template <class T, class Entry>
void fill(const KernelTable<T>& table, const ActivationEntry<T>& activation, index_t n, const T* z,
          const T* a, const double* parameters, T* first, T* second, T* third) {
  std::fill_n(first, n, T(1));
  activation.backward(1, n, z, n, a, n, first, n, first, n, parameters);
  if constexpr (requires { Entry::inner; }) {
    // `second` holds s until f'' replaces it.
    for (index_t i = 0; i < n; ++i) second[i] = inner_argument<Entry>(z[i]);
    for (int i = 0; i < table.function_count; ++i)
      if (std::strcmp(table.functions[i].name, Entry::inner) == 0)
        table.functions[i].apply(n, second, second);
  }
  T unused;
  for (index_t i = 0; i < n; ++i)
    Entry::higher(z[i], a[i], first[i], second[i], parameters, second[i],
                  third == nullptr ? unused : third[i]);
}

// visit(name, fill<T>) for each of them.
template <class T, class Visit, class... Entry>
void visit_all(TypeList<Entry...>, Visit&& visit) {
  (visit(Entry::name, fill<T, Entry>), ...);
}
template <class T, class Visit>
void visit_all(Visit&& visit) {
  visit_all<T>(Joined<InlinedActivations, OtherElementwiseActivations>(), visit);
}

}  // namespace

template <class T>
ActivationDerivatives<T> find_activation_derivatives(const std::string& name) {
  ActivationDerivatives<T> found = nullptr;
  visit_all<T>([&](const char* known, ActivationDerivatives<T> derivatives) {
    if (name == known) found = derivatives;
  });
  return found;
}

std::vector<std::string> activations_with_derivatives() {
  std::vector<std::string> names;
  visit_all<float>([&](const char* known, auto) { names.emplace_back(known); });
  return names;
}

#define DENSECORE_INSTANTIATE(T, ...) \
  template ActivationDerivatives<T> find_activation_derivatives(const std::string&);
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
