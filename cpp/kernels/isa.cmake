# One row per ISA level, best first within an architecture: name, then the compiler's options.
# The other files of a level: CONTRIBUTING.md, "An instruction set".

# The options of all levels. The tests that compile and inspect the kernels read this list.
# No contraction of a * b + c: results depend on what is written and not on what the compiler makes
# of it. Without -fno-math-errno a square root is a call of the library for the sake of errno.
# Nothing throws through a kernel: tables for that would be a tenth of the wheel.
set(DENSECORE_KERNEL_OPTIONS -O3 -ffp-contract=off -fno-exceptions -fno-rtti -fno-math-errno
                             -fno-asynchronous-unwind-tables)

# GCC's -O3 copies and unrolls loops as if each were the hot one; those that are, are unrolled where
# they are written. Of what it adds to -O2, two things pay: to inline as generously, and a loop of its
# own for either value of a condition that does not change in it. The rest is a tenth of the wheel.
# Loops begin at a multiple of 16 bytes; functions and branches need not.
set(DENSECORE_GCC_KERNEL_OPTIONS
    -O2 -fno-align-functions -fno-align-jumps -funswitch-loops
    --param=max-inline-insns-single=200 --param=max-inline-insns-auto=30
    --param=early-inlining-insns=14 --param=inline-min-speedup=15)

# A row's own options come last; a row with an -O does without the second list. SSE2, for processors
# from before 2013 and the smallest ones since, is compiled for space (-Os), except its products,
# which would spill registers (DENSECORE_FAST_PRODUCTS). At -Os GCC raises a false warning of array
# bounds.
#
# Where every processor has a level with the bits of the portable one, the portable one is never
# chosen: its name stands for that level's functions. DENSECORE_PORTABLE compiles it, for space, as
# the oracle of the checks; tools/check_isa_levels.py compares the bits of the two.
set(DENSECORE_ISA_LEVELS "")
# One element at a time, as written: vectorised by GCC 12, the tile's loop loads past the end of B.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  densecore_isa(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
  densecore_isa(avx2 -mavx2 -mfma)
  densecore_isa(sse2 -Os -Wno-array-bounds -DDENSECORE_FAST_PRODUCTS)
  set(DENSECORE_LIKE_PORTABLE sse2)
  if(DENSECORE_PORTABLE)
    densecore_isa(scalar -Os -Wno-array-bounds -fno-tree-vectorize -DDENSECORE_ORACLE)
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64|ARM64")
  densecore_isa(neon)
  set(DENSECORE_LIKE_PORTABLE neon)
  if(DENSECORE_PORTABLE)
    densecore_isa(scalar -Os -Wno-array-bounds -fno-tree-vectorize -DDENSECORE_ORACLE)
  endif()
else()
  densecore_isa(scalar -fno-tree-vectorize -fno-unroll-loops -fno-ipa-cp-clone)
endif()
