/**
 * Peer TensorFlow.js, with the library's core operations and gradients. All data stay on the device. Adam
 * updates all small parameters as one vector, because each operation has a high fixed cost.
 */

import * as tf from "@tensorflow/tfjs";
import { NONE } from "../../src/data/click_log.ts";
import { listPageLengths, type PeerBatch, type PeerJob } from "./job.ts";
import { adam, type Backend, createRunner, type Peer, UnsupportedJobError } from "./peer.ts";

/** Adam updates parameters with more than `SMALL` elements separately, and all others as one vector. */
const SMALL = 2 ** 16;

export async function createTensorflowPeer(job: PeerJob, backend: Backend): Promise<Peer> {
  const note = await openBackend(backend);
  const model = new TensorflowModel(job, backend);
  const features = job.features && tf.tensor2d(job.features, [job.items, job.width]);
  const batches = job.batches.map((batch) => createDeviceBatch(batch, features));
  const run = createRunner(
    job.learningRate,
    batches,
    (batch, rate) => model.step(batch, rate),
    async (loss) => {
      const [value = NaN] = await loss.data();
      loss.dispose();
      return value;
    },
  );
  return { run, note };
}

async function openBackend(backend: Backend): Promise<string> {
  const wasm = backend === "wasm" ? await import("@tensorflow/tfjs-backend-wasm") : undefined;
  if (!wasm) await import("@tensorflow/tfjs-backend-webgpu");
  if (!await tf.setBackend(backend)) throw new UnsupportedJobError(`backend ${backend} does not start`);
  await tf.ready();
  return `TensorFlow.js ${tf.version_core}${wasm ? ` (wasm by ${wasm.getThreadsCount()} thread(s))` : ""}`;
}

type Gather = (table: tf.Tensor2D, places: tf.Tensor1D) => tf.Tensor2D;

/** Gathers rows. Its gradient is `scatterND`, because the wasm backend has no `unsortedSegmentSum`. */
const gatherByScatter: Gather = (table, places) => {
  const [rows, columns] = table.shape;
  const gather = tf.customGrad((x) => {
    if (!(x instanceof tf.Tensor)) throw new Error("gather takes a tensor");
    return {
      value: tf.gather(x, places),
      gradFunc: (dy: tf.Tensor) => tf.scatterND(tf.expandDims(places, 1), dy, [rows, columns]),
    };
  });
  return tf.reshape(gather(table), [places.shape[0], columns]);
};
const gatherBySegment: Gather = (table, places) =>
  tf.reshape(tf.gather(table, places), [places.shape[0], table.shape[1]]);

/** Parameters that Adam updates as one vector. */
interface ParameterGroup {
  readonly members: readonly { readonly name: string; readonly rows: number; readonly columns: number }[];
  state: AdamState;
}

class TensorflowModel {
  readonly #groups: ParameterGroup[];
  readonly #gather: Gather;

  constructor({ weights }: PeerJob, backend: Backend) {
    this.#gather = backend === "webgpu" ? gatherBySegment : gatherByScatter;
    const { large = [], small = [] } = Object.groupBy(
      weights,
      ([, { data }]) => data.length > SMALL ? "large" : "small",
    );
    this.#groups = [...large.map((one) => [one]), small].map((group) => {
      const values = tf.tidy(() => tf.concat(group.map(([, { data }]) => tf.tensor1d(data))));
      const members = group.map(([name, { shape: [rows, columns] }]) => ({ name, rows, columns }));
      return { members, state: { values, m: tf.zerosLike(values), v: tf.zerosLike(values) } };
    });
  }

  /** Runs one training step. @returns the batch's loss before the update, which the caller must dispose */
  step(batch: DeviceBatch, rate: number): tf.Scalar {
    return tf.tidy(() => {
      const { value, grads } = tf.valueAndGrads((...vectors) => this.#loss(batch, vectors))(
        this.#groups.map(({ state }) => state.values),
      );
      this.#groups.forEach((group, k) => {
        const before = group.state;
        group.state = adamStep(before, grads[k]!, rate);
        for (const old of Object.values(before)) old.dispose();
      });
      return tf.reshape(value, []);
    });
  }

  /** @param vectors - parameter values, as one vector per group of parameters */
  #loss(batch: DeviceBatch, vectors: readonly tf.Tensor[]): tf.Scalar {
    const parameters = new Map<string, tf.Tensor2D>();
    this.#groups.forEach(({ members }, k) => {
      const sizes = members.map(({ rows, columns }) => rows * columns);
      const values = sizes.length === 1 ? [vectors[k]!] : tf.split(vectors[k]!, sizes);
      members.forEach(({ name, rows, columns }, member) => {
        parameters.set(name, tf.reshape(values[member]!, [rows, columns]));
      });
    });
    const of = (name: string): tf.Tensor2D => parameters.get(name)!;
    const gather = this.#gather;
    const states = computeStates(batch, of, gather);
    const statePart = tf.add(
      tf.matMul(gather(states, batch.eventState), of("utility/layer1/state_kernel")),
      of("utility/layer1/bias"),
    );
    const itemKernel = of("utility/layer1/item_kernel");
    const itemPart = batch.slotFeatures ? tf.matMul<tf.Tensor2D>(batch.slotFeatures, itemKernel) : itemKernel;
    const columns = itemKernel.shape[1];
    const rowItems = gather(itemPart, batch.rowItem);
    // If all pages have the same length, the state of a page is broadcast to its rows without an index.
    const sum = batch.page === undefined
      ? tf.add(rowItems, gather(tf.reshape(statePart, [batch.events, columns]), batch.rowEvent))
      : tf.reshape(
        tf.add(
          tf.reshape(rowItems, [batch.events, batch.page, columns]),
          tf.reshape(statePart, [batch.events, 1, columns]),
        ),
        [-1, columns],
      );
    const hidden1 = tf.elu(sum);
    const hidden2 = tf.elu(
      tf.add(tf.matMul(hidden1, of("utility/layer2/kernel")), of("utility/layer2/bias")),
    );
    const u = tf.reshape(
      tf.add(tf.matMul(hidden2, of("utility/output/kernel"), false, true), of("utility/output/bias")),
      [-1],
    );
    return choiceLoss(tf.reshape(u, [-1]), batch, gather);
  }
}

