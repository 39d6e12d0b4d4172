/**
 * Peer jax-js (a library that is compared with clickgan). The whole step, with gradient and Adam, is one
 * compiled function. jax-js compiles a function again for every shape, so all batches are padded to one size,
 * and all pages to the longest page. jax-js frees arrays passed to it; `.ref` keeps an array for another use.
 * The library's gradient of `take` does not compile on Deno's WebGPU: its shader passes a storage pointer to
 * a function. On other backends it runs on one thread. So {@link takeBack} replaces the library's gradient.
 */

import { defaultDevice, init, jit, lax, nn, numpy as np, tree, valueAndGrad, vjp } from "@jax-js/jax";
import { NONE } from "../../src/data/click_log.ts";
import { listPageLengths, type PeerBatch, type PeerJob } from "./job.ts";
import { adam, type Backend, createRunner, type Peer, UnsupportedJobError } from "./peer.ts";

type Arrays = Record<string, np.Array>;

type TrainingState = { parameters: Arrays; m: Arrays; v: Arrays };

/** Indices of a gather, which copies table rows. `taken`: [outputs] index of each output's table row. */
type TakenRows = {
  taken: np.Array;
  /** [table rows, n] indices of the outputs that copy each row, padded with an index past the last output. */
  takers: np.Array;
};

type Batch = {
  /** [D] index in the catalogue of each of the batch's D distinct items. */
  slotItem: TakenRows;
  /** [E * K] index of each shown item among the distinct items, for K page positions of E events. */
  rowItem: TakenRows;
  /** [E] index of each event's state among the states from {@link computeStates}. */
  eventState: TakenRows;
  /** [L * B] index of the clicked item among the distinct items, for L clicks of B users. */
  fedItem: TakenRows;
  /** [D, F] features of distinct items. `fedFeatures`: [L * B, F] of clicked items. One-hot: unused. */
  slotFeatures: np.Array;
  fedFeatures: np.Array;
  /** [E, K] 1 at the clicked position of a page, 0 elsewhere. */
  clicked: np.Array;
  /** [E, K] 0 at a position with an item, -1e9 at a padded position. */
  absent: np.Array;
  share: np.Array;
};

/** Sizes to which all batches are padded. */
interface Sizes {
  readonly users: number;
  readonly clicks: number;
  readonly events: number;
  readonly slots: number;
  readonly page: number;
  readonly oneHot: boolean;
  /** Maximum number of outputs that copy the same row, for each {@link TakenRows}. */
  readonly takers: { readonly rowItem: number; readonly eventState: number; readonly fedItem: number };
}

const ITEM_KERNEL = "utility/layer1/item_kernel";
const INPUT_KERNEL = "encoder/lstm/input_kernel";

export async function createJaxPeer(job: PeerJob, backend: Backend): Promise<Peer> {
  if (!(await init(backend)).includes(backend)) {
    throw new UnsupportedJobError(`backend ${backend} does not start`);
  }
  defaultDevice(backend);
  const sizes = getSizes(job);
  const batches = job.batches.map((batch) => createDeviceBatch(batch, sizes, job));
  const values = (zero: boolean): Arrays =>
    Object.fromEntries(Array.from(job.weights, ([name, { data, shape }]) => {
      const array = zero ? new Float32Array(data.length) : data.slice();
      return [name, np.array(array, { shape: [...shape] })];
    }));
  const step = jit((state: TrainingState, rate: np.Array, batch: Batch) => {
    const { loss, gradients } = lossAndGradients(tree.ref(state.parameters), batch, sizes);
    return { loss, ...adamStep(state, gradients, rate) };
  });
  let state: TrainingState = { parameters: values(false), m: values(true), v: values(true) };
  const runStep = (batch: Batch, rate: number) => {
    const { loss, ...next } = step(state, np.array(Float32Array.of(rate)), tree.ref(batch));
    state = next;
    return loss;
  };
  const run = createRunner(job.learningRate, batches, runStep, async (loss) => (await loss.data())[0] ?? NaN);
  return { run, note: "jax-js 0.1.25" };
}

function getSizes({ batches, users, width }: PeerJob): Sizes {
  const most = (of: (batch: PeerBatch) => number) => batches.reduce((m, batch) => Math.max(m, of(batch)), 0);
  const oneHot = width === 0;
  const mostEqual = (values: Uint32Array) => {
    const counts = new Map<number, number>();
    for (const value of values) if (value !== NONE) counts.set(value, (counts.get(value) ?? 0) + 1);
    return counts.values().reduce((m, count) => Math.max(m, count), 0);
  };
  return {
    users,
    clicks: most(({ fedItem }) => fedItem.length / users),
    events: most(({ eventClick }) => eventClick.length),
    slots: most(({ slotItem }) => slotItem.length),
    page: most((batch) => listPageLengths(batch).reduce((m, length) => Math.max(m, length), 0)),
    oneHot,
    takers: {
      rowItem: most(({ rowItem }) => mostEqual(rowItem)),
      eventState: most(({ eventState }) => mostEqual(eventState)),
      fedItem: oneHot ? most(({ fedItem }) => mostEqual(fedItem)) : 0,
    },
  };
}

