/** `train --resume`: goes on with a run, or with the runs of a `--seeds` folder. */

import { checksum } from "../files/checksum.ts";
import { OwnedFolder } from "../files/owned_folder.ts";
import { type Dataset, fitDataset } from "../../data/sets/dataset.ts";
import { hasConfig, readConfig, type RunConfig } from "../run_config.ts";
import { RunFolder } from "../run_folder.ts";
import { configOfSeed, folderOfSeed, readSeeds, writeSeeds } from "../seeds_folder.ts";
import { readSnapshot } from "../snapshot.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { stages, stagesOf } from "../stages.ts";
import { UserError } from "../../user_error.ts";
import { reopenData } from "../../cli/open_data.ts";
import { compareMachine } from "./other_machine.ts";
import { expectToGoOn, withGpu } from "./run_stages.ts";
import { quoted } from "../../cli/shell_word.ts";
import type { Stop } from "../../cli/stop.ts";
import type { TrainOptions } from "./train_options.ts";
import { runOne, runSeeds } from "./train_runs.ts";

/** @param given the options that were given. @returns the exit code. @throws UserError for a run that cannot go on. */
export async function resume(
  path: string,
  options: TrainOptions,
  given: ReadonlySet<string>,
  stop: Stop,
): Promise<number> {
  const isRun = await hasConfig(path) || await readSeeds(path) !== undefined;
  if (!isRun) await readConfig(path); // says so
  using _folder = OwnedFolder.open(path);
  const seeds = await readSeeds(path);
  if (seeds) {
    const extended = { ...seeds, config: extend(seeds.config, options, given) };
    for (const seed of seeds.seeds) {
      await expectToGoOn(folderOfSeed(path, seed), configOfSeed(extended, seed));
    }
    const begun = await Promise.all(seeds.seeds.map((seed) => hasBegun(folderOfSeed(path, seed))));
    const { data, init } = await reopen(seeds.config, begun.includes(false));
    return await withGpu(data, seeds.config, async (gpu) => {
      await compareMachine(gpu, seeds.config);
      if (extended.config !== seeds.config) await writeSeeds(path, extended);
      const context = { gpu, data, init, signal: stop.signal };
      return await runSeeds(context, path, extended, options.report, stop);
    });
  }
  const saved = await readConfig(path);
  const config = extend(saved, options, given);
  await expectExtensible(path, saved, config);
  await expectToGoOn(path, config);
  const { data, init } = await reopen(config, !await hasBegun(path));
  return await withGpu(data, config, async (gpu) => {
    await compareMachine(gpu, config);
    const run = { gpu, data, init, path, config, signal: stop.signal };
    return await runOne(run, options.report, stop);
  });
}

/** Whether a run has saved anything that it goes on from. */
async function hasBegun(path: string): Promise<boolean> {
  const begun = await Promise.all(stages.map((stage) => RunFolder.hasState(stage.folder(path))));
  return begun.includes(true);
}

/** @throws UserError where a stage is to be extended from which a later one has begun. */
async function expectExtensible(path: string, saved: RunConfig, wanted: RunConfig): Promise<void> {
  const all = stagesOf(saved);
  for (const [k, stage] of all.entries()) {
    const next = all[k + 1];
    if (!next || stage.iterations(saved) === stage.iterations(wanted)) continue;
    if (!await RunFolder.hasState(next.folder(path))) continue;
    throw new UserError(
      `The ${next.title} of ${path} has begun from its ${stage.title}, which can no longer be extended. ` +
        `Start a new run with --init ${quoted(`${stage.folder(path)}/last.safetensors`)}.`,
    );
  }
}

/** The config with the iterations that were given. @throws UserError for a stage that the run does not have. */
function extend(config: RunConfig, options: TrainOptions, given: ReadonlySet<string>): RunConfig {
  let extended = config;
  for (const stage of stages.filter(({ option }) => given.has(option))) {
    if (!stage.isPartOf(config)) throw new UserError(stage.absent);
    extended = stage.withIterations(extended, options[stage.option]);
  }
  return extended;
}

/** Opens what a run was begun with. @param fresh whether the weights it starts from are still needed. */
async function reopen(
  config: RunConfig,
  fresh: boolean,
): Promise<{ data: Dataset; init: Snapshot["weights"] | undefined }> {
  const data = await reopenData(config.data);
  if (!config.init || !fresh) return { data, init: undefined };
  const { path, sha256 } = config.init;
  const init = await readSnapshot(path);
  if ((await checksum(path)).sha256 !== sha256) {
    throw new UserError(
      `${path}, which the run starts from, has changed since it began. Put the old file back.`,
    );
  }
  const fitted = init.info ? fitDataset(data, init.info, `The model of ${path}`) : data;
  return { data: fitted, init: init.weights };
}
