/**
 * The model in plain TypeScript on one thread: f32 arrays, the first layer in its two parts, gradients written out by
 * hand, every array made once.
 */

import { NONE } from "../../src/data/click_log.ts";
import { type Job, type PeerBatch, someItem } from "./job.ts";
import { adam, adamRate, type Peer } from "./peer.ts";
import { addColumnSums, addTransposedProduct, product, transposed } from "./plain_matmul.ts";

type F32 = Float32Array<ArrayBuffer>;

/** A parameter with its gradient and Adam's moments. */
interface Parameter {
  readonly value: F32;
  readonly gradient: F32;
  readonly m: F32;
  readonly v: F32;
}

/** Sizes of the hidden layers. */
const N = 64;

// Not async all the way: there is nothing to wait for.
export function plainPeer(job: Job): Promise<Peer> {
  const model = new PlainModel(job);
  const batches = job.batches.map((batch) => ({ ...batch, fedItem: someItem(batch.fedItem) }));
  let t = 0;
  const run = (steps: number) => {
    let loss = NaN;
    for (let k = 0; k < steps; k++) {
      const batch = batches[t % batches.length];
      if (!batch) throw new Error("a job without batches");
      loss = model.step(batch, adamRate(job.learningRate, ++t));
    }
    return Promise.resolve(loss);
  };
  return Promise.resolve({ run, note: "Deno (1 thread)" });
}

class PlainModel {
  readonly #parameters = new Map<string, Parameter>();
  readonly #scratch = new Map<string, F32>();
  readonly #features: F32 | undefined;
  readonly #F: number;
  readonly #H: number;

