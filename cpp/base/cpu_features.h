// The processor's instruction sets, and the number of processors that this process may use.
#pragma once

namespace densecore {

// True when both the processor and the operating system support the level: "scalar" everywhere;
// "sse2", "avx2" (with FMA) and "avx512" (F, BW, DQ, VL) on x86-64; "neon" on aarch64.
bool cpu_supports(const char* isa);

// Processors that this process may use: its affinity mask, cut by the control group's quota.
int usable_processors();

}  // namespace densecore
