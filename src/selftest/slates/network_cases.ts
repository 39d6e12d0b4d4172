/** Self-test cases of value networks for slates: values and gradients are compared with f64 references. */

import type { Gpu } from "../../gpu/device.ts";
import { drawInitialWeights } from "../../model/initial_weights.ts";
import { AdamState } from "../../ops/adam.ts";
import { type QCounts, qLoss, type QLossBatch } from "../../policy/learning/q_loss.ts";
import { countValueColumns, listQParameters, QNetwork, type QShape } from "../../policy/network/q_network.ts";
import { createTape } from "../../policy/network/slate_rows.ts";
import { slateValue } from "../../policy/network/slate_value.ts";
import { makePlainTensor } from "../../simulate/users.ts";
import { padRows } from "../../tape/tensor.ts";
import { getAt, makeMatrix } from "../../tape/reference.ts";
import type { CheckCollector, NamedCheck } from "../finding.ts";
import { listWriters, toFloats } from "../harness.ts";
import { getValue, type NamedMatrices, runReferences } from "../ops/op_bench.ts";
import { createSlateBench, drawSlateNormals, type SlateBench, type TestSizes } from "./slate_bench.ts";

/** Creates a network with random weights, items with random vectors, and `count` random states. */
export function createTestNetwork(
  gpu: Gpu,
  { upload, rows, arena }: SlateBench,
  shape: QShape,
  count: number,
  items: number,
) {
  const network = new QNetwork(gpu, shape, items, 1);
  const drawn = drawInitialWeights(listQParameters(shape), 5);
  for (const [name, values] of drawn) {
    if (name.endsWith("bias")) drawn.set(name, drawSlateNormals(values.length, name).map((x) => x / 4));
  }
  network.parameters.write(drawn);
  const vectors = drawSlateNormals(items * shape.itemColumns, "vectors");
  const states = drawSlateNormals(count * shape.inputs, "states");
  const plain = (name: string, of: "rows" | number, columns: number, values: Float32Array<ArrayBuffer>) => {
    const data = padRows(values, values.length / columns, columns, 1);
    return makePlainTensor(name, of, columns, data.length * columns / values.length, upload(name, data));
  };
  const itemVectors = plain("item vectors", items, shape.itemColumns, vectors);
  const input = plain("states", "rows", shape.inputs, states);
  const weights = new Map([...drawn].map(([name, w]) => [name, Float64Array.from(w)]));
  const x = (row: number) => Array.from(states.subarray(row * shape.inputs, (row + 1) * shape.inputs));
  return { network, itemVectors, input, weights, vectors, x, rows, arena };
}

type TestNetwork = ReturnType<typeof createTestNetwork>;

export interface LearnedBatch {
  readonly shape: QShape;
  readonly counts: QCounts;
  readonly huber?: boolean;
  readonly chained?: boolean;
  readonly count: number;
}

export const LEARNED_ITEMS = 37;

/** Creates a batch. Each row has a slate, the index of the clicked item in this slate, and a target value. */
function learnedBatch({ shape, count, chained }: LearnedBatch): QLossBatch {
  const columns = countValueColumns(shape);
  const slates = Array.from(
    { length: count },
    (_, row) => Array.from({ length: shape.slate }, (_, j) => (row * 7 + j * 11) % LEARNED_ITEMS),
  );
  const wanted = drawSlateNormals(count, "wanted").map((y) => 2 * y);
  const outcome = Array.from({ length: count }, (_, row) => row % columns);
  const chain = drawSlateNormals(count * 4, "chained");
  return {
    ...{ slates, outcome, targets: Array.from(wanted) },
    ...(chained && { chained: slates.map((_, row) => Array.from(chain.subarray(4 * row, 4 * row + 4))) }),
  };
}

function recordLearning(
  { rows, arena, upload }: SlateBench,
  { network, itemVectors, input }: TestNetwork,
  { counts, huber }: LearnedBatch,
  { slates, outcome, targets: wanted, chained }: QLossBatch,
) {
  const tape = createTape<TestSizes, QLossBatch>(rows, network.parameters);
  const state = network.state(tape, "online", input);
  const views = {
    slates: upload("slates", Uint32Array.from(slates.flat())),
    wanted: upload("wanted", Float32Array.from(wanted)),
    outcome: upload("outcome", Float32Array.from(outcome.flatMap((slot) => [slot, 0, 0, 0]))),
  };
  const ring = arena.allocate("ring", 16);
  const q = slateValue(tape, rows, network, { copy: "online", state, slates: views.slates, itemVectors });
  const loss = qLoss(tape, rows, {
    ...{ q, counts, huber, ring, targets: views.wanted, outcome: views.outcome },
    ...(chained && { chained: { view: upload("chained", Float32Array.from(chained.flat())), stride: 4 } }),
  });
  tape.place();
  const specs = [...network.makeTables(rows, "online", itemVectors), ...tape.forward(), ...tape.backward()];
  return { tape, specs, q, loss, ring };
}

