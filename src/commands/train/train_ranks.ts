/** `train` where mpirun starts several of it: rank 0 writes and reports, the others follow, and one of them says why all end. */

import { setTimeout as turn } from "node:timers/promises";
import process from "node:process";
import { permittedVariable } from "../../cli/arguments.ts";
import { explainFailure } from "../../cli/fail.ts";
import type { Stop } from "../../cli/stop.ts";
import type { Gpu } from "../../gpu/device.ts";
import * as v from "../../schema.ts";
import type { StagesConfig } from "../../train/config.ts";
import { DivergedError } from "../../train/results.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import type { DataConfig } from "../../data/sets/dataset.ts";
import { expectAgreement, type RanksConfig } from "../../run/ranks/agree.ts";
import { MpiRanks, rankPlace, textsOf } from "../../run/ranks/mpi.ts";
import { type RunConfig, runConfigSchema } from "../../run/run_config.ts";
import { stagesOf } from "../../run/stages.ts";
import { followStage, type RunContext } from "../../run/training_run.ts";
import { EXIT_INTERRUPTED, machine } from "./run_stages.ts";

/** Rank 0 says what ends all; the next ones only if it has not ended by then, so that a reason is said once. */
const TURN_MS = 1200;
/** After a signal: long enough for a step and a snapshot, and short, as the others may be gone. */
const STOP_MS = 5000;
/** A rank that knows that another one says it waits to be ended by mpirun, so long. */
const ENDED_MS = 60_000;

/** Joins the ranks that mpirun has started, if it has, and runs the command among them. @returns its exit code */
export async function withRanks(stop: Stop, main: (ranks?: MpiRanks) => Promise<number>): Promise<number> {
  const place = rankPlace(permittedVariable);
  if (!place) return await main();
  let ranks: MpiRanks | undefined;
  stop.signal.addEventListener("abort", () => {
    if (!ranks?.begun) Deno.exit(EXIT_INTERRUPTED); // nothing is there to save
    Deno.unrefTimer(setTimeout(() => Deno.exit(EXIT_INTERRUPTED), STOP_MS));
  });
  const speak = place.rank > 0 ? silence() : () => {};
  try {
    ranks = await MpiRanks.join(place);
    const code = await main(ranks);
    await ranks.leave();
    return code;
  } catch (error) {
    if (place.rank === 0) throw error;
    if (error instanceof DivergedError) await turn(ENDED_MS);
    await turn(Math.min(place.rank, 2) * TURN_MS);
    if (stop.signal.aborted) Deno.exit(EXIT_INTERRUPTED);
    speak();
    const known = explainFailure(error);
    throw known ? new UserError(`rank ${place.rank}: ${known.message}`) : error;
  }
}

/** Nothing is printed any more. @returns what ends that */
function silence(): () => void {
  const { log, error } = console;
  const write = process.stderr.write;
  console.log = console.error = () => {};
  process.stderr.write = () => true;
  return () => {
    Object.assign(console, { log, error });
    process.stderr.write = write;
  };
}

/** @throws UserError where a rank has another program, machine, data set or options. */
export async function expectSame(
  ranks: MpiRanks | undefined,
  gpu: Gpu,
  data: DataConfig,
  { model, training, adversarial, pretrain, ranks: own }: StagesConfig & Pick<RunConfig, "ranks">,
): Promise<void> {
  if (!ranks) return;
  await expectAgreement(ranks, ranks.machine, {
    clickgan: version,
    ...await machine(gpu),
    data: { ...data, path: undefined },
    options: { model, training, adversarial, pretrain, syncEvery: own?.syncEvery },
  });
}

/** On rank 0: what the others are to train. */
export async function tellConfigs(ranks: MpiRanks | undefined, configs: readonly RunConfig[]): Promise<void> {
  if (ranks) await textsOf(ranks, JSON.stringify(configs));
}

/** On the others: what rank 0 has told. */
export async function toldConfigs(ranks: MpiRanks): Promise<RunConfig[]> {
  const [text = ""] = await textsOf(ranks, "");
  return v.parse(v.array(runConfigSchema), JSON.parse(text));
}

/** Trains on another rank than the first. @returns the exit code */
export async function follow(
  context: RunContext,
  ranks: MpiRanks,
  configs: readonly RunConfig[],
): Promise<number> {
  for (const config of configs) {
    for (const stage of stagesOf(config)) {
      if (!await followStage(stage, { ...context, config, path: "" }, ranks)) return EXIT_INTERRUPTED;
    }
  }
  return 0;
}

/** What a run's config says of its ranks. @throws UserError for --sync-every without any. */
export function ranksOf(ranks: MpiRanks | undefined, syncEvery: number): RanksConfig | undefined {
  if (ranks) return { size: ranks.size, syncEvery };
  if (syncEvery === 1) return undefined;
  throw new UserError(
    "Expected several ranks with --sync-every, got one process. Start them with mpirun -n 2 deno task train ..., or leave " +
      "--sync-every out.",
  );
}
