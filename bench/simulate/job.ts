/**
 * What the peers of `bench simulate` get: weights, items, pages of clickgan's that theirs are compared with, and a lesson: what
 * they learn once, on the same remembered pages as clickgan.
 */

import type { Gpu } from "../../src/gpu/device.ts";
import type { UserModel } from "../../src/model/user_model.ts";
import { writeSafetensors } from "../../src/run/snapshot.ts";
import type { TensorData } from "../../src/run/snapshot/safetensors.ts";
import type { ParameterSpec, Weights } from "../../src/tape/parameters.ts";
import { NONE } from "../../src/data/click_log.ts";
import { keyOf, mulhi, philox, purposes } from "../../src/data/philox.ts";
import { PolicyTrainer } from "../../src/policy/learning/policy_trainer.ts";
import { LEFT } from "../../src/policy/learning/replay.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { features, PagePlayer, SEED, SLATE, trainingConfig, WIDTH } from "./pages.ts";

/** Pages, and users, that peers go through before anything is timed. */
const CHECKED = { users: 64, pages: 3 };
/** Items up to which a lesson is compared: the draws above choose among all of them. */
const LESSON_ITEMS = 1000;

type Put = (name: string, shape: number[], data: TensorData["data"]) => void;

/** Writes the file of a job. */
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
  put("features", [items, WIDTH], features(items));
  addAll("weights/", model.parameters.specs, await model.weights());
  const { users, pages } = CHECKED;
  for (const kind of ["cdqn", "greedy"] as const) {
    using player = await PagePlayer.create(gpu, model, kind, { users, items });
    const { slates, choices, probabilities } = await player.logOf(pages);
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

/** Two episodes. */
const LESSON = { users: 64, pages: 4 };
/** B, drawn of what is remembered. */
const ROWS = 1024;

/**
 * [rows, 3] (episode, page, user) that `replay_draw.wgsl` draws for the first step of the optimiser. That step follows the
 * first page of the second episode, which is drawn as often as any of the first episode's pages.
 */
export function drawnPages(
  rows: number,
  { users, pages }: { readonly users: number; readonly pages: number },
  seed: number,
): Uint32Array<ArrayBuffer> {
  const whole = users * pages;
  return Uint32Array.from(
    Array.from({ length: rows }, (_, row) => {
      const [word] = philox([row, 0, 0, purposes.REPLAY], keyOf(seed));
      const number = mulhi(word, whole + users);
      return number < whole ? [0, number % pages, Math.floor(number / pages)] : [1, 0, number - whole];
    }).flat(),
  );
}

/**
 * Two episodes of random slates. @returns what the first step of the optimiser finds on the pages that it draws: means, by the
 * first weights
 */
async function addLesson(gpu: Gpu, model: UserModel, put: Put): Promise<{ loss: number; q: number }> {
  const { users, pages } = LESSON;
  using trainer = await PolicyTrainer.create(gpu, new LearnedSource(model), {
    ...trainingConfig,
    ...{ users, pages, rows: ROWS, replay: users * pages, epsilonStart: 1, epsilonEnd: 1 },
  });
  await trainer.run(pages);
  let figures: { loss: number; q: number } | undefined;
  // The rest of the second episode changes nothing of the pages that the first step drew.
  await trainer.run(2 * pages, { onStep: ({ loss, q }) => void (figures ??= { loss, q }) });
  const { states, shown, happened } = (await trainer.stateOfAll()).replay;
  const floats = new Float32Array(states.buffer, states.byteOffset, states.length);
  const items = Uint32Array.from({ length: happened.length / 2 }, (_, at) => {
    const slot = ((happened[2 * at] ?? 0) & ~LEFT) >>> 0;
    return slot < SLATE ? shown[at * SLATE + slot] ?? NONE : NONE;
  });
  put("replay/states", [2, pages + 1, users, floats.length / (2 * (pages + 1) * users)], floats);
  put("replay/shown", [2, pages, users, SLATE], shown);
  put("replay/items", [2, pages, users], items);
  put("replay/drawn", [ROWS, 3], drawnPages(ROWS, LESSON, SEED));
  if (!figures) throw new Error("expected a step of the optimiser after the first episode");
  return figures;
}
