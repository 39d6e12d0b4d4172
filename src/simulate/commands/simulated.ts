/** Whoever is simulated, with the data that they are asked about and the device, for as long as it is used. */

import { hasPagesWithoutClick } from "../../data/log_source.ts";
import type { Gpu } from "../../gpu/device.ts";
import { Made } from "../../gpu/made.ts";
import { openGpu } from "../../gpu/host/open_gpu.ts";
import type { OpenedDataset } from "../../data/sets/opened_dataset.ts";
import type { UsersSource } from "../users.ts";
import { UserError } from "../../user_error.ts";
import { findUsers, type FoundUsers } from "./found_users.ts";
import type { SimulateOptions } from "./options.ts";

/** A command's users, opened. */
export interface Simulated {
  readonly gpu: Gpu;
  /** What is freed in the end, before the device is. */
  readonly made: Made;
  /** Whom the options name. */
  readonly found: FoundUsers;
  readonly data: OpenedDataset;
  /** Who clicks. */
  readonly environment: UsersSource;
  /** What policies know of users, where it is not whoever clicks. */
  readonly known: UsersSource | undefined;
  /** Who clicks, in words: "the users of runs/a/best-loss.safetensors". */
  readonly words: string;
  /** Why clicks say nothing here; undefined where they do. */
  readonly noClickRate: string | undefined;
}

/** @throws UserError as {@link findUsers}, and for a model whose utilities are no log-odds. */
export async function withSimulated<T>(
  options: SimulateOptions,
  use: (simulated: Simulated) => Promise<T>,
): Promise<T> {
  const found = await findUsers(options);
  const { data, truth, run } = found;
  const noClickRate = truth || hasPagesWithoutClick(data.source) ? undefined : noClickWords(data.source.name);
  if (noClickRate !== undefined && options.reward === "utility") {
    throw new UserError(
      `Expected --reward click: every page of ${data.source.name} has a click, so how high its utilities are was never ` +
        "seen, and sums of them say nothing. Leave --reward out; slates are ranked all the same.",
    );
  }
  const made = new Made();
  const gpu = await openGpu();
  try {
    const { environment, known } = found.open(gpu, made);
    const words = truth
      ? `${environment.name} itself${known ? `, whose users policies know through ${known.name}` : ""}`
      : `the users of ${run?.path}`;
    return await use({ gpu, made, found, data, environment, known, words, noClickRate });
  } finally {
    made.destroy();
    gpu.close();
  }
}

function noClickWords(name: string): string {
  return `Every page of ${name} has a click, so a model of it cannot know how often nothing is clicked: ` +
    "clicks, and click rates, would say nothing about its users and are left out. Rankings are not touched by that.";
}
