# One row per ISA level, best first within an architecture: name, then the compiler's options.
# A level is this row plus cpp/kernels/isa/<name>.h (and its test in base/cpu_features.cc).

# What every level is compiled with. The tests that compile and inspect the kernels read this list.
# No contraction of a * b + c: results depend on what is written and not on what the compiler makes
# of it. Without -fno-math-errno a square root is a call of the library for the sake of errno.
# Nothing throws through a kernel: tables for that would be a tenth of the wheel.
set(DENSECORE_KERNEL_OPTIONS -O3 -ffp-contract=off -fno-exceptions -fno-rtti -fno-math-errno
                             -fno-asynchronous-unwind-tables)

set(DENSECORE_ISA_LEVELS "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  densecore_isa(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
  densecore_isa(avx2 -mavx2 -mfma)
  densecore_isa(sse2)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  densecore_isa(neon)
endif()
# One element at a time, as written: vectorised by GCC 12, the tile's loop loads past the end of B.
densecore_isa(scalar -fno-tree-vectorize -fno-unroll-loops -fno-ipa-cp-clone)
