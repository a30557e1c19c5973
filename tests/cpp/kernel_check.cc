// Checks every kernel of every level that this machine supports, without Python: for processors
// that only an emulator has.
//
//   kernel_check [--active LEVEL] [--allow-loads-outside] [LEVEL...]
//
// Products and sums are compared with their definition, everything else with the portable level.
// Each kernel prints a hash of its results: `LEVEL DTYPE KERNEL HASH`. Levels with fused
// multiply-adds must agree in all of them, and those without too; tools/check_isa_levels.py
// compares them across processors. With --active the level that would be used must be LEVEL.
// --allow-loads-outside is for emulators that load what a mask leaves out.
#include <algorithm>
#include <string>
#include <vector>

#include "check.h"
#include "check_lanes.h"
#include "check_layers.h"
#include "check_products.h"
#include "kernels/dispatch.h"

namespace densecore::check {
namespace {

template <class T>
std::vector<T> extreme_numbers() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> numbers = {0,
                            Limits::denorm_min(),
                            Limits::min() / 2,
                            Limits::min(),
                            T(1e-10),
                            T(0.5),
                            1,
                            20,
                            87,
                            88,
                            89,
                            103,
                            104,
                            709,
                            710,
                            745,
                            746,
                            T(1e4),
                            Limits::max(),
                            Limits::infinity(),
                            Limits::quiet_NaN()};
  for (std::size_t i = 0, count = numbers.size(); i < count; ++i) numbers.push_back(-numbers[i]);
  return numbers;
}

template <class T>
void check_functions(const Kernels<T>& kernels) {
  for (int f = 0; f < kernels.tested.function_count; ++f) {
    const FunctionEntry<T>& entry = kernels.tested.functions[f];
    const std::string name = entry.name;
    report("function." + name, [&](Numbers& numbers, Hash& hash) {
      Guarded<T> in_(3000), out_(3000), expected_(3000);
      const std::vector<T> extremes = extreme_numbers<T>();
      const auto argument = [&](index_t, index_t j) -> T {
        if (name == "log1p") return static_cast<T>(numbers.symmetric());
        if (j < static_cast<index_t>(extremes.size())) return extremes[static_cast<std::size_t>(j)];
        const double x = numbers.symmetric();
        // Every power of two for the logarithm, the range of results for the others.
        if (name == "log")
          return static_cast<T>(
              std::ldexp(1 + std::abs(x), static_cast<int>(numbers.bits() % 250) - 125));
        return static_cast<T>(x * (j % 3 == 0 ? 110 : j % 3 == 1 ? 5 : 0.1));
      };
      std::vector<index_t> sizes(std::begin(widths), std::end(widths));
      sizes.push_back(0);
      sizes.push_back(2500);
      for (const index_t n : sizes) {
        describe("%td numbers", n);
        const MatrixView<T> in = in_.fill(1, n, n, argument), out = out_.fill(1, n, n);
        const MatrixView<T> expected = expected_.fill(1, n, n);
        entry.apply(n, in.data, out.data);
        out_.check_outside("out");
        kernels.portable.functions[f].apply(n, in.data, expected.data);
        hash.add(out);
        // Either is within 3 ULP of the truth.
        compare("out", out, expected, [&](index_t, index_t j) {
          return 8 * kernels.eps * std::abs(static_cast<double>(expected.data[j])) +
                 8 * static_cast<double>(std::numeric_limits<T>::denorm_min());
        });
      }
    });
  }
}

std::vector<double> initial_values(const Hyperparameter* list, int count) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(list[i].initial);
  return values;
}

