// The kernels of one ISA level and dtype on NumPy arrays: what `densecore.ops` and the kernel tests
// call.
#include "base/thread_pool.h"
#include "bindings/arrays.h"
#include "bindings/core_class.h"
#include "bindings/gil.h"
#include "bindings/kernels_of.h"
#include "bindings/register.h"
#include "kernels/dispatch.h"
#include "layers/lookup.h"
#include "objectives/objective.h"

namespace densecore::bindings {
namespace {

template <class T>
class Kernels : public TypedObject<T> {
  // A matrix of any strides, which are given in elements.
  struct Strided {
    const T* data;
    index_t rows, cols, row, col;

    Strided(const char* name, const py::object& object) {
      check_class(name, object);
      const auto array = py::reinterpret_borrow<py::array>(object);
      if (array.ndim() != 2) wrong_shape(name, array, {any, any});
      if (array.dtype().num() != py::dtype::num_of<T>() || array.dtype().byteorder() == '>')
        wrong_type(name, array.dtype(), dtype_name<T>);
      const auto size = static_cast<index_t>(sizeof(T));
      if (array.strides(0) % size != 0 || array.strides(1) % size != 0 ||
          reinterpret_cast<std::uintptr_t>(array.data()) % sizeof(T) != 0)
        wrong_layout(name, array, sizeof(T));
      data = static_cast<const T*>(array.data());
      rows = array.shape(0), cols = array.shape(1);
      // NumPy leaves strides of nothing and along a single element undefined.
      const bool empty = rows == 0 || cols == 0;
      row = empty || rows == 1 ? cols : array.strides(0) / size;
      col = empty || cols == 1 ? 1 : array.strides(1) / size;
    }
  };

 public:
  explicit Kernels(const py::object& isa)
      : tables_(kernels_of(isa)), table_(table_of<T>(tables_)) {}

  std::string isa() const { return tables_.isa; }
  int lanes() const { return table_.lanes; }

  // C = A B (+ bias, or + C). A may be any strided matrix: the kernel takes its strides. So may B,
  // if its rows or its columns are contiguous.
  void gemm(const py::object& a, const py::object& b, const py::object& bias, const py::object& c,
            bool accumulate) const {
    const Strided a_view("a", a), b_view("b", b);
    if (b_view.rows != a_view.cols) wrong_shape("b", py::array(b), {a_view.cols, any});
    if (b_view.row != 1 && b_view.col != 1) wrong_layout("b", py::array(b), sizeof(T));
    const auto c_view = output_matrix<T>("c", c, a_view.rows, b_view.cols);
    const T* bias_data = bias.is_none() ? nullptr : input_vector<T>("bias", bias, b_view.cols);
    table_.gemm({c_view.rows, c_view.cols, a_view.cols, a_view.data, a_view.row, a_view.col,
                 b_view.data, b_view.row, b_view.col, bias_data, accumulate, c_view.data,
                 c_view.stride, static_cast<T*>(thread_scratch())});
  }

  void transpose(const py::object& in, const py::object& out) const {
    const auto from = input_matrix<T>("in", in, any, any);
    const auto to = output_matrix<T>("out", out, from.cols, from.rows);
    refuse_overlap("out", to, "in", from);
    table_.transpose(from.rows, from.cols, from.data, from.stride, to.data, to.stride);
  }

  void column_sum(const py::object& in, const py::object& out, bool accumulate) const {
    const auto from = input_matrix<T>("in", in, any, any);
    table_.column_sum(from.rows, from.cols, from.data, from.stride, accumulate,
                      output_vector<T>("out", out, from.cols));
  }

  bool all_inside(const py::object& x, double low, double high) const {
    const index_t size = checked<T>("x", x, {any}).size();
    return table_.elementwise.all_inside(size, input_vector<T>("x", x, size), static_cast<T>(low),
                                         static_cast<T>(high));
  }

  void add(const py::object& in, const py::object& out) const {
    const index_t size = checked<T>("in", in, {any}).size();
    table_.add(size, input_vector<T>("in", in, size), output_vector<T>("out", out, size));
  }

  std::vector<std::string> functions() const {
    std::vector<std::string> names;
    for (int i = 0; i < table_.function_count; ++i) names.emplace_back(table_.functions[i].name);
    return names;
  }

