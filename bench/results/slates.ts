/** Compares policies that were trained on a model of the restless shop's users, for two sizes of slates. */

import * as v from "../../src/schema.ts";
import { meanAndSd } from "../../src/data/mean_sd.ts";
import { formatMarkdownTable } from "../../src/cli/table.ts";
import { formatThousands } from "../../src/number_text.ts";
import { formatFixed, type ResultRuns, type ResultTable } from "./runs.ts";
import type { EnvironmentRole } from "../../src/policy/comparison/comparison.ts";

/** Number of pages on which a policy is trained. */
const PAGES = 400_000;

/** Options of `train` for the paper's model on the restless shop. The model has no count features. */
const RESTLESS = ["--data", "restless", "--counts", "none", "--no-report"];

/** Returns the folder of the user model on which policies are trained; its log is from the restless shop. */
function firstModel(runs: ResultRuns): Promise<string> {
  return runs.trained("users-a", "train", RESTLESS);
}

/** Returns the folder of a second model, trained on other users of the same items. */
function secondModel(runs: ResultRuns): Promise<string> {
  return runs.trained("users-b", "train", [
    ...[...RESTLESS, "--data-seed", "1", "--data-users-seed", "2", "--seed", "2"],
  ]);
}

function trainOnModel(runs: ResultRuns, model: string, algorithm: string, slate: number): Promise<string> {
  return runs.trained(`${algorithm}-${slate}-1`, "policy train", [
    ...["--model", model, "--algorithm", algorithm, "--slate", String(slate), "--seed", "1"],
    ...["--steps", String(PAGES)],
  ]);
}

const comparisonSchema = v.looseObject({
  slate: v.wholeNumber(),
  pages: v.wholeNumber(),
  users: v.wholeNumber(),
  environments: v.array(v.looseObject({
    name: v.string(),
    role: v.picklist(["trained on", "second model", "truth"]),
  })),
  cells: v.array(v.looseObject({
    policy: v.string(),
    environment: v.string(),
    figures: v.looseObject({ clickRate: v.looseObject({ mean: v.finiteNumber() }) }),
  })),
});
type Compared = v.InferOutput<typeof comparisonSchema>;
type Cell = Compared["cells"][number];

/** Runs `policy compare`, and returns a comparison per slate size. @param args - folders of policies, then options */
async function compare(runs: ResultRuns, args: readonly string[]): Promise<Compared[]> {
  return v.parse(v.array(comparisonSchema), await runs.json("policy compare", args));
}

function policiesIn({ cells }: Compared): string[] {
  return [...new Set(cells.map(({ policy }) => policy))];
}

function selectCells({ cells }: Compared, policy: string, environment: string): Cell[] {
  return cells.filter((cell) => cell.policy === policy && cell.environment === environment);
}

function environmentIn({ environments }: Compared, role: EnvironmentRole): string {
  const found = environments.find((each) => each.role === role);
  if (!found) throw new Error(`expected the environment "${role}" in a comparison`);
  return found.name;
}

const ROLES = [
  ["trained on", "its own model"],
  ["second model", "second model"],
  ["truth", "the shop"],
] as const;

export const slatesTable: ResultTable = {
  name: "slates",
  about: "policies for slates of 3 and of 5 items, trained on a model of the restless shop's users",
  async make(runs) {
    const [first, second] = await Promise.all([firstModel(runs), secondModel(runs)]);
    const folders = await Promise.all(
      [3, 5].flatMap((slate) =>
        ["slateq", "cdqn"].map((algorithm) => trainOnModel(runs, first, algorithm, slate))
      ),
    );
    const found = await compare(runs, [
      ...[...folders, "--shop", "restless", "--test-model", second, "--with", "greedy,popular,random"],
    ]);
    const columns = ROLES.flatMap(([role, name]) => found.map((one) => ({ role, name, one })));
    const rate = (policy: string, { role, one }: typeof columns[number]) => {
      const cells = selectCells(one, policy, environmentIn(one, role));
      return cells.length === 0
        ? ""
        : formatFixed(meanAndSd(cells.map(({ figures }) => figures.clickRate.mean)).mean);
    };
    const names = [...new Set(found.flatMap(policiesIn))];
    const [one] = found;
    if (!one) throw new Error("expected a comparison");
    return [
      `The table has clicks per page of ${formatThousands(one.users)} users on ${one.pages} pages. ` +
      `Each trained policy had one training of ${formatThousands(PAGES)} pages.`,
      "",
      ...formatMarkdownTable(
        ["policy", ...columns.map(({ name, one: { slate } }) => `${name}, k = ${slate}`)],
        names.map((name) => [name, ...columns.map((column) => rate(name, column))]),
      ),
    ].join("\n");
  },
};
