/** Networks that learn the values of slates: forward and gradients. */

import type { Gpu } from "../../gpu/device.ts";
import type { QShape } from "../../policy/network/q_network.ts";
import { at } from "../../tape/reference.ts";
import type { Checking, Checks } from "../finding.ts";
import { type Learned, LEARNED_ITEMS, runLearning } from "./network_run.ts";
import { withBench } from "./slate_bench.ts";

const shapeOf = (kind: QShape["kind"], slate: number): QShape => ({
  ...{ kind, slate, units: 8, trunk: 8, inputs: 3, itemColumns: 5 },
});

const learned: Readonly<Record<string, Learned>> = {
  "of positions, chained, of large errors": {
    ...{ shape: shapeOf("cascade", 3), counts: "each", count: 300, huber: true, chained: true },
  },
  "of outcomes": { shape: { ...shapeOf("item", 3), zero: true }, counts: "outcome", count: 70 },
};

/** Sums of up to some hundred products of numbers near 1. */
const TOLERANCE = 4e-5;

/** Values, their loss and its gradients, beside f64. */
export async function checkLearning(
  gpu: Gpu,
  own: Learned,
  checks: Checks,
  tolerance = TOLERANCE,
): Promise<void> {
  const { count } = own;
  const most = 64 * Math.ceil(count / 64);
  await withBench(gpu, { rows: count, items: LEARNED_ITEMS, most }, async (bench) => {
    const { network, found, expected, columns, q, kernels } = await runLearning(gpu, bench, own);
    try {
      const values = Float32Array.from(
        { length: count * columns },
        (_, i) => found.q[Math.floor(i / columns) * q.stride + i % columns] ?? NaN,
      );
      checks.numbers(values, expected.q.data, {
        kernels: kernels.q,
        what: "values of slates",
        tolerance,
        columns,
      });
      const largest = (numbers: Float64Array) => numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
      const loss = { kernels: kernels.loss, tolerance: tolerance * largest(expected.loss.data) };
      checks.numbers(found.loss, expected.loss.data, { ...loss, what: "losses", columns: 4 });
      const sums = [0, 1].map((column) => {
        const numbers = Array.from({ length: count }, (_, row) => at(expected.loss, row, column));
        return {
          sum: numbers.reduce((a, b) => a + b, 0),
          size: numbers.reduce((a, b) => a + Math.abs(b), 0),
        };
      });
      checks.numbers(found.sums, sums.map(({ sum }) => sum), {
        kernels: ["outcome_sum"],
        what: "sums of the loss",
        tolerance: (k) => 1e-4 * (sums[k]?.size ?? NaN),
      });
      for (const { name, columns } of network.parameters.specs) {
        const { data } = expected.gradients.get(name) ?? { data: new Float64Array(0) };
        const most = data.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-3);
        const by = {
          kernels: kernels.gradients,
          what: `gradient of ${name}`,
          tolerance: tolerance * most + 1e-6,
          columns,
        };
        checks.numbers(found.gradients.get(name), data, by);
      }
    } finally {
      network.destroy();
    }
  }, checks);
}

export const networkCases: readonly Checking[] = Object.entries(learned).map(([name, own]) => ({
  name: `networks: values ${name}`,
  check: (gpu, checks) => checkLearning(gpu, own, checks),
}));
