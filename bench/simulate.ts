/** `deno task bench simulate`: times pages of simulated users in clickgan and PyTorch; see simulate.md. */

import { type Command, InvalidArgumentError } from "commander";
import { makeNumberParser, parseWholeNumber } from "../src/cli/command_options.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { summarizeTimes } from "../src/profile/timing.ts";
import type { UserModel } from "../src/model/user_model.ts";
import { formatShort } from "../src/number_text.ts";
import { PolicyTrainer } from "../src/policy/learning/policy_trainer.ts";
import * as v from "../src/schema.ts";
import { LearnedSource } from "../src/simulate/learned_users.ts";
import type { CellColumn, TableCells } from "./study.ts";
import {
  buildCells,
  createReadmeOption,
  createStudy,
  describeAdapter,
  printTable,
  StudyPage,
  StudyStatus,
  withTemporaryFolder,
} from "./study.ts";
import type { PeerProcess } from "./peers/peer.ts";
import { createPythonOption, findTorches, NO_TORCH, type Torch } from "./peers/roster.ts";
import { startSimulatePeer, writeSimulateJob } from "./simulate/peer.ts";
import type { ActingKind } from "./simulate/pages.ts";
import { createUntrainedModel, OWN, PAGES, SimulatedPages, trainingConfig } from "./simulate/pages.ts";

const MARKERS = "bench simulate";
const ROUNDS = 5;

interface SimulateOptions {
  readonly items: number[];
  readonly users: number;
  readonly seconds: number;
  readonly peers: boolean;
  readonly python: string[];
  readonly readme?: string;
}

export function createCommand(): Command {
  const own = createStudy(
    "simulate",
    "Times pages of simulated users in clickgan and PyTorch: random, greedy and CDQN slates, and CDQN training.",
  )
    .option("--items <n,...>", "sizes of the catalogue", parseItems, [500, 5000])
    .option("--users <n>", "maximum users per step; fewer for many items", parseWholeNumber(1, 2 ** 17), 4096)
    .option(
      "--seconds <n>",
      "seconds per program, number of items and kind of slate",
      makeNumberParser(v.positive(600), "a number of seconds above 0, at most 600"),
      2,
    )
    .option("--no-peers", "time only clickgan, not PyTorch")
    .addOption(createPythonOption())
    .option(...createReadmeOption(MARKERS));
  return own.action(() => simulate(own.opts<SimulateOptions>()));
}

function parseItems(text: string): number[] {
  const counts = text.split(",").map(Number);
  if (counts.every((count) => Number.isInteger(count) && count >= 64 && count <= 2 ** 22)) return counts;
  throw new InvalidArgumentError(`Expected item counts 64..${2 ** 22} joined by commas, got "${text}".`);
}

async function simulate(options: SimulateOptions): Promise<void> {
  const page = await StudyPage.open(options.readme, MARKERS);
  const torches = options.peers ? await findTorches(options.python) : [];
  if (options.peers && torches.length === 0) console.error(NO_TORCH);
  using status = new StudyStatus();
  using gpu = await openGpu();
  const rows: SimulateRow[] = [];
  for (const items of options.items) {
    const say = (text: string) => status.show(`${items} items: ${text}`);
    rows.push(...await measureSize(gpu, items, options, torches, say));
  }
  status.clear();
  const by = torches.length === 0 ? "" : `; compared with ${torches.map(({ made }) => made).join("; ")}`;
  const on = `${describeAdapter(gpu.adapter)}${by}:`;
  const cells = listRowCells(rows);
  printTable(cells, on);
  await page.write(MARKERS, on, cells);
}

/** Name of a policy that chooses the timed slates; "learn" times the training of a policy. */
type SimulationKind = ActingKind | "learn";

interface PagePlayer {
  readonly name: string;
  /** Simulates pages. @returns milliseconds */
  play(pages: number): Promise<number>;
}

interface SimulateRow {
  readonly kind: SimulationKind;
  readonly items: number;
  readonly users: number;
  /** Milliseconds for one page of all users, by program: clickgan or a version of PyTorch. */
  readonly played: ReadonlyMap<string, number>;
}

const kindTitles: Readonly<Record<SimulationKind, string>> = {
  random: "random slates",
  greedy: "greedy slates",
  cdqn: "acting by CDQN",
  learn: "learning by CDQN",
};
const kinds = ["random", "greedy", "cdqn", "learn"] as const satisfies SimulationKind[];

/** Largest number of (user, item) pairs that are scored per page. */
const MOST_PAIRS = 6e6;

/** Returns a number of users for which a page scores at most {@link MOST_PAIRS} pairs. */
export function chooseUsers(most: number, items: number, kind: SimulationKind): number {
  if (kind === "learn") return trainingConfig.users;
  return kind === "random"
    ? most
    : Math.min(most, 2 ** Math.floor(Math.log2(Math.max(1, MOST_PAIRS / items))));
}

