/** Commands for fault injection: as short as possible, but each writes all of its kinds of files. */

import { splitArgs, writePaperFile } from "../command_check.ts";
import { makeCsv } from "../data/synthetic_logs.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { type FaultScenario, readFilesBelow } from "./crash_points.ts";
import { run } from "./process.ts";

export async function makeLongLog(folder: string): Promise<void> {
  const rows = Array.from({ length: 360 }, (_, row) => {
    const [u, page, k] = [Math.floor(row / 6), Math.floor(row / 3) % 2, row % 3];
    const time = 1_700_000_000 + 100 * u + page;
    return {
      user: `u${u}`,
      item: `i${(5 * u + 3 * k + page) % 11}`,
      time,
      clicked: k === (u + page) % 3,
      page,
    };
  });
  const items = Array.from(
    { length: 11 },
    (_, k) => ({ item: `i${k}`, size: k * k / 10, kind: k % 2 ? "odd" : "even" }),
  );
  await Deno.writeTextFile(`${folder}/log.csv`, makeCsv(rows));
  await Deno.writeTextFile(`${folder}/items.csv`, makeCsv(items));
}

const OUT = "out";
const SMALL = splitArgs("--dims 8 --lstm-units 4 --batch-size 12 --no-autotune --no-report");
const SHANNON = splitArgs(SMALL, "--iterations 20 --validate-every 5");
const ADVERSARIAL = splitArgs(
  "--adversarial 10 --adversarial-validate-every 5 --adversarial-batch-size 12",
  "--generator-warmup 3 --behaviour-dims 8",
);

async function paperLog(folder: string): Promise<void> {
  writePaperFile(`${folder}/log.tsv`, createSmallLog(31, { users: 90, items: 30, width: 0 }));
  await Promise.resolve();
}

/** Scenario that starts a run, and resumes a begun run with the arguments that the command recommends. */
function makeTraining(name: string, args: readonly string[], data = "log.tsv"): FaultScenario {
  const all = ["--data", data, "--save-dir", OUT, ...args];
  return {
    name,
    command: "train",
    args: all,
    prepare: paperLog,
    again: async (folder) => {
      const begun = await pathExists(`${folder}/${OUT}/config.json`) ||
        await pathExists(`${folder}/${OUT}/seeds.json`);
      return begun ? ["--resume", OUT, "--no-report"] : all;
    },
  };
}

async function halfTrained(folder: string): Promise<void> {
  await paperLog(folder);
  await run(
    folder,
    "train",
    ["--data", "log.tsv", "--save-dir", OUT, ...SHANNON, ...ADVERSARIAL],
    "how=kill&at=50",
  );
  if (!await pathExists(`${folder}/${OUT}/last.safetensors`)) throw new Error("the run was killed too early");
}

const LONG_SOURCE = splitArgs("log --source log.csv --features items.csv");
const LONG = splitArgs("--user user --item item --time time --clicked clicked --page page");

const SHOP = ["--shop", "restless", "--truth"];
const policy = splitArgs(
  "train",
  SHOP,
  "--algorithm gdqn --slate 2 --pages 4 --users 64 --hidden 8 --trunk 8 --rows 64",
  `--evaluation-users 50 --evaluate-every 256 --steps 512 --save-dir ${OUT}`,
);

export const scenarios: readonly FaultScenario[] = [
  makeTraining("train", SHANNON),
  makeTraining("train, both stages", [...SHANNON, ...ADVERSARIAL]),
  makeTraining("train, adversarial stage alone", [...SHANNON, ...ADVERSARIAL, "--no-pretrain"]),
  {
    ...makeTraining(
      "train, kernel variants kept in the cache",
      splitArgs("--dims 8 --lstm-units 4 --batch-size 12 --no-report --iterations 10 --autotune"),
    ),
    fastClock: true,
    outcome: async (folder) => {
      const text = await Deno.readTextFile(`${folder}/cache/clickgan/kernel_variants.json`).catch(() =>
        undefined
      );
      if (text !== undefined) JSON.parse(text); // the file may be missing, but must not be incomplete
      const files = await readFilesBelow(folder);
      files.delete("log.tsv");
      return files;
    },
  },
  makeTraining("train --seeds", [...SHANNON, "--seeds", "2"]),
  {
    ...makeTraining("train --resume", []),
    args: ["--resume", OUT, "--no-report"],
    prepare: halfTrained,
    outcome: undefined,
  },
  {
    ...makeTraining("train, a log on disk", ["--memory-rows", "0", ...SHANNON], "set"),
    prepare: async (folder) => {
      await makeLongLog(folder);
      const args = [...LONG_SOURCE, ...LONG, "--out", "set", "--threads", "1"];
      const { code, stderr } = await run(folder, "data", args);
      if (code !== 0) throw new Error(stderr);
    },
  },
  {
    name: "reproduce",
    command: "reproduce",
    args: splitArgs(
      `--data log.tsv --save-dir ${OUT} --seeds 1 --iterations 10 --adversarial 10`,
      "--models fine-tuned-64-64 --readme notes.md --no-autotune",
    ),
    prepare: async (folder) => {
      writePaperFile(`${folder}/log.tsv`, createSmallLog(31, { users: 330, items: 30, width: 0 }));
      await Deno.writeTextFile(
        `${folder}/notes.md`,
        "before\n<!-- reproduce log -->\nold\n<!-- end of reproduce log -->\nafter\n",
      );
    },
  },
  {
    name: "data log",
    command: "data",
    args: [...LONG_SOURCE, ...LONG, "--out", OUT, "--threads", "1"],
    prepare: makeLongLog,
    refusal: /holds /,
  },
  {
    name: "data example",
    command: "data",
    args: ["example", "--out", OUT],
    prepare: async () => {},
    refusal: /holds items\.csv/,
  },
  {
    name: "policy train",
    command: "policy",
    args: policy,
    prepare: async () => {},
    again: async (folder) =>
      await pathExists(`${folder}/${OUT}/policy.json`) ? ["train", "--resume", OUT] : policy,
  },
  {
    name: "data merge",
    command: "data",
    args: ["merge", "log.tsv", "later.tsv", "--out", OUT],
    prepare: async (folder) => {
      await paperLog(folder);
      writePaperFile(`${folder}/later.tsv`, createSmallLog(32, { users: 90, items: 30, width: 0 }));
    },
    refusal: /holds /,
  },
  {
    name: "simulate",
    command: "simulate",
    args: splitArgs(
      SHOP,
      "--no-rivals --users 20 --pages 3 --slate 2 --episodes-file csv",
      `--save-dir ${OUT} --write-log ${OUT}-log`,
    ),
    prepare: async () => {},
    refusal: /holds /,
  },
];