  void function(const std::string& name, const py::object& x, const py::object& out) const {
    const auto& entry = find_entry(table_.functions, table_.function_count, "function", name);
    const index_t size = checked<T>("x", x, {any}).size();
    entry.apply(size, input_vector<T>("x", x, size), output_vector<T>("out", out, size));
  }

  // name -> {parameter: initial value}
  py::dict activations() const {
    py::dict parameters;
    for (int i = 0; i < table_.activation_count; ++i) {
      const auto& entry = table_.activations[i];
      parameters[entry.name] = initial_values(entry.parameters, entry.parameter_count);
    }
    return parameters;
  }

  // Throws std::invalid_argument for parameters that a layer would refuse.
  void check_activation(const std::string& name, const std::vector<double>& parameters) const {
    values_for(find_activation(table_, name), parameters);
  }

  void activation(const std::string& name, const py::object& z, const py::object& out,
                  const std::vector<double>& parameters) const {
    const auto& entry = find_activation(table_, name);
    const std::vector<double> values = values_for(entry, parameters);
    const auto from = input_matrix<T>("z", z, any, any);
    const auto to = output_matrix<T>("out", out, from.rows, from.cols);
    if (from.cols == 0) return;
    entry.forward(from.rows, from.cols, from.data, from.stride, to.data, to.stride, values.data());
  }

  void activation_gradient(const std::string& name, const py::object& z, const py::object& a,
                           const py::object& grad, const py::object& out,
                           const std::vector<double>& parameters) const {
    const auto& entry = find_activation(table_, name);
    const std::vector<double> values = values_for(entry, parameters);
    const auto z_view = input_matrix<T>("z", z, any, any);
    const auto a_view = input_matrix<T>("a", a, z_view.rows, z_view.cols);
    const auto g_view = input_matrix<T>("grad", grad, z_view.rows, z_view.cols);
    const auto to = output_matrix<T>("out", out, z_view.rows, z_view.cols);
    if (z_view.cols == 0) return;
    entry.backward(z_view.rows, z_view.cols, z_view.data, z_view.stride, a_view.data, a_view.stride,
                   g_view.data, g_view.stride, to.data, to.stride, values.data());
  }

  // name -> {"link": the activation that the loss is fused with, or None, "parameters": {name:
  // initial value}, "sparse": whether targets are class numbers, "averaged": whether a row's loss
  // is a mean}
  py::dict losses() const {
    py::dict losses;
    for (int i = 0; i < table_.loss_count; ++i) {
      const LossEntry<T>& entry = table_.losses[i];
      py::dict known;
      known["link"] = entry.link == nullptr ? py::object(py::none()) : py::str(entry.link);
      known["parameters"] = initial_values(entry.parameters, entry.parameter_count);
      known["sparse"] = entry.targets == TargetKind::labels;
      known["averaged"] = entry.averaged;
      losses[entry.name] = known;
    }
    return losses;
  }

  // Throws std::invalid_argument for arrays that a network would refuse.
  void check_loss(const std::string& name, const std::vector<double>& parameters) const {
    loss_parameters(find_loss(table_, name), parameters);
  }

  double loss(const std::string& name, bool fused, const py::object& output,
              const py::object& target, const py::object& weight, double scale,
              const py::object& gradient, const std::vector<double>& given) const {
    const auto& entry = find_loss(table_, name);
    const std::vector<double> parameters = loss_parameters(entry, given);
    std::vector<std::int32_t> labels;
    LossArguments<T> p = loss_arguments(entry, output, target, parameters, labels);
    p.scale = scale;
    if (!weight.is_none()) p.weight = input_vector<T>("weight", weight, p.rows);
    if (!gradient.is_none()) {
      const auto g = output_matrix<T>("gradient", gradient, p.rows, p.cols);
      refuse_overlap("gradient", g, "output", input_matrix<T>("output", output, any, any));
      p.gradient = g.data;
      p.ld_gradient = g.stride;
    }
    if (p.cols == 0) return 0;
    return form(entry, fused)(p);
  }

