/** The data of trainings: opened once, and what does not learn from them. */

import { Baselines, baselineTitles } from "../../../figures/baselines/baselines.ts";
import { usersOf } from "../../../data/click_log.ts";
import { differenceOf } from "../../../data/feature_meaning.ts";
import { attainable } from "../../../data/demo_shop.ts";
import { fitSource } from "../../../model/item_features.ts";
import type { SnapshotInfo } from "../../../run/snapshot/snapshot.ts";
import { UserError } from "../../../user_error.ts";
import { type DataChoice, type LabData, openLabData } from "./lab_data.ts";
import type { Level } from "./train_progress.ts";

/** The last data that were opened: a file is not read twice. */
export class OpenedData {
  #opened: { readonly choice: DataChoice; readonly data: LabData } | undefined;

  /** @throws UserError for a file that cannot be used. */
  async of(choice: DataChoice, tell: (what: string) => void): Promise<LabData> {
    if (!this.#opened || !sameData(this.#opened.choice, choice)) {
      this.#opened = { choice, data: await openLabData(choice, tell) };
    }
    return this.#opened.data;
  }
}

export function sameData(a: DataChoice, b: DataChoice): boolean {
  if (a.kind === "shop") return b.kind === "shop" && a.name === b.name && a.seed === b.seed;
  if (b.kind === "shop" || a.files.length !== b.files.length) return false;
  // A file is another one each time that it crosses over to the worker.
  return a.files.every(({ path, file: { size, lastModified } }, k) => {
    const other = b.files[k];
    return path === other?.path && size === other.file.size && lastModified === other.file.lastModified;
  });
}

/**
 * The data as a snapshot's model has them. @param what it is, at the beginning of a sentence.
 * @throws UserError for other items, or features that mean something else.
 */
export function fitData(what: string, info: SnapshotInfo, data: LabData): LabData {
  expectSameFeatures(what, info, data);
  return { ...data, source: fitSource(data.source, info.items, what) };
}

/** @throws UserError for items whose features mean something else than those of the model. */
function expectSameFeatures(what: string, { features }: SnapshotInfo, data: LabData): void {
  const difference = features && data.features && differenceOf(features, data.features);
  if (difference === undefined) return;
  throw new UserError(
    `${what} was trained on items whose features mean something else than those of ${data.source.name}: ${difference}. ` +
      "Prepare this log with --like and the set that the model was trained on.",
  );
}

/** On the validation users, whom the curves are of, too. */
export function levelsOf({ source, truth, features, places }: LabData): Level[] {
  const users = usersOf(source, "validation");
  const levels: Level[] = [...Baselines.of(source, features?.tokens, undefined, places).test(users)].map((
    [name, { details: { figures } }],
  ) => ({
    name: baselineTitles[name],
    loss: figures.nll,
    prec1: figures.prec1 ?? NaN,
  }));
  if (truth && source.log) {
    const { nll, prec1 } = attainable(source.log, { utility: new Float64Array(truth.utility) }, users);
    levels.push({ name: "best attainable", loss: nll, prec1 });
  }
  return levels;
}