/** Returns the inputs of the tape in f64: states, item vectors and weights. */
function listLeaves64(
  { network, weights, vectors, x }: TestNetwork,
  { shape, count }: LearnedBatch,
): NamedMatrices {
  const values: NamedMatrices = new Map([
    ["states", makeMatrix(count, shape.inputs, (r, c) => x(r)[c] ?? NaN)],
    [
      "item vectors",
      makeMatrix(LEARNED_ITEMS, shape.itemColumns, (i, c) => vectors[i * shape.itemColumns + c] ?? NaN),
    ],
  ]);
  for (const { name, rows, columns } of network.parameters.specs) {
    values.set(name, makeMatrix(rows, columns, (r, c) => weights.get(name)?.[r * columns + c] ?? NaN));
  }
  return values;
}

/** Computes the values of slates, their loss and all gradients on the device and in f64. */
export async function runLearning(gpu: Gpu, bench: SlateBench, own: LearnedBatch) {
  using stack = new DisposableStack();
  const made = createTestNetwork(gpu, bench, own.shape, own.count, LEARNED_ITEMS);
  const { network, weights, vectors, x } = made;
  const { parameters } = stack.use(network);
  using passing = new DisposableStack();
  const adam = passing.use(new AdamState(parameters));
  const batch = learnedBatch(own);
  const { tape, specs, q, loss, ring } = recordLearning(bench, made, own, batch);
  const read = [q.view, loss.view, ring];
  const [qs, losses, sums] = await bench.run([...specs, ...adam.dispatches(tape)], read);
  const found = {
    q: toFloats(qs),
    loss: toFloats(losses),
    sums: toFloats(sums),
    gradients: await parameters.read(parameters.gradient.buffer),
  };
  const values = listLeaves64(made, own);
  const gradients = runReferences(tape.nodes, values, batch).backward();
  const expected = { q: getValue(values, q), loss: getValue(values, loss), gradients };
  const kernels = {
    q: listWriters(specs, q.view),
    loss: listWriters(specs, loss.view, [q.view]),
    gradients: listWriters(specs, parameters.partials, [q.view]),
  };
  const columns = countValueColumns(own.shape);
  stack.move();
  return { network, weights, vectors, x, batch, columns, found, q, expected, kernels };
}

export const makeShape = (kind: QShape["kind"], slate: number): QShape => ({
  ...{ kind, slate, units: 8, trunk: 8, inputs: 3, itemColumns: 5 },
});

const learned: Readonly<Record<string, LearnedBatch>> = {
  "per position, chained, with large errors": {
    ...{ shape: makeShape("cascade", 3), counts: "each", count: 300, huber: true, chained: true },
  },
  "of outcomes": { shape: { ...makeShape("item", 3), zero: true }, counts: "outcome", count: 70 },
};

/** Tolerance for sums of at most a few hundred products of numbers near 1. */
const TOLERANCE = 4e-5;

/** Compares the values of slates, the loss of the values, and the gradients of the loss with f64. */
export async function checkLearning(
  gpu: Gpu,
  own: LearnedBatch,
  checks: CheckCollector,
  tolerance = TOLERANCE,
): Promise<void> {
  const { count } = own;
  const most = 64 * Math.ceil(count / 64);
  using bench = createSlateBench(gpu, { rows: count, items: LEARNED_ITEMS, most }, checks);
  const { network: trained, found, expected, columns, q, kernels } = await runLearning(gpu, bench, own);
  using network = trained;
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
    const numbers = Array.from({ length: count }, (_, row) => getAt(expected.loss, row, column));
    return { sum: numbers.reduce((a, b) => a + b, 0), size: numbers.reduce((a, b) => a + Math.abs(b), 0) };
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
}

export const networkCases: readonly NamedCheck[] = Object.entries(learned).map(([name, own]) => ({
  name: `networks: values ${name}`,
  check: (gpu, checks) => checkLearning(gpu, own, checks),
}));
