/**
 * How many pages of simulated users a second an agent gets that chooses each slate itself: in one process, by `deno task serve`
 * over HTTP, and from Python by the Gymnasium client of the pages. The table is in simulate.md.
 */

import type { Command } from "commander";
import { path, wholeNumber } from "../src/cli/options.ts";
import { makeDemoShop } from "../src/data/demo_shop.ts";
import { randomStream } from "../src/data/random.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import { LearnedSource } from "../src/simulate/learned_users.ts";
import { Simulator } from "../src/simulate/simulator.ts";
import { thousands } from "../src/number_text.ts";
import { UserError } from "../src/user_error.ts";
import { cellsOf, type Column, onDeno, Page, printTable } from "./output.ts";
import { start, writeModel } from "./serve.ts";
import { inFolder, readmeOption, study, wholesOf } from "./study.ts";

const MARKERS = "bench environment";
const [SLATE, PAGES] = [3, 20];

interface Options {
  users: number[];
  seconds: number;
  python: string;
  readme?: string;
}

export function command(): Command {
  const own = study(
    "environment",
    "Times pages of simulated users whose slates an agent chooses, page by page.",
  )
    .option("--users <list>", "users that are stepped together", wholesOf("numbers of users", 1, 4096), [
      1,
      64,
      1024,
    ])
    .option("--seconds <n>", "of each size and way", wholeNumber(1, 600), 5)
    .option(
      "--python <path>",
      "a Python with gymnasium and numpy; without them its column is empty",
      path,
      "python3",
    )
    .option(...readmeOption(MARKERS));
  return own.action(() => environment(own.opts<Options>()));
}

/** User-steps a second; undefined where it cannot be measured. */
interface Measured {
  readonly users: number;
  readonly own: number;
  readonly deno: number;
  readonly python: number | undefined;
}

const rate = (value?: number) => value === undefined ? "-" : thousands(Math.round(value));
const columns: readonly Column<Measured>[] = [
  ["users", ({ users }) => String(users)],
  ["one process", ({ own }) => rate(own)],
  ["HTTP, from Deno", ({ deno }) => rate(deno)],
  ["HTTP, from Python by Gymnasium", ({ python }) => rate(python)],
];

async function environment({ users, seconds, python, readme }: Options): Promise<void> {
  const page = await Page.open(readme, MARKERS);
  await inFolder("bench-environment", async (folder) => {
    const model = `${folder}/model.safetensors`;
    const weights = await writeModel(model);
    const rows: Measured[] = [];
    const service = await start(model);
    try {
      using gpu = await openGpu();
      for (const count of users) {
        using local = new UserModel(gpu, log.items, defaultModel, { weights });
        const own = await ownRate(local, count, seconds);
        const deno = await httpRate(service.url, count, seconds);
        rows.push({ users: count, own, deno, python: await pythonRate(python, service.url, count, seconds) });
        console.error(cellsOf(rows, columns).rows.at(-1)?.join("  "));
      }
      const cells = cellsOf(rows, columns);
      printTable(cells);
      const about =
        `${gpu.adapter.description}, ${onDeno()}; pages of users a second, random slates of ${SLATE} of ${ITEMS} items:`;
      await page.write(MARKERS, about, cells);
    } finally {
      await service.stop();
    }
  });
}

const { log } = makeDemoShop(1);
const ITEMS = log.items.count;

/** Random slates, the same for everybody who is timed. */
function slatesOf(users: number): () => number[][] {
  const random = randomStream(1, "bench environment", users);
  return () => Array.from({ length: users }, () => Array.from(random.sampleWithoutReplacement(ITEMS, SLATE)));
}

/** Plays whole episodes until the time is over. @returns user-steps a second, of which the first episode is none */
async function timed(
  users: number,
  seconds: number,
  reset: () => Promise<void>,
  step: () => Promise<void>,
): Promise<number> {
  let [steps, began] = [0, 0];
  for (let episode = 0; steps === 0 || performance.now() - began < 1000 * seconds; episode++) {
    if (episode === 1) began = performance.now();
    await reset();
    for (let page = 0; page < PAGES; page++) await step();
    if (episode > 0) steps += users * PAGES;
  }
  return 1000 * steps / (performance.now() - began);
}

async function ownRate(model: UserModel, users: number, seconds: number): Promise<number> {
  const options = { users, slate: SLATE, pages: PAGES, seed: 1, repeats: true, together: users };
  using simulator = await Simulator.create(model.gpu, new LearnedSource(model), options);
  const slates = slatesOf(users);
  return await timed(users, seconds, () => simulator.reset(), async () => {
    await simulator.step(slates().flat());
    await simulator.states();
  });
}

async function httpRate(url: string, users: number, seconds: number): Promise<number> {
  const ask = async (path: string, body: unknown) => {
    const init = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    const answer = await fetch(url + path, init);
    if (!answer.ok) throw new UserError(`${path}: ${await answer.text()}`);
    return await answer.json();
  };
  const { environment } = await ask("/reset", { users, slate: SLATE, pages: PAGES, seed: 1, repeats: true });
  const slates = slatesOf(users);
  return await timed(
    users,
    seconds,
    () => ask("/reset", { environment }),
    () => ask("/step", { environment, slates: slates() }),
  );
}

/** By the client that the pages show. */
async function pythonRate(
  python: string,
  url: string,
  users: number,
  seconds: number,
): Promise<number | undefined> {
  const text = await Deno.readTextFile(new URL("../src/simulate/README.md", import.meta.url));
  const [, client = ""] = text.match(/```python\n(.*?)```/s) ?? [];
  const loop = `
import time
users = Users("${url}", users=${users}, slate=${SLATE}, pages=${PAGES}, seed=1, repeats=True)
items = users.single_action_space.nvec[0]
random, steps, episode, began = np.random.default_rng(1), 0, 0, 0
while steps == 0 or time.perf_counter() - began < ${seconds}:
    if episode == 1:
        began = time.perf_counter()
    users.reset()
    for _ in range(${PAGES}):
        users.step(random.random((${users}, items)).argpartition(${SLATE})[:, :${SLATE}])
    if episode > 0:
        steps += ${users * PAGES}
    episode += 1
print(steps / (time.perf_counter() - began))
`;
  const asked = new Deno.Command(python, { args: ["-c", client + loop], stderr: "piped" });
  const answer = await asked.output().catch(() => undefined);
  const said = (bytes?: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (answer?.success) return Number(said(answer.stdout));
  console.error(`without Python: ${said(answer?.stderr).split("\n").at(-1) || `there is no ${python}`}`);
  return undefined;
}