  constructor(job: Job) {
    this.#features = job.features;
    this.#F = job.width;
    for (const [name, { data }] of job.weights) {
      const zeros = () => new Float32Array(data.length);
      this.#parameters.set(name, {
        value: Float32Array.from(data),
        gradient: zeros(),
        m: zeros(),
        v: zeros(),
      });
    }
    this.#H = job.weights.get("encoder/lstm/recurrent_kernel")?.shape[0] ?? 0;
  }

  #parameter(name: string): Parameter {
    const parameter = this.#parameters.get(name);
    if (!parameter) throw new Error(`no parameter is called ${name}`);
    return parameter;
  }

  /** An array that keeps its memory from step to step, with what the last one left in it. */
  #array(name: string, length: number): F32 {
    const array = this.#scratch.get(name);
    if (array && array.length >= length) return array.subarray(0, length);
    const longer = new Float32Array(length);
    this.#scratch.set(name, longer);
    return longer;
  }

  #zeros(name: string, length: number): F32 {
    return this.#array(name, length).fill(0);
  }

  /** One step of training. @returns the batch's loss before it. */
  step(batch: PeerBatch, rate: number): number {
    const [F, H] = [this.#F, this.#H];
    const E = batch.eventClick.length;
    const R = batch.rowItem.length;
    const D = batch.slotItem.length;
    const B = batch.users;
    const L = batch.fedItem.length / B;
    const input = this.#parameter("encoder/lstm/input_kernel");
    const recurrent = this.#parameter("encoder/lstm/recurrent_kernel");
    const lstmBias = this.#parameter("encoder/lstm/bias");
    const stateKernel = this.#parameter("utility/layer1/state_kernel");
    const itemKernel = this.#parameter("utility/layer1/item_kernel");
    const bias1 = this.#parameter("utility/layer1/bias");
    const kernel2 = this.#parameter("utility/layer2/kernel");
    const bias2 = this.#parameter("utility/layer2/bias");
    const outKernel = this.#parameter("utility/output/kernel");
    const outBias = this.#parameter("utility/output/bias");

    // The state before every event.
    const fed = this.#features && gatherRows(this.#features, batch.fedItem, F, this.#array("fed", L * B * F));
    const gates = this.#array("gates", L * B * 4 * H);
    const states = this.#array("states", (L + 1) * B * H);
    const cells = this.#array("cells", (L + 1) * B * H);
    states.fill(0, 0, B * H);
    cells.fill(0, 0, B * H);
    if (fed) product(fed, input.value, gates, L * B, F, 4 * H, lstmBias.value);
    else {
      gatherRows(input.value, batch.fedItem, 4 * H, gates);
      addToRows(gates, lstmBias.value);
    }
    const recurrentPart = this.#array("recurrent part", B * 4 * H);
    for (let l = 0; l < L; l++) {
      product(states, recurrent.value, recurrentPart, B, H, 4 * H, undefined, { a: l * B * H, out: 0 });
      lstmForward(recurrentPart, gates, cells, states, l * B, B, H);
    }
    const eventStates = gatherRows(states, batch.eventState, H, this.#array("event states", E * H));

    // The first layer in two parts, then row by row.
    const statePart = this.#array("state part", E * N);
    product(eventStates, stateKernel.value, statePart, E, H, N, bias1.value);
    const items = this.#features &&
      gatherRows(this.#features, batch.slotItem, F, this.#array("items", D * F));
    const itemPart = this.#array("item part", D * N);
    if (items) product(items, itemKernel.value, itemPart, D, F, N);
    else gatherRows(itemKernel.value, batch.slotItem, N, itemPart);
    const hidden1 = this.#array("hidden 1", R * N);
    firstLayer(statePart, itemPart, batch, hidden1);
    const hidden2 = this.#array("hidden 2", R * N);
    product(hidden1, kernel2.value, hidden2, R, N, N, bias2.value);
    const utilities = this.#array("utilities", R);
    eluAndDot(hidden2, outKernel.value, outBias.value, utilities);
    const slopes = this.#array("slopes", R);
    const loss = choiceLoss(utilities, batch, slopes);

    // The same way back.
    const d2 = this.#array("d hidden 2", R * N);
    outputBackward(slopes, hidden2, outKernel, outBias, d2);
    addTransposedProduct(hidden1, d2, kernel2.gradient, R, N, N);
    addColumnSums(d2, bias2.gradient, R);
    const d1 = this.#array("d hidden 1", R * N);
    product(d2, transposed(kernel2.value, N, N, this.#array("kernel 2 transposed", N * N)), d1, R, N, N);
    const dState = this.#zeros("d state part", E * N);
    const dItem = this.#zeros("d item part", D * N);
    firstLayerBackward(d1, hidden1, batch, dState, dItem);
    if (items) addTransposedProduct(items, dItem, itemKernel.gradient, D, F, N);
    else scatterRows(dItem, batch.slotItem, N, itemKernel.gradient);
    addTransposedProduct(eventStates, dState, stateKernel.gradient, E, H, N);
    addColumnSums(dState, bias1.gradient, E);
    const dEventStates = this.#array("d event states", E * H);
    const stateTransposed = transposed(stateKernel.value, H, N, this.#array("state transposed", H * N));
    product(dState, stateTransposed, dEventStates, E, N, H);
    const dStates = this.#zeros("d states", (L + 1) * B * H);
    scatterRows(dEventStates, batch.eventState, H, dStates);
    const dCell = this.#zeros("d cell", B * H);
    const dRecurrent = this.#array("d recurrent", B * H);
    const recurrentTransposed = transposed(
      recurrent.value,
      H,
      4 * H,
      this.#array("recurrent transposed", 4 * H * H),
    );
    for (let l = L - 1; l >= 0; l--) {
      lstmBackward(gates, cells, dStates, dCell, l * B, B, H);
      product(gates, recurrentTransposed, dRecurrent, B, 4 * H, H, undefined, { a: l * B * 4 * H, out: 0 });
      const before = dStates.subarray(l * B * H, (l + 1) * B * H);
      for (let k = 0; k < before.length; k++) before[k] = (before[k] ?? 0) + (dRecurrent[k] ?? 0);
    }
    addTransposedProduct(states, gates, recurrent.gradient, L * B, H, 4 * H);
    addColumnSums(gates, lstmBias.gradient, L * B);
    if (fed) addTransposedProduct(fed, gates, input.gradient, L * B, F, 4 * H);
    else scatterRows(gates, batch.fedItem, 4 * H, input.gradient);

    for (const parameter of this.#parameters.values()) adamStep(parameter, rate);
    return loss;
  }
}

/** out [places, width] = the rows of a table that the places name. */
function gatherRows(table: F32, places: Uint32Array, width: number, out: F32): F32 {
  for (let r = 0, o = 0; r < places.length; r++) {
    const from = (places[r] ?? 0) * width;
    for (let k = 0; k < width; k++) out[o++] = table[from + k] ?? 0;
  }
  return out;
}

/** Adds each row to the row of the table that its place names. */
function scatterRows(rows: F32, places: Uint32Array, width: number, table: F32): void {
  for (let r = 0, p = 0; r < places.length; r++) {
    const to = (places[r] ?? 0) * width;
    for (let k = 0; k < width; k++) table[to + k] = (table[to + k] ?? 0) + (rows[p++] ?? 0);
  }
}

function addToRows(rows: F32, bias: F32): void {
  for (let p = 0; p < rows.length;) {
    for (let k = 0; k < bias.length; k++) rows[p] = (rows[p++] ?? 0) + (bias[k] ?? 0);
  }
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** One click of every user: in `gates` the input's part becomes the gates i, g, f, o. */
function lstmForward(
  recurrentPart: F32,
  gates: F32,
  cells: F32,
  states: F32,
  first: number,
  users: number,
  H: number,
): void {
  for (let user = 0; user < users; user++) {
    const z = user * 4 * H;
    const g = (first + user) * 4 * H;
    const before = (first + user) * H;
    const after = before + users * H;
    for (let j = 0; j < H; j++) {
      const i = sigmoid((gates[g + j] ?? 0) + (recurrentPart[z + j] ?? 0));
      const candidate = Math.tanh((gates[g + H + j] ?? 0) + (recurrentPart[z + H + j] ?? 0));
      const forget = sigmoid((gates[g + 2 * H + j] ?? 0) + (recurrentPart[z + 2 * H + j] ?? 0) + 1);
      const o = sigmoid((gates[g + 3 * H + j] ?? 0) + (recurrentPart[z + 3 * H + j] ?? 0));
      const cell = forget * (cells[before + j] ?? 0) + i * candidate;
      gates[g + j] = i;
      gates[g + H + j] = candidate;
      gates[g + 2 * H + j] = forget;
      gates[g + 3 * H + j] = o;
      cells[after + j] = cell;
      states[after + j] = o * Math.tanh(cell);
    }
  }
}

/** The same back: in `gates` the gates become the gradients of what they are made of. */
function lstmBackward(
  gates: F32,
  cells: F32,
  dStates: F32,
  dCell: F32,
  first: number,
  users: number,
  H: number,
): void {
  for (let user = 0; user < users; user++) {
    const g = (first + user) * 4 * H;
    const before = (first + user) * H;
    const after = before + users * H;
    for (let j = 0; j < H; j++) {
      const i = gates[g + j] ?? 0;
      const candidate = gates[g + H + j] ?? 0;
      const forget = gates[g + 2 * H + j] ?? 0;
      const o = gates[g + 3 * H + j] ?? 0;
      const tanhCell = Math.tanh(cells[after + j] ?? 0);
      const d = dStates[after + j] ?? 0;
      const dc = (dCell[user * H + j] ?? 0) + d * o * (1 - tanhCell * tanhCell);
      gates[g + j] = dc * candidate * i * (1 - i);
      gates[g + H + j] = dc * i * (1 - candidate * candidate);
      gates[g + 2 * H + j] = dc * (cells[before + j] ?? 0) * forget * (1 - forget);
      gates[g + 3 * H + j] = d * tanhCell * o * (1 - o);
      dCell[user * H + j] = dc * forget;
    }
  }
}

const elu = (x: number) => (x > 0 ? x : Math.exp(x) - 1);

function firstLayer(statePart: F32, itemPart: F32, { rowEvent, rowSlot }: PeerBatch, out: F32): void {
  for (let r = 0, o = 0; r < rowEvent.length; r++) {
    const state = (rowEvent[r] ?? 0) * N;
    const item = (rowSlot[r] ?? 0) * N;
    for (let j = 0; j < N; j++) out[o++] = elu((statePart[state + j] ?? 0) + (itemPart[item + j] ?? 0));
  }
}

/** Adds d through the ELU to the state's part of its event and the item's part of its item. */
function firstLayerBackward(
  d: F32,
  hidden: F32,
  { rowEvent, rowSlot }: PeerBatch,
  dState: F32,
  dItem: F32,
): void {
  for (let r = 0, p = 0; r < rowEvent.length; r++) {
    const state = (rowEvent[r] ?? 0) * N;
    const item = (rowSlot[r] ?? 0) * N;
    for (let j = 0; j < N; j++, p++) {
      const y = hidden[p] ?? 0;
      const dz = y > 0 ? d[p] ?? 0 : (d[p] ?? 0) * (y + 1);
      dState[state + j] = (dState[state + j] ?? 0) + dz;
      dItem[item + j] = (dItem[item + j] ?? 0) + dz;
    }
  }
}

/** ELU of `hidden` in place, and the utility of every row. */
function eluAndDot(hidden: F32, kernel: F32, bias: F32, utilities: F32): void {
  for (let r = 0, p = 0; r < utilities.length; r++) {
    let u = bias[0] ?? 0;
    for (let j = 0; j < N; j++, p++) {
      const y = elu(hidden[p] ?? 0);
      hidden[p] = y;
      u += y * (kernel[j] ?? 0);
    }
    utilities[r] = u;
  }
}

/** Mean over events of log(1 + sum exp u) - u of what was clicked; `slopes` become its gradient. */
function choiceLoss(utilities: F32, { eventFirst, eventClick }: PeerBatch, slopes: F32): number {
  const events = eventClick.length;
  let loss = 0;
  for (let e = 0; e < events; e++) {
    const [first, end] = [eventFirst[e] ?? 0, eventFirst[e + 1] ?? 0];
    const click = eventClick[e] ?? NONE;
    let most = 0;
    for (let r = first; r < end; r++) most = Math.max(most, utilities[r] ?? 0);
    let sum = Math.exp(-most);
    for (let r = first; r < end; r++) sum += Math.exp((utilities[r] ?? 0) - most);
    for (let r = first; r < end; r++) {
      slopes[r] = (Math.exp((utilities[r] ?? 0) - most) / sum - (r === click ? 1 : 0)) / events;
    }
    loss += most + Math.log(sum) - (click === NONE ? 0 : utilities[click] ?? 0);
  }
  return loss / events;
}

function outputBackward(slopes: F32, hidden: F32, kernel: Parameter, bias: Parameter, d: F32): void {
  const sums = new Float64Array(N);
  let biasSum = 0;
  for (let r = 0, p = 0; r < slopes.length; r++) {
    const slope = slopes[r] ?? 0;
    biasSum += slope;
    for (let j = 0; j < N; j++, p++) {
      const y = hidden[p] ?? 0;
      sums[j] = (sums[j] ?? 0) + slope * y;
      d[p] = slope * (kernel.value[j] ?? 0) * (y > 0 ? 1 : y + 1);
    }
  }
  kernel.gradient.set(sums);
  bias.gradient[0] = biasSum;
}

/** Adam in TensorFlow's form; leaves the gradient zero. */
function adamStep({ value, gradient, m, v }: Parameter, rate: number): void {
  const { beta1, beta2, epsilon } = adam;
  for (let k = 0; k < value.length; k++) {
    const g = gradient[k] ?? 0;
    const mk = beta1 * (m[k] ?? 0) + (1 - beta1) * g;
    const vk = beta2 * (v[k] ?? 0) + (1 - beta2) * g * g;
    m[k] = mk;
    v[k] = vk;
    value[k] = (value[k] ?? 0) - rate * mk / (Math.sqrt(vk) + epsilon);
    gradient[k] = 0;
  }
}