template <class T>
void check_activations(const Kernels<T>& kernels) {
  for (int f = 0; f < kernels.tested.activation_count; ++f) {
    const ActivationEntry<T>& entry = kernels.tested.activations[f];
    const ActivationEntry<T>& portable = kernels.portable.activations[f];
    const std::vector<double> initial = initial_values(entry.parameters, entry.parameter_count);
    const double* parameters = initial.data();
    report(std::string("activation.") + entry.name, [&](Numbers& numbers, Hash& hash) {
      Guarded<T> z_(2000), g_(2000), a_(2000), dz_(2000), kept_(2000), expected_(2000);
      const auto one = [&](index_t rows, index_t cols, auto value) {
        describe("%td x %td", rows, cols);
        const MatrixView<T> z = z_.fill(rows, cols, cols + 3, value);
        const MatrixView<T> a = a_.fill(rows, cols, cols + 1);
        const MatrixView<T> expected = expected_.fill(rows, cols, cols + 2);
        entry.forward(rows, cols, z.data, z.stride, a.data, a.stride, parameters);
        a_.check_outside("a");
        portable.forward(rows, cols, z.data, z.stride, expected.data, expected.stride, parameters);
        hash.add(a);
        // A few ULP of the functions, and one rounding for each term of a row's sum.
        const double ulp = static_cast<double>(8 + cols) * kernels.eps;
        const double scale = std::fmax(1, largest(expected));
        compare("a", a, expected, [&](index_t, index_t) { return ulp * scale; });

        // The output is kept where nothing overwrites it, for both levels' gradients.
        const MatrixView<T> kept =
            kept_.fill(rows, cols, cols, [&](index_t i, index_t j) { return a.row(i)[j]; });
        const auto number = [&](index_t, index_t) { return numbers.symmetric(); };
        const MatrixView<T> g = g_.fill(rows, cols, cols + 4, number);
        const MatrixView<T> dz = dz_.fill(rows, cols, cols + 1);
        const T* input = entry.needs_input ? z.data : nullptr;
        entry.backward(rows, cols, input, z.stride, kept.data, kept.stride, g.data, g.stride,
                       dz.data, dz.stride, parameters);
        dz_.check_outside("dz");
        portable.backward(rows, cols, input, z.stride, kept.data, kept.stride, g.data, g.stride,
                          expected.data, expected.stride, parameters);
        hash.add(dz);
        compare("dz", dz, expected, [&](index_t, index_t) { return 4 * ulp * scale; });

        const auto exact = [](index_t, index_t) { return 0.0; };
        entry.backward(rows, cols, input, z.stride, kept.data, kept.stride, g.data, g.stride,
                       g.data, g.stride, parameters);
        g_.check_outside("dz in place of g");
        compare("dz in place of g", g, dz, exact);
        entry.forward(rows, cols, z.data, z.stride, z.data, z.stride, parameters);
        z_.check_outside("a in place of z");
        compare("a in place of z", z, a, exact);
      };
      for (const index_t rows : {0, 1, 3})
        for (const index_t cols : widths)
          one(rows, cols, [&](index_t, index_t) { return 6 * numbers.symmetric(); });
      for (const index_t rows : {9, 21, 67})
        for (const index_t cols : {1, 3, 10})
          one(rows, cols, [&](index_t, index_t) { return 6 * numbers.symmetric(); });
      for (const T extreme : extreme_numbers<T>())
        one(1, 21, [&](index_t, index_t j) {
          return j == 13 ? static_cast<double>(extreme) : numbers.symmetric();
        });
      // Value and slope at once, over whole vectors: the slope is the gradient of a gradient of 1.
      for (const auto together : entry.activate_and_derive) {
        if (together == nullptr) continue;
        const index_t n = 3 * kernels.tested.lanes;
        describe("value and slope of %td", n);
        const auto value = [&](index_t, index_t) { return 6 * numbers.symmetric(); };
        const MatrixView<T> z = z_.fill(1, n, n, value);
        const MatrixView<T> g = g_.fill(1, n, n, [](index_t, index_t) { return 1.0; });
        const MatrixView<T> expected = expected_.fill(1, n, n), slope = dz_.fill(1, n, n);
        entry.forward(1, n, z.data, n, expected.data, n, parameters);
        entry.backward(1, n, z.data, n, expected.data, n, g.data, n, slope.data, n, parameters);
        const MatrixView<T> a = a_.fill(1, n, n);
        together(n, z.data, a.data, parameters);
        a_.check_outside("a of value and slope");
        z_.check_outside("slope in place of z");
        compare("a of value and slope", a, expected, [](index_t, index_t) { return 0.0; });
        compare("slope in place of z", z, slope, [](index_t, index_t) { return 0.0; });
      }
    });
  }
}

