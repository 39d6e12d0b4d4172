/**
 * Runs simulate_peer.py, in which PyTorch simulates the same pages as clickgan. Before timing, the results of
 * a few pages and of one optimiser step (called the "lesson") are compared with clickgan's.
 */

import * as v from "../../src/schema.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { UserModel } from "../../src/model/user_model.ts";
import { writeSafetensors } from "../../src/run/snapshot_file.ts";
import type { TensorData } from "../../src/run/snapshot/safetensors.ts";
import type { ParameterSpec, Weights } from "../../src/tape/parameters.ts";
import { NONE } from "../../src/data/click_log.ts";
import { computePhilox, makeKey, multiplyHigh, purposes } from "../../src/data/philox.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { LEFT } from "../../src/policy/learning/replay_buffer.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { makeFeatures, SEED, SimulatedPages, SLATE, trainingConfig, WIDTH } from "./pages.ts";
import { UserError } from "../../src/user_error.ts";
import { PeerProcess } from "../peers/peer.ts";
import { type Torch, torchEnvironment } from "../peers/roster.ts";

/** Numbers of users and pages that are compared before timing. */
const CHECKED = { users: 64, pages: 3 };
/** Largest number of items for which the first optimiser step is compared. */
const LESSON_ITEMS = 1000;

type Put = (name: string, shape: number[], data: TensorData["data"]) => void;

export async function writeSimulateJob(
  file: string,
  gpu: Gpu,
  model: UserModel,
  items: number,
): Promise<void> {
  const tensors = new Map<string, TensorData>();
  const put: Put = (name, shape, data) => tensors.set(name, { shape, data });
  const addAll = (prefix: string, specs: readonly ParameterSpec[], weights: Weights) => {
    for (const { name, rows, columns } of specs) {
      put(prefix + name, [rows, columns], Float32Array.from(weights.get(name) ?? []));
    }
  };
  put("features", [items, WIDTH], makeFeatures(items));
  addAll("weights/", model.parameters.specs, await model.weights());
  const { users, pages } = CHECKED;
  for (const kind of ["cdqn", "greedy"] as const) {
    using player = await SimulatedPages.create(gpu, model, kind, { users, items });
    const { slates, choices, probabilities } = await player.readLog(pages);
    const count = pages * users;
    put(`check/${kind}/slates`, [pages, users, SLATE], slates.slice(0, count * SLATE));
    put(`check/${kind}/choices`, [pages, users], choices.slice(0, count));
    put(`check/${kind}/probabilities`, [pages, users], probabilities.slice(0, count));
    const { parameters } = player;
    if (parameters) addAll("policy/", parameters.specs, await parameters.read());
  }
  const lesson = items <= LESSON_ITEMS ? await addLesson(gpu, model, put) : {};
  await writeSafetensors(file, tensors, { settings: JSON.stringify({ ...trainingConfig, ...lesson }) });
}

const LESSON = { users: 64, pages: 4 };
/** Number of pages that the first optimiser step samples from the replay buffer. */
const ROWS = 1024;

/**
 * Returns [rows, 3] episode, page and user of the pages that `replay_draw.wgsl` samples for the first
 * optimiser step. At this step the buffer has all pages of episode 0, and page 0 of episode 1.
 */
export function drawReplayPages(
  rows: number,
  { users, pages }: { readonly users: number; readonly pages: number },
  seed: number,
): Uint32Array<ArrayBuffer> {
  const whole = users * pages;
  return Uint32Array.from(
    Array.from({ length: rows }, (_, row) => {
      const [word] = computePhilox([row, 0, 0, purposes.REPLAY], makeKey(seed));
      const number = multiplyHigh(word, whole + users);
      return number < whole ? [0, number % pages, Math.floor(number / pages)] : [1, 0, number - whole];
    }).flat(),
  );
}

/** Trains a policy for two random episodes. @returns mean loss and mean Q-value of the first step */
async function addLesson(gpu: Gpu, model: UserModel, put: Put): Promise<{ loss: number; q: number }> {
  const { users, pages } = LESSON;
  using trainer = await PolicyTrainer.create(gpu, new LearnedSource(model), {
    ...trainingConfig,
    ...{ users, pages, rows: ROWS, replay: users * pages, epsilonStart: 1, epsilonEnd: 1 },
  });
  await trainer.run(pages);
  let result: { loss: number; q: number } | undefined;
  // The pages that the first step samples do not change in the rest of the second episode.
  await trainer.run(2 * pages, { onStep: ({ loss, q }) => void (result ??= { loss, q }) });
  const { states, shown, happened } = (await trainer.stateOfAll()).replay;
  const floats = new Float32Array(states.buffer, states.byteOffset, states.length);
  const items = Uint32Array.from({ length: happened.length / 2 }, (_, at) => {
    const slot = ((happened[2 * at] ?? 0) & ~LEFT) >>> 0;
    return slot < SLATE ? shown[at * SLATE + slot] ?? NONE : NONE;
  });
  put("replay/states", [2, pages + 1, users, floats.length / (2 * (pages + 1) * users)], floats);
  put("replay/shown", [2, pages, users, SLATE], shown);
  put("replay/items", [2, pages, users], items);
  put("replay/drawn", [ROWS, 3], drawReplayPages(ROWS, LESSON, SEED));
  if (!result) throw new Error("expected a training step after the first episode, got none");
  return result;
}

const PATIENCE = 300;

/**
 * Allowed differences between PyTorch and clickgan, which add float32 numbers in different orders. `slates`
 * is the share of slates that differ. Losses and Q-values above 1 are compared by relative difference.
 */
const TOLERANCE = { probability: 1e-4, slates: 0.01, loss: 1e-4, q: 1e-4 };

/** Describes a difference above its tolerance, if any. @param found - differences by name; null for NaN */
export function findSimulationDisagreement(
  found: Readonly<Record<string, number | null>>,
): string | undefined {
  const wrong = Object.entries(TOLERANCE).find(([name, most]) =>
    name in found && !((found[name] ?? NaN) <= most)
  );
  return wrong && `${wrong[0]} differs by ${found[wrong[0]]}, allowed ${wrong[1]}`;
}

/** Starts PyTorch. @param file - job file. @throws UserError if results differ; Error if PyTorch fails */
export async function startSimulatePeer({ name, python }: Torch, file: string): Promise<PeerProcess> {
  const script = new URL("../peers/simulate_peer.py", import.meta.url).pathname;
  const command = { program: python, args: [script, file], environment: torchEnvironment };
  const process = await PeerProcess.start(command, PATIENCE);
  const wrong = findSimulationDisagreement(
    v.parse(v.record(v.string(), v.nullable(v.finiteNumber())), JSON.parse(process.note)),
  );
  if (wrong === undefined) return process;
  process.stop();
  throw new UserError(`Expected ${name} to reproduce clickgan's results, but they differ: ${wrong}.`);
}
