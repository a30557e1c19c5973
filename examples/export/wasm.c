/* A network for JavaScript: the page writes a row where `row` points to, calls `predict`, and reads
 * `answer`. Compile with a WebAssembly compiler; see docs/other-programs.md. With Node:
 *
 *   const { instance } = await WebAssembly.instantiate(require("fs").readFileSync("net.wasm"));
 *   const { memory, row, predict, answer } = instance.exports;
 *   new Float32Array(memory.buffer, row(), 2).set([0.1, 0.2]);
 *   predict();
 *   console.log(new Float32Array(memory.buffer, answer(), 1)[0]);
 */
#include "controller.h"

static float x[CONTROLLER_INPUTS], y[CONTROLLER_OUTPUTS];

float *row(void) { return x; }
float *answer(void) { return y; }
void predict(void) { controller_predict(x, y); }