/** Returns [(L + 1) * B, H] LSTM states of B users after 0 to L clicks; zero before the first click. */
function computeStates(batch: DeviceBatch, of: (name: string) => tf.Tensor2D, gather: Gather): tf.Tensor2D {
  const recurrent = of("encoder/lstm/recurrent_kernel");
  const H = recurrent.shape[0];
  const { users, clicks } = batch;
  let h = tf.zeros<tf.Rank.R2>([users, H]);
  let c = h;
  const states = [h];
  if (clicks > 0) {
    const input = of("encoder/lstm/input_kernel");
    const product = batch.fedFeatures ? tf.matMul(batch.fedFeatures, input) : gather(input, batch.fedItem);
    const all = tf.add<tf.Tensor2D>(product, of("encoder/lstm/bias"));
    // The library's gradient of unstack fails if there is only one part.
    const inputs = clicks === 1 ? [all] : tf.unstack(tf.reshape(all, [clicks, users, 4 * H]));
    for (const x of inputs) {
      const gates = tf.add(x, tf.matMul(h, recurrent));
      const [i, g, f, o] = tf.split(gates, 4, 1);
      c = tf.add(tf.mul(tf.sigmoid(tf.add(f!, 1)), c), tf.mul(tf.sigmoid(i!), tf.tanh(g!)));
      h = tf.mul(tf.sigmoid(o!), tf.tanh(c));
      states.push(h);
    }
  }
  return tf.concat(states);
}

function choiceLoss(u: tf.Tensor1D, batch: DeviceBatch, gather: Gather): tf.Scalar {
  const { events, longestPage } = batch;
  let pages: tf.Tensor2D;
  if (batch.page === undefined) {
    const withNone = tf.reshape(tf.concat([u, tf.tensor1d([-1e9])]), [-1, 1]);
    pages = tf.reshape(gather(tf.reshape(withNone, [u.shape[0] + 1, 1]), batch.pageRows), [
      events,
      longestPage,
    ]);
  } else pages = tf.reshape(u, [events, longestPage]);
  const partition = tf.logSumExp(tf.concat([tf.zeros<tf.Rank.R2>([events, 1]), pages], 1), 1);
  const difference = tf.sub(tf.sum(partition), tf.sum(tf.mul(u, batch.clicked)));
  return tf.div(difference, events);
}

type DeviceBatch = ReturnType<typeof createDeviceBatch>;

function createDeviceBatch(batch: PeerBatch, features: tf.Tensor2D | undefined) {
  const index = (values: Iterable<number>) => tf.tensor1d(Int32Array.from(values), "int32");
  const { eventFirst, eventClick, users } = batch;
  const [events, rows] = [eventClick.length, batch.rowItem.length];
  const lengths = listPageLengths(batch);
  const longestPage = Math.max(...lengths);
  const pageRows = lengths.flatMap((length, e) =>
    Array.from({ length: longestPage }, (_, k) => (k < length ? (eventFirst[e] ?? 0) + k : rows))
  );
  const clicked = new Float32Array(rows);
  for (const row of eventClick) if (row !== NONE) clicked[row] = 1;
  const getRows = (places: tf.Tensor1D): tf.Tensor2D | undefined =>
    features && tf.reshape<tf.Rank.R2>(tf.gather(features, places), [places.shape[0], features.shape[1]]);
  // Item 0 replaces NONE. No event reads the values that are computed from this item.
  const fedItem = index(batch.fedItem.map((item) => item === NONE ? 0 : item));
  return {
    events,
    users,
    /** Largest number L of clicks per user. */
    clicks: batch.fedItem.length / users,
    /** Number of items per page, if all pages have the same number of items. */
    page: lengths.every((length) => length === longestPage) ? longestPage : undefined,
    rowItem: index(features ? batch.rowSlot : batch.rowItem),
    rowEvent: index(batch.rowEvent),
    eventState: index(batch.eventState),
    fedItem,
    /** [R] 1 for a clicked row, else 0. */
    clicked: tf.tensor1d(clicked),
    /** [D, F] features of the distinct items; undefined for one-hot items. `fedFeatures`: [L * B, F]. */
    slotFeatures: getRows(index(batch.slotItem)),
    fedFeatures: getRows(fedItem),
    /** [E * K] row index at each of a page's K positions; R at positions without an item. */
    pageRows: index(pageRows),
    longestPage,
  };
}

/** Values of parameters, with Adam's moments m and v. */
type AdamState = { readonly values: tf.Tensor1D; readonly m: tf.Tensor1D; readonly v: tf.Tensor1D };

function adamStep({ values, m, v }: AdamState, gradient: tf.Tensor, rate: number): AdamState {
  const { beta1, beta2, epsilon } = adam;
  const nextM = tf.add<tf.Tensor1D>(tf.mul(m, beta1), tf.mul(gradient, 1 - beta1));
  const nextV = tf.add<tf.Tensor1D>(tf.mul(v, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const step = tf.div<tf.Tensor1D>(nextM, tf.add(tf.sqrt(nextV), epsilon));
  return { values: tf.keep(tf.sub(values, tf.mul(step, rate))), m: tf.keep(nextM), v: tf.keep(nextV) };
}
