// The precisions that everything is compiled for, in one list.
//
// A third one is a row here, with a KernelTable of vectors of its own (kernels/isa) and the
// constants of its functions (kernels/math.h).
#pragma once

// X(T, NAME, field, dtype): the type of a number, the suffix of Python's classes, its field of
// KernelTables, and NumPy's name of it.
#define DENSECORE_FOR_EACH_DTYPE(X) \
  X(float, F32, f32, "float32")     \
  X(double, F64, f64, "float64")

// The types alone, as a list of arguments: X(type, ...), X(type, ...).
#define DENSECORE_LIST_DTYPES(X, ...) X(float, __VA_ARGS__), X(double, __VA_ARGS__)
