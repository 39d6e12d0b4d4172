/**
 * Tests LightGBM as a baseline of the trials. A separate process (../peers/lightgbm_peer.py) trains LightGBM
 * on the same click counts and item features as the logit baseline (bench/trials.md).
 */

import * as v from "../../src/schema.ts";
import { runChild } from "../../src/cli/jobs.ts";
import { buildCountsConfig, countTables } from "../../src/counts/count_tables.ts";
import { buildLogitSample } from "../../src/counts/logit.ts";
import { listUsers, splits } from "../../src/data/click_log.ts";
import { countScored, walk } from "../../src/data/log_source.ts";
import { type Dataset, openDataset } from "../../src/data/sets/dataset.ts";
import { makeFolder, writeAtomically, writeFileAtomically } from "../../src/files/atomic_write.ts";
import { readJson, writeJson } from "../../src/files/json_file.ts";
import { readBytes } from "../../src/files/local_file.ts";
import { fitLogOdds } from "../../src/metrics/baselines/utility_scale.ts";
import { LOGIT_POSITIONS, LOGIT_SEED } from "../../src/metrics/baselines/scorers.ts";
import { MetricCollector } from "../../src/metrics/metric_collector.ts";
import { packSums } from "../../src/metrics/test_result.ts";
import { pairedSchema } from "../../src/report/report_data.ts";
import { UserError } from "../../src/user_error.ts";
import { StudyStatus } from "../study.ts";
import type { LightgbmPython, TrialRuns } from "./runs.ts";

const SCRIPT = new URL("../peers/lightgbm_peer.py", import.meta.url).pathname;
export const objectives = ["lambdarank", "conditional logit"] as const;
const USERS_AT_ONCE = 1000;

const resultSchema = v.object({
  nll: v.finiteNumber(),
  prec1: v.finiteNumber(),
  paired: v.object(pairedSchema.entries),
});
export type LightgbmResult = v.InferOutput<typeof resultSchema>;

/** @throws UserError if a Python lacks the package versions that lightgbm_peer.py needs */
export async function expectLightgbm(program: string): Promise<LightgbmPython> {
  const expected = `Expected a Python with lightgbm as --python, got ${program}`;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  const { success, stdout, stderr } = await new Deno.Command(program, { args: ["-B", SCRIPT] }).output()
    .catch((error) => {
      throw new UserError(`${expected}, which cannot be started (${String(error)}). Name another program.`);
    });
  if (success) return { program, versions: text(stdout) };
  throw new UserError(`${expected}. ${text(stderr).split("\n").at(-1)?.replace(/^error: /, "")}`);
}

/** Trains and tests LightGBM on a log with each objective, unless results exist or LightGBM is missing. */
export async function trainLightgbm(runs: TrialRuns, name: string, path: string): Promise<LightgbmResult[]> {
  if (!runs.python) return [];
  const { program, versions } = runs.python;
  const open = () => openDataset(path, 1, false);
  const features = await runs.kept(`features-${name}`, ["features", path], async (folder) => {
    await writeFeatures(await open(), folder);
  });
  return await Promise.all(objectives.map(async (objective) => {
    const run = `lightgbm-${name}-${objective.replace(" ", "-")}`;
    const folder = await runs.kept(run, ["lightgbm", objective, path, versions], async (folder, cores) => {
      await makeFolder(folder);
      const args = ["-B", SCRIPT, features, objective, folder];
      await runChild({
        ...{ program, process: { args, env: { OMP_NUM_THREADS: String(cores) } } },
        ...{ onOutput: () => {}, onNote: (line) => console.error(`${run}: ${line}`) },
      }).catch((error) => {
        throw new UserError(`The training of ${run} failed: ${error.message}. See its messages above.`);
      });
      await writeJson(`${folder}/result.json`, await testScores(await open(), features, folder));
    });
    return v.parse(resultSchema, await readJson(`${folder}/result.json`, resultSchema));
  }));
}

/** Writes the input files of lightgbm_peer.py. Comments in lightgbm_peer.py describe their format. */
export async function writeFeatures({ source, features, pageOrder }: Dataset, folder: string): Promise<void> {
  const config = buildCountsConfig(source, features?.tokens ?? []);
  if (!config) {
    throw new UserError(
      `Expected a log with fewer items, got ${source.name}: its table of click counts is too large. Omit it.`,
    );
  }
  using status = new StudyStatus();
  const show = (what: string, done: number, all: number) =>
    status.show(`${what} of ${source.name}: ${done} / ${all}`);
  const tables = countTables(source, config, show);
  const options = { dense: true, positions: pageOrder === "shown" ? LOGIT_POSITIONS : 0, seed: LOGIT_SEED };
  await makeFolder(folder);
  for (const split of splits) {
    const users = listUsers(source, split);
    const [rows, chosen, page]: [number[], number[], number[]] = [[0], [], []];
    await writeAtomically(`${folder}/${split}.features`, async (write) => {
      for (let k = 0; k < users.length; k += USERS_AT_ONCE) {
        show(`Features for ${split} users`, k, users.length);
        const some = users.subarray(k, k + USERS_AT_ONCE);
        const sample = buildLogitSample(source, tables, some, options);
        const first = rows.at(-1)!;
        for (const [choice, row] of Array.from(sample.chosen).entries()) {
          chosen.push(row < 0 ? row : first + row);
          rows.push(first + sample.start[choice + 1]!);
          page.push(sample.hasNone[choice] ? 1 : 0);
        }
        await write(new Uint8Array(new Float32Array(sample.x).buffer));
      }
    });
    for (const [what, values] of Object.entries({ rows, chosen, page })) {
      await writeFileAtomically(`${folder}/${split}.${what}`, new Uint8Array(new Int32Array(values).buffer));
    }
  }
}

/** Computes LightGBM's test metrics; a line fitted on validation users turns its scores into utilities. */
async function testScores({ source }: Dataset, features: string, scored: string): Promise<LightgbmResult> {
  const read = async (split: string) => {
    const buffer = async (file: string) => (await readBytes(file)).buffer;
    const [start = [], chosen = [], page = []] = await Promise.all(
      ["rows", "chosen", "page"].map(async (what) =>
        Array.from(new Int32Array(await buffer(`${features}/${split}.${what}`)))
      ),
    );
    const logScores = new Float64Array(await buffer(`${scored}/${split}.scores`));
    return { logScores, start, chosen, hasNone: page.map((first) => first === 1) };
  };
  const { offset, slope } = fitLogOdds(await read("validation")) ?? { offset: 0, slope: 0 };
  const { logScores, start, hasNone } = await read("test");
  const pages = start.slice(0, -1).filter((_, choice) => hasNone[choice]).values();
  const users = listUsers(source, "test");
  const count = users.filter((user) => countScored(source, user) > 0).length;
  const collector = new MetricCollector({ users: count, eta: 1 });
  for (const { log, users: places } of walk(source, users)) {
    const { userEvents, eventRows, eventKind, rowItem } = log;
    const ranking = new Float64Array(rowItem.length);
    for (const user of places) {
      for (let e = userEvents[user]!; e < userEvents[user + 1]!; e++) {
        if (eventKind?.[e]) continue;
        const { value: first = NaN } = pages.next();
        ranking.set(logScores.subarray(first, first + eventRows[e + 1]! - eventRows[e]!), eventRows[e]);
      }
    }
    collector.add({ log, places, scores: ranking.map((score) => offset + slope * score), ranking });
  }
  const tested = collector.tested();
  const { nll = NaN, prec1 = NaN } = tested.details.metrics;
  return { nll, prec1, paired: packSums(tested) };
}