template <class T>
void check_losses(const Kernels<T>& kernels) {
  for (int f = 0; f < kernels.tested.loss_count; ++f) {
    const LossEntry<T>& entry = kernels.tested.losses[f];
    const std::vector<double> parameters = initial_values(entry.parameters, entry.parameter_count);
    const bool sparse = entry.targets == TargetKind::labels;
    const auto check = [&](const char* form, auto function, auto portable) {
      report(std::string("loss.") + entry.name + form, [&](Numbers& numbers, Hash& hash) {
        Guarded<T> output_(2000), values_(2000), weight_(150), gradient_(2000), expected_(2000);
        Guarded<std::int32_t> labels_(150);
        const auto one = [&](index_t rows, index_t cols, bool weighted, double range) {
          describe("%td x %td, weighted %d, range %g", rows, cols, weighted, range);
          const bool pairs = entry.targets == TargetKind::pairs;
          if (pairs && cols % 2 != 0) return;
          // Constant: its derivative is only rounding.
          if (cols == 1 && entry.name == std::string("cosine_similarity")) return;
          // Probabilities for the plain forms: some of them 0 and 1, which are clipped.
          const MatrixView<T> output = output_.fill(rows, cols, cols + 1, [&](index_t, index_t j) {
            if (range != 0) return range * numbers.symmetric();
            return j % 7 == 5 ? static_cast<double>(j % 2) : numbers.positive();
          });
          const MatrixView<T> values =
              values_.fill(rows, pairs ? cols / 2 : cols, cols + 2,
                           [&](index_t, index_t) { return numbers.positive(); });
          const MatrixView<std::int32_t> labels = labels_.fill(
              1, rows, rows,
              [&](index_t, index_t) { return numbers.bits() % static_cast<std::uint64_t>(cols); });
          const MatrixView<T> weight =
              weight_.fill(1, rows, rows, [&](index_t, index_t) { return 2 * numbers.positive(); });
          const MatrixView<T> gradient = gradient_.fill(rows, cols, cols + 3);
          const MatrixView<T> expected = expected_.fill(rows, cols, cols);
          LossArguments<T> arguments = {rows,
                                        cols,
                                        output.data,
                                        output.stride,
                                        sparse ? nullptr : values.data,
                                        values.stride,
                                        sparse ? labels.data : nullptr,
                                        weighted ? weight.data : nullptr,
                                        0.25,
                                        gradient.data,
                                        gradient.stride,
                                        parameters.data(),
                                        static_cast<int>(parameters.size())};
          const double value = function(arguments);
          gradient_.check_outside("gradient");
          hash.add(value);
          hash.add(gradient);
          arguments.gradient = nullptr;
          if (function(arguments) != value) fail("the value depends on the gradient being wanted");
          arguments.gradient = expected.data;
          arguments.ld_gradient = expected.stride;
          const double wanted = portable(arguments);
          // A few ULP of the functions, and one rounding for each term of a row's sum; a product of
          // logits and targets is as exact as the largest logit.
          const double limit = static_cast<double>(16 + cols) * kernels.eps;
          const double size = std::abs(wanted) + static_cast<double>(rows * cols) * (1 + range);
          if (!is_close(value, wanted, limit * size))
            fail("found %.17g, expected %.17g", value, wanted);
          const double scale = std::fmax(1, largest(expected));
          compare("gradient", gradient, expected, [&](index_t, index_t) { return limit * scale; });
        };
        const bool fused = form[0] != '\0';
        for (const index_t rows : {0, 1, 5})
          for (const index_t cols : widths)
            for (const bool weighted : {false, true}) one(rows, cols, weighted, fused ? 5 : 0);
        // Narrow rows are packed or transposed in blocks of up to 64.
        for (const index_t rows : {9, 21, 67, 130})
          for (const index_t cols : {1, 3, 4, 10})
            for (const bool weighted : {false, true}) one(rows, cols, weighted, fused ? 5 : 0);
        for (const index_t cols : {1, 10, 33})
          if (fused) one(5, cols, false, 1000);
      });
    };
    check("", entry.plain, kernels.portable.losses[f].plain);
    if (entry.fused != nullptr) check(".fused", entry.fused, kernels.portable.losses[f].fused);
  }
}