/** @param taken - row that each output copies; -1 for padding, which copies row 0 without a gradient */
function findIndices(taken: Int32Array<ArrayBuffer>, rows: number, most: number): TakenRows {
  const takers = new Int32Array(rows * most).fill(taken.length);
  const counts = new Int32Array(rows);
  taken.forEach((row, position) => {
    if (row < 0) return;
    const count = counts[row] ?? 0;
    takers[row * most + count] = position;
    counts[row] = count + 1;
  });
  return {
    taken: np.array(taken.map((row) => Math.max(0, row))),
    takers: np.array(takers, { shape: [rows, most] }),
  };
}

function createDeviceBatch(batch: PeerBatch, sizes: Sizes, { features, width, items }: PeerJob): Batch {
  const { users, clicks, events, slots, page, oneHot, takers } = sizes;
  const listFeatures = (items: Uint32Array, length: number) => {
    const values = new Float32Array(length * width);
    items.forEach((item, k) => {
      values.set(features?.subarray(item * width, (item + 1) * width) ?? [], k * width);
    });
    return np.array(values, { shape: [length, width] });
  };
  const rowItem = new Int32Array(events * page).fill(-1);
  const absent = new Float32Array(events * page).fill(-1e9);
  const clicked = new Float32Array(events * page);
  listPageLengths(batch).forEach((length, e) => {
    const first = batch.eventFirst[e] ?? 0;
    for (let k = 0; k < length; k++) {
      rowItem[e * page + k] = batch.rowSlot[first + k] ?? 0;
      absent[e * page + k] = 0;
    }
    const click = batch.eventClick[e] ?? NONE;
    if (click !== NONE) clicked[e * page + click - first] = 1;
  });
  const eventState = new Int32Array(events).fill(-1);
  eventState.set(batch.eventState);
  const slotItem = new Int32Array(slots).fill(-1);
  const fedItem = new Int32Array(clicks * users).fill(-1);
  if (oneHot) {
    slotItem.set(batch.slotItem);
    const slotOf = new Map(Array.from(batch.slotItem, (item, slot) => [item, slot]));
    fedItem.set(Array.from(batch.fedItem, (item) => slotOf.get(item) ?? -1));
  }
  const none = () => np.array(Float32Array.of(0));
  return {
    slotItem: findIndices(slotItem, items, 1),
    rowItem: findIndices(rowItem, slots, takers.rowItem),
    eventState: findIndices(eventState, (clicks + 1) * users, takers.eventState),
    fedItem: findIndices(fedItem, slots, takers.fedItem),
    slotFeatures: oneHot ? none() : listFeatures(batch.slotItem, slots),
    fedFeatures: oneHot ? none() : listFeatures(batch.fedItem, clicks * users),
    clicked: np.array(clicked, { shape: [events, page] }),
    absent: np.array(absent, { shape: [events, page] }),
    share: np.array(Float32Array.of(1 / batch.eventClick.length)),
  };
}

const take = (table: np.Array, { taken }: TakenRows) => np.take(table, taken.ref, 0);

/** Returns the gradient of a table: for each row, the sum of the gradients of its copies. */
function takeBack(gradient: np.Array, { takers }: TakenRows): np.Array {
  const columns = gradient.shape[1] ?? 0;
  return np.take(np.concatenate([gradient, np.zeros([1, columns])]), takers.ref, 0).sum(1);
}

