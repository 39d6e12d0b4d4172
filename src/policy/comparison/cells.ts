/** From tried policies to the cells of a comparison. */

import type { Gpu } from "../../gpu/device.ts";
import { Simulator } from "../../simulate/simulator.ts";
import type { UsersSource } from "../../simulate/users.ts";
import type { Cell, Support } from "./comparison.ts";
import { consistencyOf } from "./consistency.ts";
import { figuresOf } from "./episodes.ts";
import { pageCalibrationOf } from "./page_calibration.ts";
import { LoggedStates, rareSlots } from "./support.ts";
import { joined, type Trial } from "./trial.ts";

/** What the log of the model that the policies learned on knows. */
export interface Logged {
  readonly states: LoggedStates;
  /** [I] displays to train users. */
  readonly displays: ArrayLike<number>;
}

/** States of these are looked at, evenly taken, where there are more. */
const MOST_STATES = 50_000;
/** Users whose states stand for those of the log. */
const LOGGED_USERS = 4096;

/** What a cell is made with. */
export interface CellOptions {
  /** I */
  readonly items: number;
  /** Whether it is the environment that the policies learned in: what their values are about. */
  readonly learnedHere: boolean;
  readonly logged?: Logged;
}

/** @throws RangeError for no trial. */
export function cellOf(
  { policy, seed }: Pick<Cell, "policy" | "seed">,
  environment: string,
  trials: readonly Trial[],
  { items, learnedHere, logged }: CellOptions,
): Cell {
  const predicted = trials.flatMap(({ log, witness }) =>
    witness ? [{ log, predicted: witness.predicted }] : []
  );
  const seen = trials.flatMap(({ log, values }) =>
    values?.count === log.slate ? [presentRows(values.values, log.slate, log.present)] : []
  );
  const slate = trials[0]?.log.slate ?? 0;
  return {
    ...{ policy, seed, environment },
    figures: figuresOf(trials.map(({ log }) => log), items),
    ...(predicted.length > 0 && { calibration: pageCalibrationOf(predicted) }),
    ...(logged && predicted.length > 0 && { support: supportOf(trials, logged) }),
    ...(learnedHere && slate > 1 && seen.length > 0 && { consistency: consistencyOf(joined(seen), slate) }),
  };
}

function supportOf(trials: readonly Trial[], { states, displays }: Logged): Support {
  let [beyond, of, rare, shown] = [0, 0, 0, 0];
  const rows = trials.reduce((sum, { log }) => sum + log.present.length, 0);
  const step = Math.ceil(rows / MOST_STATES);
  for (const { log, witness } of trials) {
    const slates = presentRows(log.slates, log.slate, log.present);
    rare += rareSlots(slates, displays) * slates.length;
    shown += slates.length;
    if (!witness) continue;
    const found = states.beyond(witness.states, (row) => row % step === 0 && log.present[row] === 1);
    beyond += found.beyond;
    of += found.of;
  }
  return { statesBeyond: beyond / of, rareSlots: rare / shown };
}

/** The rows [.., width] of users who were there. */
function presentRows<T extends Float32Array | Uint32Array>(
  values: T,
  width: number,
  present: ArrayLike<number>,
): T {
  return values.filter((_, k) => present[Math.floor(k / width)] === 1) as T;
}

/**
 * The states of logged users after each of their pages, drawn evenly.
 * @param histories the clicks that a logged user had made by then, oldest first.
 */
export async function loggedStates(
  gpu: Gpu,
  witness: UsersSource,
  histories: readonly ArrayLike<number>[],
  seed: number,
): Promise<LoggedStates> {
  const users = Math.min(LOGGED_USERS, Math.max(2, histories.length));
  const simulator = await Simulator.create(gpu, witness, {
    ...{ users, slate: 1, pages: 1, seed, repeats: true, start: histories, together: users },
  });
  try {
    await simulator.reset();
    const states = await simulator.states();
    return new LoggedStates(states, states.length / users);
  } finally {
    simulator.destroy();
  }
}
