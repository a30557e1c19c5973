# One row per ISA level, best first within an architecture: name, then the compiler's options.
# A level is this row plus cpp/kernels/isa/<name>.h (and its test in base/cpu_features.cc).
set(DENSECORE_ISA_LEVELS "")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  densecore_isa(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
  densecore_isa(avx2 -mavx2 -mfma)
endif()
densecore_isa(scalar)