function lossAndGradients(
  parameters: Arrays,
  batch: Batch,
  sizes: Sizes,
): { loss: np.Array; gradients: Arrays } {
  const { oneHot } = sizes;
  const { [ITEM_KERNEL]: itemKernel, [INPUT_KERNEL]: inputKernel, ...others } = parameters;
  if (!itemKernel || !inputKernel) throw new Error(`Expected the weights ${ITEM_KERNEL} and ${INPUT_KERNEL}`);
  const of = (start: string): Arrays =>
    Object.fromEntries(Object.entries(others).filter(([name]) => name.startsWith(start)));

  // Tables from which the loss reads rows: LSTM inputs, LSTM states, and the items' part of the first layer.
  const [input, inputBack] = oneHot
    ? [take(take(inputKernel, batch.slotItem), batch.fedItem), undefined]
    : vjp((kernel: np.Array) => np.matmul(batch.fedFeatures.ref, kernel), [inputKernel]);
  const [states, statesBack] = vjp(
    (input: np.Array, lstm: Arrays) => computeStates(input, lstm, sizes),
    [input, of("encoder/")],
  );
  const [itemPart, itemBack] = oneHot
    ? [take(itemKernel, batch.slotItem), undefined]
    : vjp((kernel: np.Array) => np.matmul(batch.slotFeatures.ref, kernel), [itemKernel]);

  const [loss, [dStates, dItems, dUtility]] = valueAndGrad(
    (states: np.Array, items: np.Array, utility: Arrays) => computeLoss(states, items, utility, batch, sizes),
    { argnums: [0, 1, 2] },
  )(take(states, batch.eventState), take(itemPart, batch.rowItem), of("utility/"));

  const dItemPart = takeBack(dItems, batch.rowItem);
  const dItemKernel = itemBack ? itemBack(dItemPart)[0] : takeBack(dItemPart, batch.slotItem);
  const [dInput, dLstm] = statesBack(takeBack(dStates, batch.eventState));
  const dInputKernel = inputBack
    ? inputBack(dInput)[0]
    : takeBack(takeBack(dInput, batch.fedItem), batch.slotItem);
  tree.dispose(batch);
  return {
    loss,
    gradients: { ...dUtility, ...dLstm, [ITEM_KERNEL]: dItemKernel, [INPUT_KERNEL]: dInputKernel },
  };
}

/** @param states - [E, H] @param rowItems - [E * K, N] features of shown items @ ITEM_KERNEL */
function computeLoss(
  states: np.Array,
  rowItems: np.Array,
  utility: Arrays,
  batch: Batch,
  { events, page }: Sizes,
): np.Array {
  const of = (name: string) => utility[`utility/${name}`]!;
  const columns = rowItems.shape[1] ?? 0;
  const statePart = np.matmul(states, of("layer1/state_kernel")).add(of("layer1/bias"));
  const sum = rowItems.reshape([events, page, columns]).add(statePart.reshape([events, 1, columns]));
  const hidden1 = nn.elu(sum.reshape([events * page, columns]));
  const hidden2 = nn.elu(np.matmul(hidden1, of("layer2/kernel")).add(of("layer2/bias")));
  const u = np.matmul(hidden2, of("output/kernel").transpose()).add(of("output/bias"))
    .reshape([events, page]);
  const pages = u.ref.add(batch.absent.ref);
  const most = lax.stopGradient(np.maximum(np.max(pages.ref, 1, { keepdims: true }), 0));
  const exponentials = np.exp(pages.sub(most.ref)).sum(1, { keepdims: true }).add(np.exp(most.ref.mul(-1)));
  const partition = np.log(exponentials).add(most);
  return partition.sum().sub(u.mul(batch.clicked.ref).sum()).mul(batch.share.ref).sum();
}

/** Returns [(L + 1) * B, H] states after 0 to L clicks. @param input - [L * B, 4 * H] items @ INPUT_KERNEL */
function computeStates(input: np.Array, lstm: Arrays, { users, clicks }: Sizes): np.Array {
  const of = (name: string) => lstm[`encoder/lstm/${name}`]!;
  const recurrent = of("recurrent_kernel");
  const H = recurrent.shape[0] ?? 0;
  const inputs = input.add(of("bias")).reshape([clicks, users, 4 * H]);
  let h = np.zeros([users, H]);
  let c = np.zeros([users, H]);
  const states = [h.ref];
  for (let l = 0; l < clicks; l++) {
    const gates = inputs.ref.slice(l).add(np.matmul(h, recurrent.ref));
    const gate = (k: number) => gates.ref.slice([], [k * H, (k + 1) * H]);
    const kept = nn.sigmoid(gate(2).add(1)).mul(c);
    c = kept.add(nn.sigmoid(gate(0)).mul(np.tanh(gate(1))));
    h = nn.sigmoid(gate(3)).mul(np.tanh(c.ref));
    gates.dispose();
    states.push(h.ref);
  }
  for (const left of [h, c, inputs, recurrent]) left.dispose();
  return np.concatenate(states);
}

/** Updates the weights by Adam in TensorFlow's form. */
function adamStep({ parameters, m, v }: TrainingState, gradients: Arrays, rate: np.Array): TrainingState {
  const { beta1, beta2, epsilon } = adam;
  const next: TrainingState = { parameters: {}, m: {}, v: {} };
  for (const [name, parameter] of Object.entries(parameters)) {
    const gradient = gradients[name]!;
    const newM = m[name]!.mul(beta1).add(gradient.ref.mul(1 - beta1));
    const newV = v[name]!.mul(beta2).add(np.square(gradient).mul(1 - beta2));
    next.parameters[name] = parameter.sub(newM.ref.div(np.sqrt(newV.ref).add(epsilon)).mul(rate.ref));
    next.m[name] = newM;
    next.v[name] = newV;
  }
  rate.dispose();
  return next;
}
