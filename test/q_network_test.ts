/** Q-networks: what they choose beside f64, position by position. */

import assert from "node:assert/strict";
import type { Gpu } from "../src/gpu/device.ts";
import { chooseByPosition } from "../src/policy/q_act.ts";
import { QNetwork } from "../src/policy/q_network.ts";
import { qParameters, type QShape } from "../src/policy/q_shape.ts";
import { initialWeights } from "../src/model/initial_weights.ts";
import { padRows } from "../src/tape/tensor.ts";
import { withGpu } from "./op_check.ts";
import { type Bench, floatsOf, maskBits, normals, withBench } from "./policy_check.ts";
import { Q64 } from "./q_reference.ts";

const shapeOf = (kind: QShape["kind"], slate: number): QShape => ({
  ...{ kind, slate, units: 8, trunk: 8, inputs: 3, itemColumns: 5 },
});

/** A network with weights that are no zeros, over items of random vectors, and rows of random states. */
function made(gpu: Gpu, { upload, rows, arena }: Bench, shape: QShape, count: number, items: number) {
  const network = new QNetwork(gpu, shape, items, 1);
  const drawn = initialWeights(qParameters(shape), 5);
  for (const [name, values] of drawn) {
    if (name.endsWith("bias")) drawn.set(name, normals(values.length, name).map((x) => x / 4));
  }
  network.parameters.write(drawn);
  const vectors = normals(items * shape.itemColumns, "vectors");
  const states = normals(count * shape.inputs, "states");
  const plain = (name: string, of: "rows" | number, columns: number, values: Float32Array<ArrayBuffer>) => {
    const data = padRows(values, values.length / columns, columns, 1);
    const stride = data.length * columns / values.length;
    return { name, rows: of, columns, groups: 1, stride, view: upload(name, data), trainable: false };
  };
  const itemVectors = plain("item vectors", items, shape.itemColumns, vectors);
  const input = plain("states", "rows", shape.inputs, states);
  const q64 = new Q64(shape, drawn, vectors);
  const x = (row: number) => Array.from(states.subarray(row * shape.inputs, (row + 1) * shape.inputs));
  return { network, itemVectors, input, q64, x, rows, arena };
}

const shapes = [shapeOf("cascade", 3), shapeOf("shared", 3)];

for (const kind of ["cpu", "gpu"] as const) {
  for (const shape of shapes) {
    Deno.test(`act: the best item of each position, ${shape.kind}, kernels for a ${kind}`, () =>
      withGpu(kind, async (gpu) => {
        const [R, items] = [70, 37];
        await withBench(gpu, { rows: R, items }, async (bench) => {
          const { network, itemVectors, input, q64, x, rows, arena } = made(gpu, bench, shape, R, items);
          const taken = (row: number, item: number) => (item * 5 + row) % 3 === 0 || item === row % 7;
          const bits = maskBits(R, items, taken);
          const masked = { view: bench.upload("masked", bits), stride: R };
          const slates = arena.allocate("slates", 4 * R * shape.slate);
          const reset = () => gpu.queue.writeBuffer(masked.view.buffer, 0, bits);
          const { dispatches, q, stride } = chooseByPosition(network, rows, {
            copy: "online",
            input,
            slates,
            masked,
          });
          const tables = network.makeTables(rows, "online", itemVectors);
          const [shown, values, after] = await bench.run(
            [...tables, ...dispatches],
            [slates, q, masked.view],
            { reset },
          );
          const found = floatsOf(values);
          for (let row = 0; row < R; row++) {
            const slate = Array.from(shown?.subarray(row * shape.slate, (row + 1) * shape.slate) ?? []);
            slate.forEach((item, j) => {
              const before = slate.slice(0, j);
              assert.ok(
                item < items && !taken(row, item) && !before.includes(item),
                `item ${item} of row ${row}`,
              );
              const value = q64.q(x(row), [...before, item]);
              assert.ok(
                Math.abs((found[row * stride + j] ?? NaN) - value) < 1e-5,
                `Q of row ${row}, ${j}: ${value}`,
              );
              for (let other = 0; other < items; other++) {
                if (taken(row, other) || before.includes(other)) continue;
                assert.ok(
                  q64.q(x(row), [...before, other]) < value + 1e-5,
                  `${other} beats ${item} for row ${row}`,
                );
              }
            });
          }
          const expected = maskBits(
            R,
            items,
            (row, item) =>
              taken(row, item) ||
              (shown ?? new Uint32Array()).slice(row * shape.slate, (row + 1) * shape.slate).includes(item),
          );
          assert.deepEqual(after?.subarray(0, expected.length), expected);
          network.destroy();
        });
      }));
  }
}