  // The loss of every row by itself.
  void loss_rows(const std::string& name, bool fused, const py::object& output,
                 const py::object& target, const py::object& out,
                 const std::vector<double>& given) const {
    const auto& entry = find_loss(table_, name);
    const std::vector<double> parameters = loss_parameters(entry, given);
    std::vector<std::int32_t> labels;
    const LossArguments<T> p = loss_arguments(entry, output, target, parameters, labels);
    loss_of_rows(form(entry, fused), p, output_vector<double>("out", out, p.rows));
  }

  void optimizer_update(const std::string& name, const std::vector<double>& hyperparameters,
                        std::int64_t step, const py::object& parameter, const py::object& gradient,
                        const std::vector<py::object>& states) const {
    const auto& entry = find_optimizer(table_, name);
    if (static_cast<int>(hyperparameters.size()) != entry.hyperparameter_count ||
        static_cast<int>(states.size()) != entry.state_count)
      throw std::invalid_argument(
          "optimizer '" + name + "': found " + std::to_string(hyperparameters.size()) +
          " hyperparameters and " + std::to_string(states.size()) + " states, wanted " +
          std::to_string(entry.hyperparameter_count) + " and " + std::to_string(entry.state_count));
    const index_t size = checked<T>("parameter", parameter, {any}).size();
    T* state[max_optimizer_states] = {};
    for (std::size_t i = 0; i < states.size(); ++i)
      state[i] = output_vector<T>(entry.states[i], states[i], size);
    T* p = output_vector<T>("parameter", parameter, size);
    const T* g = input_vector<T>("gradient", gradient, size);
    // The same array is the same elements; another place would depend on the width of a vector.
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    if (p != g) refuse_overlap("parameter", p, bytes, "gradient", g, bytes);
    for (std::size_t i = 0; i < states.size(); ++i)
      refuse_overlap("parameter", p, bytes, entry.states[i], state[i], bytes);
    double scalars[max_optimizer_scalars] = {};
    entry.prepare(hyperparameters.data(), step, scalars);
    entry.update(size, scalars, p, g, state);
  }

  // These three run without the GIL, so that threads of Python can measure all processors.
  index_t multiply_adds(index_t repeats, const py::object& out) const {
    T* lanes = output_vector<T>("out", out, table_.lanes);
    const ReleasedGil release;
    return table_.peak.multiply_adds(repeats, lanes);
  }

  void read_all(const py::object& in, const py::object& out) const {
    const index_t size = checked<T>("in", in, {any}).size();
    const T* data = input_vector<T>("in", in, size);
    T* lanes = output_vector<T>("out", out, table_.lanes);
    const ReleasedGil release;
    table_.peak.read_all(size, data, lanes);
  }

  void rewrite_all(const py::object& x) const {
    const index_t size = checked<T>("x", x, {any}).size();
    T* data = output_vector<T>("x", x, size);
    const ReleasedGil release;
    table_.peak.rewrite_all(size, data);
  }

 private:
  static py::dict initial_values(const Hyperparameter* list, int count) {
    py::dict values;
    for (int i = 0; i < count; ++i) values[list[i].name] = list[i].initial;
    return values;
  }
  template <class Entry>
  static std::vector<double> values_for(const Entry& entry, const std::vector<double>& given) {
    return resolved_parameters(entry.name, entry.parameters, entry.parameter_count, given);
  }

  static double (*form(const LossEntry<T>& entry, bool fused))(const LossArguments<T>&) {
    const auto evaluate = fused ? entry.fused : entry.plain;
    if (evaluate == nullptr)
      throw std::invalid_argument("loss '" + std::string(entry.name) + "' has no fused form");
    return evaluate;
  }

  static LossArguments<T> loss_arguments(const LossEntry<T>& entry, const py::object& output,
                                         const py::object& target,
                                         const std::vector<double>& parameters,
                                         std::vector<std::int32_t>& labels) {
    const auto a = input_matrix<T>("output", output, any, any);
    LossArguments<T> p{};
    p.rows = a.rows;
    p.cols = a.cols;
    p.output = a.data;
    p.ld_output = a.stride;
    p.scale = 1;
    p.parameters = parameters.data();
    p.parameter_count = static_cast<int>(parameters.size());
    if (entry.targets == TargetKind::labels) {
      read_labels("target", target, a.rows, a.cols, labels);
      p.labels = labels.data();
    } else {
      const auto y = input_matrix<T>("target", target, a.rows,
                                     target_columns(entry, a.cols, parameters.size()));
      p.values = y.data;
      p.ld_values = y.stride;
    }
    return p;
  }