template <class T>
void check_optimizers(const Kernels<T>& kernels) {
  for (int f = 0; f < kernels.tested.optimizer_count; ++f) {
    const OptimizerEntry<T>& entry = kernels.tested.optimizers[f];
    const OptimizerEntry<T>& portable = kernels.portable.optimizers[f];
    report(std::string("optimizer.") + entry.name, [&](Numbers& numbers, Hash& hash) {
      const std::vector<double> initial =
          initial_values(entry.hyperparameters, entry.hyperparameter_count);
      const double* hyperparameters = initial.data();
      Guarded<T> g_(200), p_(200), expected_(200);
      Guarded<T> states_[max_optimizer_states] = {Guarded<T>(200), Guarded<T>(200), Guarded<T>(200),
                                                  Guarded<T>(200)};
      for (const index_t n : widths) {
        const auto number = [&](index_t, index_t) { return numbers.symmetric(); };
        const MatrixView<T> p = p_.fill(1, n, n, number);
        const MatrixView<T> expected =
            expected_.fill(1, n, n, [&](index_t, index_t j) { return p.data[j]; });
        T* states[max_optimizer_states] = {};
        std::vector<std::vector<T>> exact_states(max_optimizer_states);
        T* exact[max_optimizer_states] = {};
        for (int s = 0; s < entry.state_count; ++s) {
          const double first = entry.initial_state(hyperparameters, s);
          states[s] = states_[s].fill(1, n, n, [&](index_t, index_t) { return first; }).data;
          exact_states[static_cast<std::size_t>(s)].assign(static_cast<std::size_t>(n),
                                                           static_cast<T>(first));
          exact[s] = exact_states[static_cast<std::size_t>(s)].data();
        }
        for (int step = 1; step <= 5; ++step) {
          describe("%td parameters, step %d", n, step);
          const MatrixView<T> g = g_.fill(1, n, n, number);
          double scalars[max_optimizer_scalars] = {}, wanted[max_optimizer_scalars] = {};
          entry.prepare(hyperparameters, step, scalars);
          portable.prepare(hyperparameters, step, wanted);
          if (!std::equal(scalars, scalars + max_optimizer_scalars, wanted))
            fail("prepare gives other numbers than the portable level's");
          entry.update(n, scalars, p.data, g.data, states);
          portable.update(n, scalars, expected.data, g.data, exact);
          p_.check_outside("parameters");
          hash.add(p);
          // Each step has about ten roundings.
          const double limit = 20 * step * kernels.eps;
          compare("parameters", p, expected, [&](index_t, index_t) { return limit; });
          for (int s = 0; s < entry.state_count; ++s) {
            const MatrixView<T> state(states[s], 1, n), exact_state(exact[s], 1, n);
            states_[s].check_outside(entry.states[s]);
            hash.add(state);
            const double scale = std::fmax(1, largest(exact_state));  // ftrl's sums reach hundreds
            compare(entry.states[s], state, exact_state,
                    [&](index_t, index_t) { return limit * scale; });
          }
        }
      }
    });
  }
}

template <class T>
void check_table(const char* dtype, const KernelTables& tested) {
  context.dtype = dtype;
  const Kernels<T> kernels = {table_of<T>(tested), table_of<T>(kernels_for("scalar"))};
  check_gemm(kernels);
  check_moves_and_sums(kernels);
  check_functions(kernels);
  check_activations(kernels);
  check_losses(kernels);
  check_optimizers(kernels);
  check_without_products(kernels);
  check_periodic(kernels);
  check_gradient_steps(kernels);
  check_lanes(kernels);
}

int check_levels(const std::vector<std::string>& arguments) {
  std::vector<const KernelTables*> levels;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--allow-loads-outside") {
      allow_loads_outside = true;
    } else if (arguments[i] != "--active") {
      levels.push_back(&kernels_for(arguments[i]));
    } else if (++i == arguments.size() || arguments[i] != active_kernels().isa) {
      std::fprintf(stderr, "FAILED: the level in use is %s\n", active_kernels().isa);
      return 1;
    }
  }
  if (levels.empty()) levels = available_kernels();
  for (const KernelTables* tables : levels) {
    context.level = tables->isa;
    check_table<float>("float32", *tables);
    check_table<double>("float64", *tables);
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace
}  // namespace densecore::check

int main(int argc, char** argv) {
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL})
    std::signal(signal, densecore::check::report_crash);
  try {
    return densecore::check::check_levels({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kernel_check: %s\n", error.what());
    return 2;
  }
}
