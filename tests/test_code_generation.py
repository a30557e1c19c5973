"""The matrix product keeps its tile in registers, on every level: read off the machine code.

Only the products are held to it. Loops over long formulas, such as those of the losses, may keep
constants on the stack: a load among much arithmetic is free, one among a product's loads is not.
"""

from pathlib import Path

import pytest

import machine_code
from conftest import KernelObject

LEVELS = machine_code.levels()
# The portable level has one element to a register, and 16 of them hold no tile: where speed
# matters there is a better level.
VECTOR_LEVELS = [name for name in LEVELS if name != "scalar"]

# A product whose tile has so many rows and two vectors.
PRODUCT = """
#include "kernels/isa/{level}.h"
extern "C" void product(long depth, const float* a, const float* b, float* c) {{
  VecF32 sum[{rows}][2];
#pragma GCC unroll 64
  for (int i = 0; i < {rows}; ++i) sum[i][0] = sum[i][1] = VecF32::set(0);
  for (; depth > 0; --depth, a += {rows}, b += 2 * VecF32::width) {{
    const VecF32 b_0 = VecF32::load(b), b_1 = VecF32::load(b + VecF32::width);
#pragma GCC unroll 64
    for (int i = 0; i < {rows}; ++i) {{
      sum[i][0] = fma(VecF32::set(a[i]), b_0, sum[i][0]);
      sum[i][1] = fma(VecF32::set(a[i]), b_1, sum[i][1]);
    }}
  }}
#pragma GCC unroll 64
  for (int i = 0; i < {rows}; ++i) {{
    sum[i][0].store(c + 2 * i * VecF32::width);
    sum[i][1].store(c + (2 * i + 1) * VecF32::width);
  }}
}}
"""

pytestmark = pytest.mark.skipif(not LEVELS, reason="needs the source tree")


def functions_of(name: str, target: Path) -> list[machine_code.Function]:
    if LEVELS[name].objdump is None:
        pytest.skip("needs binutils")
    return machine_code.functions(LEVELS[name].disassemble(target))


@pytest.mark.slow
@pytest.mark.parametrize("name", VECTOR_LEVELS)
def test_products_spill_no_vectors(name: str, kernel_object: KernelObject) -> None:
    products = [f for f in functions_of(name, kernel_object(name)) if "gemm" in f.name]
    # Tiles of several heights and widths, for two dtypes: that they are found at all.
    assert sum(len(f.multiply_add_loops) for f in products) >= 16
    spills = [spill for function in products for spill in function.spills()]
    assert not spills, "\n".join(spills)


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "spilling"), [(4, False), (24, True)])
@pytest.mark.parametrize("name", VECTOR_LEVELS)
def test_spills_are_found(name: str, rows: int, spilling: bool, tmp_path: Path) -> None:
    """The detector itself: 8 accumulators fit everywhere, 48 nowhere."""
    level = LEVELS[name]
    if level.compiler is None:
        pytest.skip(f"needs a C++ compiler for {level.processor}")
    source = tmp_path / "product.cc"
    source.write_text(PRODUCT.format(level=name, rows=rows))
    (product,) = functions_of(name, level.compile(source, tmp_path / "product.o"))
    assert product.multiply_add_loops
    assert bool(product.spills()) == spilling
    assert all("product: " in spill for spill in product.spills())
