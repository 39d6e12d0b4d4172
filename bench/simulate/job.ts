/** What the peers of `bench simulate` get: weights, items, and pages of clickgan's that theirs are compared with. */

import type { Gpu } from "../../src/gpu/device.ts";
import type { UserModel } from "../../src/model/user_model.ts";
import { writeSafetensors } from "../../src/run/snapshot.ts";
import type { TensorData } from "../../src/run/snapshot/safetensors.ts";
import type { ParameterSpec } from "../../src/tape/parameters.ts";
import { addLesson, type LessonFigures } from "./lesson.ts";
import {
  type ActingKind,
  features,
  PagePlayer,
  PAGES,
  type PageSizes,
  trainingConfig,
  WIDTH,
} from "./pages.ts";

/** Pages, and users, that peers go through before anything is timed. */
const CHECKED = { users: 64, pages: 3 };
/** Items up to which a lesson is compared: the draws above choose among all of them. */
const LESSON_ITEMS = 1000;

/** I, k, and the users of each who acts. */
export interface JobSizes extends Omit<PageSizes, "users"> {
  readonly users: Readonly<Record<ActingKind, number>>;
}

/** Writes the file of a job. @returns what clickgan says of the lesson; nothing where none is compared. */
export async function writeSimulateJob(
  file: string,
  gpu: Gpu,
  model: UserModel,
  sizes: JobSizes,
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
    const player = await PagePlayer.create(gpu, model, kind, { items, slate, users });
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
  const lesson = learns && items <= LESSON_ITEMS ? await addLesson(gpu, model, slate, tensors) : undefined;
  const { hidden: units, learningRate, clip, targetEvery, rows, replay, ...config } = trainingConfig(slate);
  const settings = {
    ...{ slate, units, learningRate, clip, targetEvery, rows, replay, pages: PAGES },
    ...{ epsilon: config.epsilonEnd, users: { ...sizes.users, learn: config.users } },
  };
  await writeSafetensors(file, tensors, { settings: JSON.stringify(settings) });
  return lesson;
}
