/**
 * Runs `train` with MPI. Rank (process) 0 writes files and prints results; the other ranks only train. Before
 * training, the ranks compare versions, machines, data and options. If ranks fail, only one reports an error.
 */

import process from "node:process";
import * as v from "../../schema.ts";
import { setTimeout as turn } from "node:timers/promises";
import { readEnvironmentVariable } from "../../cli/arguments.ts";
import { explainFailure } from "../../cli/run_main.ts";
import { EXIT_INTERRUPTED, type StopRequest } from "../../cli/stop.ts";
import type { Gpu } from "../../gpu/device.ts";
import type { StagesConfig } from "../../train/training_config.ts";
import { DivergedError } from "../../train/training_results.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import type { DataConfig } from "../../data/sets/dataset.ts";
import { gatherTexts, MpiRanks, rankPlace, trainCommand } from "../../run/ranks/mpi.ts";
import { type RunConfig, runConfigSchema } from "../../run/run_config.ts";
import { listStages } from "../../run/stages.ts";
import { followStage, type RunContext } from "../../run/training_run.ts";
import { describeMachine } from "./run_stages.ts";
import { listUsers } from "../../data/click_log.ts";
import { countScored, type LogSource } from "../../data/log_source.ts";
import { expectShares, type ProcessGroup } from "../../train/process_group.ts";

/** Milliseconds that rank 1 waits before it reports an error. All ranks above 1 wait twice as long. */
const TURN_MS = 1200;
/** Milliseconds from a termination signal to a forced exit: enough to finish a step and save the run. */
const STOP_MS = 5000;
/** Milliseconds that ranks above 0 wait after a divergence, so that only rank 0 reports the divergence. */
const ENDED_MS = 60_000;

