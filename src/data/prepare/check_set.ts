/** Checks a prepared data set that another engine wrote. `data/check.sql` defines the possible faults. */

import script from "../../../data/check.sql" with { type: "text" };
import * as v from "../../schema.ts";
import { listUsers, splits } from "../click_log.ts";
import { makeStatus, type PreparationStatus } from "../log_source.ts";
import { MANIFEST, type Manifest, parseManifest } from "../manifest.ts";
import type { PreparedSet } from "../prepared_set.ts";
import { listTableFiles, openPreparedSet } from "../sets/prepared_folder.ts";
import { expectChecksum } from "../sets/packed_set.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";
import { readText } from "../../files/local_file.ts";
import { allowWrites } from "../../files/write_scope.ts";
import { parseJson, writeJson } from "../../files/json_file.ts";
import { UserError } from "../../user_error.ts";
import { formatThousands } from "../../number_text.ts";
import { splitScript, SqlEngine } from "./sql_engine.ts";
import { escapeGlob } from "./glob.ts";

const PARTS = ["users", "items", "pages"] as const;

/**
 * Reads a data set with the code that training uses, and adds missing counts and checksums to the manifest.
 * @returns the manifest, and true if it has changed. @throws UserError that lists all faults of the set.
 */
export async function check(
  folder: string,
  memory: string,
  onStep: (standing: PreparationStatus) => void,
): Promise<{ manifest: Manifest; added: boolean }> {
  onStep(makeStatus("Reading users, items and pages"));
  let set: PreparedSet;
  let counts: Manifest["counts"];
  try {
    set = await openPreparedSet(folder);
    counts = await countSet(set);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    onStep(makeStatus("Listing the faults"));
    throw await explained(folder, memory, error);
  }
  onStep(makeStatus("Checksums"));
  const { files, counts: known } = set.manifest;
  const rows = { users: set.userSplit.length, items: counts?.items ?? 0, pages: set.pages };
  const added = { ...files };
  for (const part of PARTS) {
    const { bytes, sha256 } = await expectChecksum(set, part);
    added[part] = { rows: rows[part], bytes, sha256 };
  }
  if (known && PARTS.every((part) => files[part])) return { manifest: set.manifest, added: false };
  allowWrites(folder);
  using _owned = OwnedFolder.open(folder);
  const path = `${folder}/${MANIFEST}`;
  const text = await readText(path);
  const json = v.parse(v.record(v.string(), v.unknown()), parseJson(text));
  const whole = { ...json, counts: known ?? counts, files: added };
  await writeJson(path, whole);
  return { manifest: parseManifest(path, JSON.stringify(whole)), added: true };
}

async function countSet(set: PreparedSet): Promise<Manifest["counts"]> {
  const items = await set.readItems(() => {});
  const { pages, rows, clicks, context, earlier, propensities } = await set.readClicks(items, () => {});
  const [train = 0, validation = 0, test = 0] = splits.map((split) => listUsers(set, split).length);
  const users = { train, validation, test };
  const more = { ...earlier > 0 ? { earlier } : {}, ...propensities > 0 ? { propensities } : {} };
  return { users, items, pages, rows, clicks, context, ...more };
}

/** Adds the faults that SQL finds to an error; returns `error` itself if SQL finds none or fails. */
async function explained(folder: string, memory: string, error: UserError): Promise<UserError> {
  const engine = await SqlEngine.open({ workFolder: "", memory });
  try {
    const files = Object.fromEntries(PARTS.map((part) => [part, listTableFiles(folder, part)]));
    for (const part of PARTS) await engine.setVariables({ [part]: files[part]?.map(escapeGlob) ?? [] });
    await engine.runSteps(splitScript(script));
    const faults = await engine.rows(
      "SELECT part, expected, count, place.file AS file, place.line AS line, found FROM fault ORDER BY ALL",
    );
    if (faults.length === 0) return error;
    const lines = faults.map(({ part, expected, count, file, line, found }) => {
      const path = files[String(part)]?.[Number(file) - 1];
      const total = formatThousands(Number(count));
      return `  ${path}:${line}: expected ${expected}, got ${found} (${total} in total)`;
    });
    const head = `${folder} is not a valid prepared data set:\n${lines.join("\n")}`;
    return new UserError(`${head}\nTraining reports: ${error.message}`, { cause: error });
  } catch {
    return error; // a file is damaged, or a column is missing or has a type that SQL cannot compare
  } finally {
    engine.close();
  }
}
