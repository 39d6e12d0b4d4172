/** `train --init`: the weights that a run starts from. */

import { exists } from "../files/file_error.ts";
import type { Dataset } from "../../data/sets/dataset.ts";
import { hasConfig, readConfig } from "../run_config.ts";
import { readSnapshot } from "../snapshot.ts";
import type { Snapshot } from "../snapshot/snapshot.ts";
import { stagesOf } from "../stages.ts";
import { UserError } from "../../user_error.ts";

/** A snapshot to start from. */
export interface Init {
  readonly path: string;
  readonly snapshot: Snapshot;
}

/**
 * @param source a snapshot, or a run, whose best prec@1 is taken: of the Shannon stage if it has one.
 * @throws UserError for a run on other data, as its train users may be this one's test users.
 */
export async function openInit(source: string, data: Dataset): Promise<Init> {
  const config = await hasConfig(source) ? await readConfig(source) : undefined;
  if (!config) {
    if (await exists(`${source}/seeds.json`)) {
      throw new UserError(
        `Expected one run for --init, got ${source}, which holds several: name one of its seeds.`,
      );
    }
    return { path: source, snapshot: await readSnapshot(source) };
  }
  const { path: _, ...own } = { path: "", ...data.config };
  const { path: __, ...theirs } = { path: "", ...config.data };
  if (JSON.stringify(own) !== JSON.stringify(theirs)) {
    throw new UserError(
      `Expected --init of a run on the same data, but ${source} was trained on other data or another split ` +
        `(${JSON.stringify(theirs)}, here ${JSON.stringify(own)}): its train users may be test users here. ` +
        `To use its weights all the same, name a snapshot in it.`,
    );
  }
  const folder = stagesOf(config)[0]?.folder(source) ?? source;
  const path = `${folder}/best-prec1.safetensors`;
  if (!await exists(path)) {
    throw new UserError(`Expected a run with a best-prec1 snapshot for --init, found none in ${folder}.`);
  }
  return { path, snapshot: await readSnapshot(path) };
}
