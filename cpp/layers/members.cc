#include "layers/members.h"

#include <algorithm>
#include <string>

#include "base/dtypes.h"
#include "base/thread_pool.h"

namespace densecore {

static_assert(gemm_scratch_bytes <= thread_scratch_bytes);

template <class T>
index_t MemberDense<T>::parameter_count_of(const LayerSpec& spec, const Widths& inputs) {
  const index_t members = spec.whole_number("members"), units = spec.whole_number("units");
  const index_t width = inputs_of(spec, inputs);
  return (spec.flag("shared_kernel") ? 1 : members) * width * units +
         (!spec.flag("use_bias") ? 0 : (spec.flag("shared_bias") ? 1 : members) * units) +
         (spec.flag("input_scale") ? members * width : 0) +
         (spec.flag("output_scale") ? members * units : 0);
}

template <class T>
void MemberDense<T>::check(const LayerSpec& spec, const Widths& inputs) {
  const index_t members = spec.whole_number("members");
  if (!spec.flag("one_input") && inputs.front() % members != 0)
    throw std::invalid_argument("members: found " + std::to_string(members) + " for " +
                                std::to_string(inputs.front()) +
                                " inputs, wanted as many inputs for each");
  if (units_of(spec, inputs) > max_width)
    throw std::invalid_argument("found " + std::to_string(units_of(spec, inputs)) +
                                " outputs, wanted at most " + std::to_string(max_width));
}

template <class T>
MemberDense<T>::MemberDense(const LayerPlace<T>& place, const LayerSpec& spec)
    : Layer<T>(place, spec),
      members_(spec.whole_number("members")),
      width_(inputs_of(spec, place.inputs)),
      size_(spec.whole_number("units")),
      one_input_(spec.flag("one_input")),
      shared_kernel_(spec.flag("shared_kernel")),
      shared_bias_(spec.flag("shared_bias")) {
  const auto add = [&](const char* name, index_t rows, index_t columns, std::size_t number) {
    this->add_parameters(name, rows, columns, spec, number);
    return this->parameters().back().offset;
  };
  // The numbers are those of `multipliers` and `penalties`, whichever arrays there are.
  add("kernel", (shared_kernel_ ? 1 : members_) * width_, size_, 0);
  if (spec.flag("use_bias")) bias_ = add("bias", shared_bias_ ? 0 : members_, size_, 1);
  if (spec.flag("input_scale")) input_scale_ = add("input_scale", members_, width_, 2);
  if (spec.flag("output_scale")) output_scale_ = add("output_scale", members_, size_, 3);
  const auto widest = static_cast<std::size_t>(std::max(width_, size_));
  ones_ = AlignedBuffer<T>(widest);
  zeros_ = AlignedBuffer<T>(widest);
  std::fill_n(ones_.data(), widest, T(1));
  std::fill_n(zeros_.data(), widest, T(0));
}

template <class T>
index_t MemberDense<T>::kept() const {
  return below_at() + (input_scale_ < 0 && !one_input_ ? 0 : members_ * width_);
}

template <class T>
void MemberDense<T>::scale(MatrixView<const T> x, const T* factors, MatrixView<T> out) const {
  this->table_->normalization.columns(x.rows, x.cols, x.data, x.stride, zeros_.data(), factors,
                                      ones_.data(), zeros_.data(), nullptr, 0, out.data,
                                      out.stride);
}

template <class T>
void MemberDense<T>::forward(const Pass&, const T* parameters, const LayerRows<T>& rows) const {
  for (index_t i = 0; i < members_; ++i) {
    MatrixView<const T> x = input_of(rows, i);
    if (input_scale_ >= 0) {
      const MatrixView<T> scaled = part(rows.kept, i * width_, width_);
      scale(x, parameters + input_scale_ + i * width_, scaled);
      x = scaled;
    }
    const MatrixView<T> a = part(rows.a, i * size_, size_);
    const MatrixView<T> z =
        output_scale_ < 0 ? a : part(rows.kept, product_at() + i * size_, size_);
    const T* const bias = bias_ < 0 ? nullptr : parameters + bias_ + (shared_bias_ ? 0 : i * size_);
    this->table_->gemm({x.rows, size_, width_, x.data, x.stride, 1, kernel_of(parameters, i), size_,
                        1, output_scale_ < 0 ? bias : nullptr, false, z.data, z.stride,
                        static_cast<T*>(thread_scratch())});
    if (output_scale_ >= 0)
      this->table_->normalization.columns(z.rows, size_, z.data, z.stride, zeros_.data(),
                                          ones_.data(), parameters + output_scale_ + i * size_,
                                          bias == nullptr ? zeros_.data() : bias, nullptr, 0,
                                          a.data, a.stride);
  }
}

template <class T>
MatrixView<const T> MemberDense<T>::delta_of(const T* parameters, const LayerRows<T>& rows,
                                             MatrixView<const T> g, index_t member) const {
  const MatrixView<const T> own = part(g, member * size_, size_);
  if (output_scale_ < 0) return own;
  const MatrixView<T> delta = part(rows.kept, delta_at() + member * size_, size_);
  scale(own, parameters + output_scale_ + member * size_, delta);
  return delta;
}

template <class T>
void MemberDense<T>::below(const T* parameters, MatrixView<const T> delta, index_t member,
                           MatrixView<T> out) const {
  this->table_->gemm({delta.rows, width_, size_, delta.data, delta.stride, 1,
                      kernel_of(parameters, member), 1, size_, nullptr, false, out.data, out.stride,
                      static_cast<T*>(thread_scratch())});
}

template <class T>
void MemberDense<T>::parameter_gradient(const Pass&, const LayerRows<T>& rows,
                                        MatrixView<const T> g, bool accumulate, T* gradients) {
  for (index_t i = 0; i < members_; ++i) {
    const MatrixView<const T> own = part(g, i * size_, size_);
    if (bias_ >= 0)
      this->table_->column_sum(own.rows, size_, own.data, own.stride,
                               accumulate || (shared_bias_ && i > 0),
                               gradients + bias_ + (shared_bias_ ? 0 : i * size_));
    if (output_scale_ >= 0) {
      const MatrixView<T> z = part(rows.kept, product_at() + i * size_, size_);
      this->table_->normalization.column_product_sum(own.rows, size_, own.data, own.stride, z.data,
                                                     z.stride, accumulate,
                                                     gradients + output_scale_ + i * size_);
    }
    const MatrixView<const T> delta = delta_of(trained_, rows, g, i), x = input_of(rows, i);
    const MatrixView<const T> scaled =
        input_scale_ < 0 ? x : MatrixView<const T>(part(rows.kept, i * width_, width_));
    // dW = (r x)^T delta.
    this->table_->gemm(
        {width_, size_, x.rows, scaled.data, 1, scaled.stride, delta.data, delta.stride, 1, nullptr,
         accumulate || (shared_kernel_ && i > 0),
         gradients + this->parameter_offset() + (shared_kernel_ ? 0 : i * width_ * size_), size_,
         static_cast<T*>(thread_scratch())});
    if (input_scale_ >= 0) {
      const MatrixView<T> dscaled = part(rows.kept, below_at() + i * width_, width_);
      below(trained_, delta, i, dscaled);
      this->table_->normalization.column_product_sum(x.rows, width_, x.data, x.stride, dscaled.data,
                                                     dscaled.stride, accumulate,
                                                     gradients + input_scale_ + i * width_);
    }
  }
}

template <class T>
void MemberDense<T>::input_gradient(const Pass&, const T* parameters, const LayerRows<T>& rows,
                                    MatrixView<const T> g, MatrixView<T> dx) const {
  // Of these rows `parameter_gradient` has left the gradient by r x.
  const bool known = input_scale_ >= 0 && this->trainable;
  for (index_t i = 0; i < members_; ++i) {
    const MatrixView<T> own = one_input_ ? dx : part(dx, i * width_, width_);
    const bool direct = input_scale_ < 0 && !one_input_;
    const MatrixView<T> to = direct ? own : part(rows.kept, below_at() + i * width_, width_);
    if (!known) below(parameters, delta_of(parameters, rows, g, i), i, to);
    if (direct) continue;
    const bool first = !one_input_ || i == 0;
    // A member's own, or the first's, goes to its place; the others are added to it.
    const MatrixView<T> scaled = first ? own : to;
    if (input_scale_ >= 0)
      scale(to, parameters + input_scale_ + i * width_, scaled);
    else if (first)
      copy_rows<T>(to, own);
    if (!first)
      this->table_->elementwise.sum(own.rows, width_, own.data, own.stride, scaled.data,
                                    scaled.stride, own.data, own.stride);
  }
}

#define DENSECORE_INSTANTIATE(T, ...) template class MemberDense<T>;
DENSECORE_FOR_EACH_DTYPE(DENSECORE_INSTANTIATE)
#undef DENSECORE_INSTANTIATE

}  // namespace densecore