/** Runs the command, with MPI if mpirun started several processes. @returns the command's exit code */
export async function withRanks(
  stop: StopRequest,
  main: (ranks?: MpiRanks) => Promise<number>,
): Promise<number> {
  const place = rankPlace(readEnvironmentVariable);
  if (!place) return await main();
  let ranks: MpiRanks | undefined;
  stop.signal.addEventListener("abort", () => {
    if (!ranks?.begun) Deno.exit(EXIT_INTERRUPTED); // nothing is trained yet
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

/** Suppresses the output of this process. @returns a function that restores the output */
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

/** @throws UserError if the ranks differ in their program, machine, data set or options. */
export async function expectSame(
  ranks: MpiRanks | undefined,
  gpu: Gpu,
  data: DataConfig,
  { model, training, adversarial, pretrain, ranks: own }: StagesConfig & Pick<RunConfig, "ranks">,
): Promise<void> {
  if (!ranks) return;
  await expectAgreement(ranks, ranks.machine, {
    clickgan: version,
    ...await describeMachine(gpu),
    data: { ...data, path: undefined },
    options: { model, training, adversarial, pretrain, syncEvery: own?.syncEvery },
  });
}

/** Sends the configs of all runs from rank 0 to the other ranks. */
export async function sendConfigs(ranks: MpiRanks | undefined, configs: readonly RunConfig[]): Promise<void> {
  if (ranks) await gatherTexts(ranks, JSON.stringify(configs));
}

/** Receives the configs of all runs from rank 0. */
export async function receiveConfigs(ranks: MpiRanks): Promise<RunConfig[]> {
  const [text = ""] = await gatherTexts(ranks, "");
  return v.parse(v.array(runConfigSchema), JSON.parse(text));
}

/** Trains the runs on a rank above 0. @returns the exit code */
export async function follow(
  context: RunContext,
  ranks: MpiRanks,
  configs: readonly RunConfig[],
): Promise<number> {
  for (const config of configs) {
    for (const stage of listStages(config)) {
      if (!await followStage(stage, { ...context, config, path: "" }, ranks)) return EXIT_INTERRUPTED;
    }
  }
  return 0;
}

/** Builds the ranks' config; undefined for one process. @throws UserError for --sync-every in one process */
export function buildRanksConfig(ranks: MpiRanks | undefined, syncEvery: number): RanksConfig | undefined {
  if (ranks) return { size: ranks.size, syncEvery };
  if (syncEvery === 1) return undefined;
  throw new UserError(
    "Expected several ranks with --sync-every, got one process. Start ranks by mpirun -n 2 deno task " +
      "train ..., or remove --sync-every.",
  );
}

/** Number of ranks that train a run, and number of steps between two synchronisations of their weights. */
type RanksConfig = NonNullable<RunConfig["ranks"]>;

/** @throws UserError if several ranks cannot train `config`, for example because of --batch-norm. */
export function expectTrainable(ranks: RanksConfig, config: StagesConfig, source: LogSource): void {
  const { model, training, adversarial } = config;
  if (model.batchNorm) {
    throw new UserError(
      "Expected no --batch-norm with several ranks, because each rank would normalise only its own part " +
        "of a batch. Remove --batch-norm, or train in one process.",
    );
  }
  const present = listUsers(source, "validation").filter((user) => countScored(source, user) > 0).length;
  expectShares(ranks, Math.min(present, training.validationUsers ?? present), "validation users with pages");
  for (const { name, option } of listStages(config)) {
    const [of, more] = name === "shannon" ? [training, ""] : [adversarial ?? training, "adversarial-"];
    expectShares(ranks, of.batchSize, `users in a batch (--${more}batch-size)`);
    expectMultiple(option, of.iterations, ranks);
    expectMultiple(`${more}validate-every`, of.validateEvery, ranks);
  }
}

function expectMultiple(option: string, value: number, { syncEvery }: RanksConfig): void {
  if (value % syncEvery === 0) return;
  const nearest = Math.max(1, Math.round(value / syncEvery)) * syncEvery;
  throw new UserError(
    `Expected --${option} to be a multiple of --sync-every ${syncEvery}, because the ranks' weights ` +
      `differ between synchronisations, got ${value}. The nearest multiple is ${nearest}.`,
  );
}

/** @throws UserError if the number of ranks differs from the number at the start of the run. */
export function expectAsMany(
  then: RanksConfig | undefined,
  now: { size: number } | undefined,
  path: string,
): void {
  const [was, is] = [then?.size ?? 1, now?.size ?? 1];
  if (was === is) return;
  const command = trainCommand({ size: was });
  throw new UserError(
    `Expected ${was} ranks, as at the start of the run in ${path}, got ${is}: the number of ranks ` +
      `affects the bits of the results. Resume with ${command} --resume, or start a new run from the ` +
      "weights of this run with --init.",
  );
}

/**
 * Checks that all ranks have equal values. @param machine - name of this rank's machine. @param own - values
 * of this rank, by name. @throws UserError if a value differs from the value of rank 0.
 */
export async function expectAgreement(
  ranks: ProcessGroup,
  machine: string,
  own: Readonly<Record<string, unknown>>,
): Promise<void> {
  const facts = { ...Object.fromEntries(listLeaves(own)), machine };
  const texts = await gatherTexts(ranks, JSON.stringify(facts));
  const all = texts.map((text): Record<string, string> => JSON.parse(text));
  const [first = {}] = all;
  for (const [rank, facts] of all.entries()) {
    const names = Object.keys({ ...first, ...facts }).filter((name) => name !== "machine");
    const odd = names.find((name) => facts[name] !== first[name]);
    if (odd === undefined) continue;
    const [theirs, ours] = [first, facts].map((of) => `${of[odd] ?? "none"} on rank`);
    throw new UserError(
      `Expected the same program, data and options on all ranks, but ${odd} differs: ` +
        `${theirs} 0 (${first.machine}), ${ours} ${rank} ` +
        `(${facts.machine}). Start all ranks with the same value; nothing was trained.`,
    );
  }
}

/** Lists all values of a nested object: the path of each value, such as "data.kind", and its JSON text. */
function listLeaves(value: unknown, path = ""): [string, string][] {
  const isLeaf = typeof value !== "object" || value === null || Array.isArray(value);
  if (isLeaf) return [[path, JSON.stringify(value) ?? "none"]];
  return Object.entries(value).flatMap(([name, part]) => listLeaves(part, path ? `${path}.${name}` : name));
}
