/** The gradients that an op has written, whole: partial sums added up, touched rows in their places. */

import { clickDimensions, type ClickSizes } from "../../batch/click_sizes.ts";
import type { ClickTape } from "../../batch/click_tape.ts";
import { NONE } from "../../data/click_log.ts";
import { bufferOf, type Memory } from "../../gpu/memory.ts";
import type { DispatchSpec } from "../../gpu/program.ts";
import { readFloats, readViews } from "../../gpu/readback.ts";
import { amountOf } from "../../gpu/sizes.ts";
import type { Tensor } from "../../tape/tensor.ts";
import { CANARY, writersOf } from "../harness.ts";
import type { Checks } from "../finding.ts";

/** Where the gradient of a tensor is written: of what is summed, among the partial sums. */
export function gradientMemory(tape: ClickTape, tensor: Tensor): Memory {
  const touched = tape.touched.get(tensor);
  if (touched) return touched.gradient;
  const place = tensor.parameter;
  return place && !place.table ? tape.options.parameters.partials : tape.gradientOf(tensor);
}

/** The gradient of a tensor, its partial sums added up; of a table that is touched by row with zeros elsewhere. */
export async function gradientOf(
  tape: ClickTape,
  tensor: Tensor,
  sizes: ClickSizes,
  checks: Checks,
  specs: readonly DispatchSpec<ClickSizes>[],
): Promise<Float32Array<ArrayBuffer>> {
  const { arena: { gpu }, parameters } = tape.options;
  const touched = tape.touched.get(tensor);
  const place = tensor.parameter;
  if (!touched && place && !place.table) return await summedPartials(tape, tensor, sizes);
  if (!touched) return await readFloats(gpu, tape.gradientOf(tensor));
  const none = new Uint32Array(0);
  const [whole = none, list = none, rows = none] = await readViews(
    gpu,
    [parameters.gradientView(tensor), touched.list, touched.gradient],
  );
  const kernels = writersOf(specs, touched.gradient);
  const isCanary = (word: number) => word === CANARY;
  const faults: string[] = [];
  if (!whole.every(isCanary)) faults.push("a stray write into the gradient");
  const gradients = new Float32Array(rows.buffer);
  const scattered = new Float32Array(whole.length);
  const seen = new Set<number>();
  for (let k = 0; k < amountOf(touched.count, sizes); k++) {
    const row = list[k] ?? NONE;
    const [from, to] = [k * tensor.stride, (k + 1) * tensor.stride];
    if (row === NONE) {
      if (!rows.subarray(from, to).every(isCanary)) {
        faults.push(`a stray write into the gradient of no row, ${k}`);
      }
      continue;
    }
    if (row >= Number(tensor.rows)) {
      faults.push(`row ${row} of ${tensor.rows} is touched`);
      continue;
    }
    if (seen.has(row)) faults.push(`row ${row} is touched twice`);
    seen.add(row);
    scattered.set(gradients.subarray(from, to), row * tensor.stride);
  }
  if (seen.size === 0 || seen.size >= Number(tensor.rows)) faults.push(`${seen.size} rows touched`);
  checks.holds(faults.length === 0, kernels, `touched rows of ${tensor.name}`, faults.join(", "));
  return scattered;
}

/** The partial sums of a parameter's gradient, added up in f64. */
async function summedPartials(
  tape: ClickTape,
  tensor: Tensor,
  sizes: ClickSizes,
): Promise<Float32Array<ArrayBuffer>> {
  const { arena: { gpu }, parameters } = tape.options;
  const partials = await readFloats(gpu, parameters.partials);
  const from = tensor.parameter?.offset ?? 0;
  const length = bufferOf(tensor.view).size / 4;
  const sum = new Float64Array(length);
  for (let chunk = 0; chunk < clickDimensions.chunks(sizes); chunk++) {
    const start = chunk * parameters.summed + from;
    for (let k = 0; k < length; k++) sum[k] = (sum[k] ?? NaN) + (partials[start + k] ?? NaN);
  }
  return Float32Array.from(sum);
}