/** @throws UserError if PyTorch's results differ from clickgan's */
async function measureSize(
  gpu: Gpu,
  items: number,
  { users: most, seconds }: SimulateOptions,
  torches: readonly Torch[],
  say: (text: string) => void,
): Promise<SimulateRow[]> {
  using stack = new DisposableStack();
  const model = stack.use(createUntrainedModel(gpu, items));
  const peers: { readonly name: string; readonly process: PeerProcess }[] = [];
  await withTemporaryFolder("simulate", async (folder) => {
    const file = `${folder}/job.safetensors`;
    if (torches.length > 0) await writeSimulateJob(file, gpu, model, items);
    for (const torch of torches) {
      say(`${torch.name} starts`);
      peers.push({ name: torch.name, process: stack.use(await startSimulatePeer(torch, file)) });
    }
  });
  const rows: SimulateRow[] = [];
  for (const kind of kinds) {
    const users = chooseUsers(most, items, kind);
    using own = await ownPlayer(gpu, model, kind, { users, items });
    const players = [
      own,
      ...peers.map(({ name, process }): PagePlayer => ({
        ...{ name, play: async (pages) => (await process.run(pages, `${kind} ${users}`)).ms },
      })),
    ];
    const played = await playInTurn(players, 1000 * seconds / ROUNDS, (text) => say(`${kind}, ${text}`));
    rows.push({ kind, items, users, played });
  }
  return rows;
}

async function ownPlayer(
  gpu: Gpu,
  model: UserModel,
  kind: SimulationKind,
  sizes: { readonly users: number; readonly items: number },
): Promise<PagePlayer & Disposable> {
  if (kind !== "learn") return await SimulatedPages.create(gpu, model, kind, sizes);
  const trainer = await PolicyTrainer.create(gpu, new LearnedSource(model), trainingConfig);
  // No training happens in the first episode, so it is not timed.
  await trainer.run(PAGES);
  const play = async (pages: number) => {
    const began = performance.now();
    await trainer.run(trainer.iteration + pages);
    return performance.now() - began;
  };
  return { name: OWN, play, [Symbol.dispose]: () => trainer.destroy() };
}

/** Runs the programs in turn, each for `turn` milliseconds. @returns median milliseconds per page, by name */
async function playInTurn(
  players: readonly PagePlayer[],
  turn: number,
  say: (text: string) => void,
): Promise<Map<string, number>> {
  const playing: { readonly player: PagePlayer; readonly pages: number; readonly samples: number[] }[] = [];
  for (const player of players) {
    say(`first pages of ${player.name}`);
    playing.push({ player, pages: await pagesFor(player, turn), samples: [] });
  }
  for (let round = 1; round <= ROUNDS; round++) {
    for (const { player, pages, samples } of playing) {
      say(`round ${round} of ${ROUNDS}, ${player.name}`);
      samples.push(await player.play(pages) / pages);
    }
  }
  return new Map(playing.map(({ player, samples }) => [player.name, summarizeTimes(samples).median]));
}

/** Returns how many pages are simulated in `turn` milliseconds. The first page is not timed. */
async function pagesFor(player: Pick<PagePlayer, "play">, turn: number): Promise<number> {
  await player.play(1);
  let pages = 1;
  let ms = await player.play(pages);
  while (ms < turn / 3) {
    pages = Math.max(2 * pages, Math.ceil(Math.min(8 * pages, pages * turn / ms)));
    ms = await player.play(pages);
  }
  return Math.max(1, Math.round(pages * turn / ms));
}

/** Returns the table of results, in which a user-step is one page of one user. */
function listRowCells(rows: readonly SimulateRow[]): TableCells {
  const sorted = rows.toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  const peers = [...rows[0]?.played.keys() ?? []].filter((name) => name !== OWN);
  const count = (value: number) => Number(value.toPrecision(3)).toLocaleString("en-US");
  const rate = ({ users, played }: SimulateRow, name: string) => 1000 * users / (played.get(name) ?? NaN);
  return buildCells(sorted, [
    ["", ({ kind }) => kindTitles[kind]],
    ["items", ({ items }) => count(items)],
    ["users", ({ users }) => users.toLocaleString("en-US")],
    ["ms per page", ({ played }) => formatShort(played.get(OWN) ?? NaN)],
    ["user-steps/s", (row) => count(rate(row, OWN))],
    ...peers.flatMap((name): CellColumn<SimulateRow>[] => [
      [`${name}, user-steps/s`, (row) => count(rate(row, name))],
      ["times", (row) => `${formatShort(rate(row, OWN) / rate(row, name))}x`],
    ]),
  ]);
}
