/** A training that goes on: with what it may, and from a file that was brought. */

import type { Gpu } from "../../../gpu/device.ts";
import { adversarialGroup } from "../../../run/options/train.ts";
import { stages } from "../../../run/stages.ts";
import type { Snapshot } from "../../../run/snapshot/snapshot.ts";
import { trainingSetting, trainingState } from "../../../run/snapshot/training_file.ts";
import type { StagesConfig } from "../../../train/config.ts";
import { UserError } from "../../../user_error.ts";
import { computedOn } from "./computed_on.ts";
import { dataChecksum } from "./data_checksum.ts";
import type { DataChoice } from "./lab_data.ts";
import { sameData } from "./train_data.ts";
import { changedFlags } from "./train_options.ts";
import { type SessionSetting, TrainSession } from "./train_session.ts";

/** @throws UserError for other settings than it was begun with, but for its iterations and a stage that is still to come. */
export function expectToGoOn(session: TrainSession, config: StagesConfig, choice: DataChoice): void {
  const { stage, iteration, setting } = session;
  const mayChange = stage.name === "shannon"
    ? ["iterations", ...adversarialGroup.options.map(({ name }) => name)]
    : ["adversarial"];
  const changed = changedFlags(session.config, config, mayChange);
  if (!sameData(setting.choice, choice)) changed.unshift("--data");
  if (changed.length > 0) {
    throw new UserError(
      `Expected the settings that the training has begun with, got ${
        changed.join(", ")
      } changed. Set it back, or press ` +
        "Train to begin anew.",
    );
  }
  const iterations = stage.isPartOf(config) ? stage.iterations(config) : 0;
  const beginsNext = config.adversarial !== null && stage.name === "shannon";
  if (iterations > iteration || (beginsNext && iterations === iteration)) return;
  if (session.trainer.stopped && beginsNext) return;
  throw new UserError(
    `Expected --${stage.option} above ${iteration}, as so many are done, got ${iterations}. Raise it, then go on.`,
  );
}

/** The training that a file holds, where it holds one of these data; and what is to be said of it. */
export async function reopen(
  gpu: Gpu,
  setting: SessionSetting,
  snapshot: Snapshot,
  name: string,
): Promise<{ readonly next: TrainSession | undefined; readonly note: string }> {
  const found = trainingSetting(snapshot, name);
  const stage = stages.find((one) => one.name === found?.stage);
  if (!found || !stage) return { next: undefined, note: "" };
  if (found.data !== dataChecksum(setting.data.source)) {
    return { next: undefined, note: "It was trained on other data, so that it cannot go on here." };
  }
  const next = await TrainSession.create(gpu, setting, found.config, { stage, before: [] });
  try {
    next.restore(trainingState(snapshot, next.trainer.specs, name));
  } catch (error) {
    next.destroy();
    throw error;
  }
  const same = found.adapter === computedOn(gpu);
  return {
    next,
    note: same
      ? "Go on goes on with its training, bit for bit."
      : "Go on goes on with its training, but not bit for bit: it began on another adapter or browser, or with other kernels.",
  };
}