  const KernelTables& tables_;
  const KernelTable<T>& table_;
};

constexpr MemberRow kernel_rows[] = {
    property("isa", DENSECORE_MEMBERS(Kernels, isa), "The instruction set."),
    property("lanes", DENSECORE_MEMBERS(Kernels, lanes), "Numbers in a vector."),
    method("gemm(a, b, bias, c, accumulate=False)", DENSECORE_MEMBERS(Kernels, gemm),
           "c = a b, plus bias (columns,) or plus c."),
    method("transpose(in: object, out: object)", DENSECORE_MEMBERS(Kernels, transpose),
           "out (columns, rows) = in (rows, columns) transposed."),
    method("column_sum(in: object, out: object, accumulate: bool = False)",
           DENSECORE_MEMBERS(Kernels, column_sum),
           "out (columns,) = the sums of the columns, or plus them."),
    method("all_inside(x: object, low: float, high: float)", DENSECORE_MEMBERS(Kernels, all_inside),
           "Whether all elements are low .. high; a NaN is not."),
    method("add(in: object, out: object)", DENSECORE_MEMBERS(Kernels, add), "out += in."),
    method("functions()", DENSECORE_MEMBERS(Kernels, functions),
           "Names of the mathematical functions."),
    method("function(name, x, out)", DENSECORE_MEMBERS(Kernels, function),
           "out = f(x), element by element."),
    method("activations()", DENSECORE_MEMBERS(Kernels, activations),
           "Parameters of every activation with their initial values, by name."),
    method("check_activation(name, parameters)", DENSECORE_MEMBERS(Kernels, check_activation),
           "Raise ValueError for an unknown name, or parameters out of range."),
    method("activation(name, z, out, parameters=())", DENSECORE_MEMBERS(Kernels, activation),
           "out = f(z)."),
    method("activation_gradient(name, z, a, grad, out, parameters=())",
           DENSECORE_MEMBERS(Kernels, activation_gradient),
           "out = dC/dz from grad = dC/da, with a = f(z)."),
    method("losses()", DENSECORE_MEMBERS(Kernels, losses),
           "What is known of every loss, by name: link, parameters, sparse, averaged."),
    method("loss(name, fused, output, target, weight, scale, gradient, parameters=())",
           DENSECORE_MEMBERS(Kernels, loss),
           "The weighted sum of the rows' losses; dC/d(output) times `scale` to "
           "`gradient` unless that is None."),
    method("check_loss(name, parameters)", DENSECORE_MEMBERS(Kernels, check_loss),
           "Raise ValueError for an unknown name, or parameters out of range."),
    method("loss_rows(name, fused, output, target, out, parameters=())",
           DENSECORE_MEMBERS(Kernels, loss_rows), "The loss of each row, into `out` (rows,)."),
    method("optimizer_update(name, hyperparameters, step, parameter, gradient, states)",
           DENSECORE_MEMBERS(Kernels, optimizer_update),
           "One update of parameters in place, with the states that the rule keeps."),
    method("multiply_adds(repeats, out)", DENSECORE_MEMBERS(Kernels, multiply_adds),
           "Make multiply-adds in registers, and return how many."),
    method("read_all(in: object, out: object)", DENSECORE_MEMBERS(Kernels, read_all),
           "Read memory in order."),
    method("rewrite_all(x)", DENSECORE_MEMBERS(Kernels, rewrite_all),
           "Read and write memory in order."),
};

template <class T>
void register_kernels_of(const py::module_& module, const char* dtype) {
  static constexpr MemberRow made = constructor<Kernels<T>, const py::object&>("Kernels(isa=None)");
  add_rows(core_class<Kernels<T>>(module, std::string("Kernels") + dtype,
                                  "The kernels of one instruction set and dtype on NumPy arrays.",
                                  &made),
           table_of_rows<kernel_rows>());
}

}  // namespace

void register_kernels(py::module_& module) {
#define DENSECORE_REGISTER(T, NAME, field, dtype) register_kernels_of<T>(module, #NAME);
  DENSECORE_FOR_EACH_DTYPE(DENSECORE_REGISTER)
#undef DENSECORE_REGISTER
}

}  // namespace densecore::bindings
