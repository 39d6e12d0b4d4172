/** What the peers of `bench simulate` get: weights, items, and pages of clickgan's that theirs are compared with. */

import type { Gpu } from "../src/gpu/device.ts";
import type { UserModel } from "../src/model/user_model.ts";
import { cdqn } from "../src/policy/cdqn.ts";
import { PolicyTrainer } from "../src/policy/policy_trainer.ts";
import { LEFT } from "../src/policy/replay.ts";
import { type TensorData, writeSafetensors } from "../src/run/safetensors.ts";
import { LearnedSource } from "../src/simulate/learned_source.ts";
import type { ParameterSpec } from "../src/tape/parameters.ts";
import { NONE } from "../src/data/click_log.ts";
import {
  type ActingKind,
  features,
  PagePlayer,
  PAGES,
  type PageSizes,
  trainingConfig,
  WIDTH,
} from "./simulate_pages.ts";

/** Pages, and users, that peers go through before anything is timed. */
const CHECKED = { users: 64, pages: 3 };
const LESSON = { users: 64, pages: 4 };
/** Drawn of the lesson's 256 pages of users, so that their mean is near that of all. */
export const LESSON_ROWS = 8192;
/** Items up to which a lesson is compared: the draws above choose among all of them. */
const LESSON_ITEMS = 1000;

/** What clickgan says of the lesson that peers are given; nothing where none is compared. */
export interface LessonFigures {
  readonly loss: number;
  readonly q: number;
}

/** Writes the file of a job. */
export async function writeSimulateJob(
  file: string,
  gpu: Gpu,
  model: UserModel,
  sizes: PageSizes,
  learns: boolean,
): Promise<LessonFigures | undefined> {
  const { items, slate } = sizes;
  const tensors = new Map<string, TensorData>();
  const addAll = (
    prefix: string,
    specs: readonly ParameterSpec[],
    weights: ReadonlyMap<string, Float32Array>,
  ) => {
    for (const { name, rows, columns } of specs) {
      const data = Float32Array.from(weights.get(name) ?? []);
      tensors.set(prefix + name, { shape: [rows, columns], data });
    }
  };
  tensors.set("features", { shape: [items, WIDTH], data: features(items) });
  addAll("weights/", model.parameters.specs, await model.weights());
  const { users, pages } = CHECKED;
  for (const kind of ["cdqn", "greedy"] satisfies ActingKind[]) {
    const player = await PagePlayer.create(gpu, model, kind, { ...sizes, users });
    try {
      const { slates, choices, probabilities } = await player.logOf(pages);
      const count = pages * users;
      tensors.set(`check/${kind}/slates`, {
        shape: [pages, users, slate],
        data: slates.slice(0, count * slate),
      });
      tensors.set(`check/${kind}/choices`, { shape: [pages, users], data: choices.slice(0, count) });
      tensors.set(`check/${kind}/probabilities`, {
        shape: [pages, users],
        data: probabilities.slice(0, count),
      });
      if (kind !== "cdqn") continue;
      const { specs, weights } = await player.policyWeights();
      addAll("policy/", specs, weights);
    } finally {
      player.destroy();
    }
  }
  const lesson = learns && items <= LESSON_ITEMS ? await addLesson(gpu, model, sizes, tensors) : undefined;
  const { hidden: units, learningRate, clip, targetEvery, rows, replay, ...config } = trainingConfig(slate);
  const settings = {
    ...{ slate, units, learningRate, clip, targetEvery, rows, replay, pages: PAGES, users: sizes.users },
    ...{ epsilon: config.epsilonEnd, learnUsers: config.users },
  };
  await writeSafetensors(file, tensors, { settings: JSON.stringify(settings) });
  return lesson;
}

/** An episode of random slates, and what the first step of the optimiser finds on it. */
async function addLesson(
  gpu: Gpu,
  model: UserModel,
  { slate }: PageSizes,
  tensors: Map<string, TensorData>,
): Promise<LessonFigures> {
  const { users, pages } = LESSON;
  const trainer = await PolicyTrainer.create(gpu, new LearnedSource(model), {
    ...trainingConfig(slate),
    ...{ users, pages, rows: LESSON_ROWS, replay: users * pages, epsilonStart: 1, epsilonEnd: 1 },
  }, cdqn);
  try {
    await trainer.run(pages);
    const { states, shown, happened } = (await trainer.stateOfAll()).replay;
    const floats = new Float32Array(states.buffer, states.byteOffset, states.length);
    // A ring of two episodes, of which the first is whole.
    const own = floats.slice(0, floats.length / 2);
    const items = Uint32Array.from({ length: pages * users }, (_, at) => {
      const slot = ((happened[2 * at] ?? 0) & ~LEFT) >>> 0;
      return slot < slate ? shown[at * slate + slot] ?? NONE : NONE;
    });
    tensors.set("replay/states", {
      shape: [pages + 1, users, own.length / ((pages + 1) * users)],
      data: own,
    });
    tensors.set("replay/shown", {
      shape: [pages, users, slate],
      data: Uint32Array.from(shown.subarray(0, pages * users * slate)),
    });
    tensors.set("replay/items", { shape: [pages, users], data: items });
    let figures: LessonFigures = { loss: NaN, q: NaN };
    await trainer.run(pages + 1, {
      onStep: ({ loss, q }) => {
        figures = { loss, q };
      },
    });
    return figures;
  } finally {
    trainer.destroy();
  }
}
