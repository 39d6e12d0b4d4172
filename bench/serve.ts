/** `deno task bench serve`: throughput, latency and correct answers of `deno task serve`; see serve.md. */

import type { Command } from "commander";
import { parseWholeNumber } from "../src/cli/command_options.ts";
import { makeDemoShop } from "../src/data/demo_shop.ts";
import { getItemsShape } from "../src/data/item_catalogue.ts";
import { createRandomStream } from "../src/data/random.ts";
import { openGpu } from "../src/gpu/host/open_gpu.ts";
import { defaultModel } from "../src/model/model_config.ts";
import { drawInitialWeights } from "../src/model/initial_weights.ts";
import type { ScoringRequest } from "../src/model/scorer.ts";
import { listModelParameters, UserModel } from "../src/model/user_model.ts";
import { writeSnapshot } from "../src/run/snapshot_file.ts";
import type { Weights } from "../src/tape/parameters.ts";
import { UserError } from "../src/user_error.ts";
import {
  buildCells,
  type CellColumn,
  createReadmeOption,
  createStudy,
  describeAdapter,
  makeWholeNumbersParser,
  printTable,
  StudyPage,
  withTemporaryFolder,
} from "./study.ts";
import { load, type LoadRequest, type LoadResult } from "./serve_load.ts";
import { describeProcess } from "../src/cli/launch.ts";

const MARKERS = "bench serve";

interface Options {
  requests: number;
  clients: number[];
  check: number;
  readme?: string;
}

const SIZES: readonly { readonly name: string; readonly history: number; readonly page: number }[] = [
  { name: "score 10 items after 5 clicks", history: 5, page: 10 },
  { name: "score 10 items after 50 clicks", history: 50, page: 10 },
  { name: "score 100 items after 20 clicks", history: 20, page: 100 },
];
/** Number of requests whose utilities are also computed without the service, for comparison. */
const ALONE = 400;

export function createCommand(): Command {
  const own = createStudy(
    "serve",
    "Measures clickgan's service under load, and checks that each request gets its own answer.",
  )
    .option("--requests <n>", "requests per size of request and number of clients", parseWholeNumber(1), 3000)
    .option(
      "--clients <list>",
      "numbers of concurrent clients",
      makeWholeNumbersParser("numbers of clients", 1, 1000),
      [1, 16, 128],
    )
    .option(
      "--check <n>",
      "number of requests of mixed sizes whose answers are checked",
      parseWholeNumber(1),
      100_000,
    )
    .option(...createReadmeOption(MARKERS));
  return own.action(() => serve(own.opts<Options>()));
}

async function serve({ requests, clients, check, readme }: Options): Promise<void> {
  const page = await StudyPage.open(readme, MARKERS);
  await withTemporaryFolder("bench-serve", async (folder) => {
    const model = `${folder}/model.safetensors`;
    const { mixed, on } = await prepare(model);
    const service = await start(model);
    const most = Math.max(...clients);
    const rows: ServeRow[] = [];
    let checked: LoadResult;
    try {
      await load(service.url, mixed, { requests: 200, clients: 16 });
      for (const size of buildLoads()) {
        for (const count of clients) {
          const own = { requests: Math.ceil(requests * Math.min(1, count / 16)), clients: count };
          rows.push({ ...await load(service.url, size.calls, own), name: size.name, clients: count });
          console.error(buildCells(rows, columns).rows.at(-1)?.join("  "));
        }
      }
      checked = await load(service.url, mixed, { requests: check, clients: most });
    } finally {
      await service.stop();
    }
    const found = describeCheck(checked, most);
    const cells = buildCells(rows, columns);
    printTable(cells);
    console.log(found);
    await page.write(
      MARKERS,
      `${on}; clients on the same machine:`,
      cells,
      found,
    );
    if (checked.lost + checked.mixedUp > 0) {
      throw new UserError(
        `Expected each request to get its own answer, got ${checked.lost} lost, ${checked.mixedUp} mixed up.`,
      );
    }
  });
}

interface ServeRow extends LoadResult {
  readonly name: string;
  readonly clients: number;
}

const columns: readonly CellColumn<ServeRow>[] = [
  ["request", ({ name }) => name],
  ["clients", ({ clients }) => String(clients)],
  ["requests/s", ({ rate }) => rate.toFixed(0)],
  ["median ms", ({ median }) => median.toFixed(1)],
  ["p99 ms", ({ p99 }) => p99.toFixed(1)],
  ["most ms", ({ most }) => most.toFixed(1)],
  ["lost", ({ lost }) => String(lost)],
];

function describeCheck({ requests, rate, lost, mixedUp, difference }: LoadResult, clients: number): string {
  return `Of ${requests.toLocaleString("en")} requests of mixed sizes by ${clients} clients ` +
    `(${rate.toFixed(0)} per second), ${lost} were lost and ${mixedUp} mixed up. ` +
    (difference === 0
      ? "Every utility has the same bits as when it is computed separately."
      : `The largest difference of a utility from its separate computation is ${
        difference.toExponential(0)
      }.`);
}

function drawRequest(
  random: ReturnType<typeof createRandomStream>,
  history: number,
  page: number,
): ScoringRequest {
  const items = (n: number) => Array.from({ length: n }, () => random.integer(ITEMS));
  return { history: items(history), page: items(page) };
}
const { log } = makeDemoShop(1);
const ITEMS = log.items.count;

function buildLoads(): { name: string; calls: LoadRequest[] }[] {
  const random = createRandomStream(2, "bench serve");
  const scores = SIZES.map(({ name, history, page }) => ({
    name,
    calls: Array.from({ length: 100 }, () => ({
      path: "/score",
      body: JSON.stringify(drawRequest(random, history, page)),
    })),
  }));
  const recommend = Array.from({ length: 100 }, () => {
    const { history } = drawRequest(random, 20, 1);
    return { path: "/recommend", body: JSON.stringify({ history, top: 10 }) };
  });
  return [...scores, { name: `recommend 10 of ${ITEMS} items after 20 clicks`, calls: recommend }];
}

/** Writes an untrained model of default size for the items of the demo shop. @returns the model's weights */
async function writeModel(path: string): Promise<Weights> {
  const items = getItemsShape(log.items);
  const specs = listModelParameters(items, defaultModel);
  const weights = drawInitialWeights(specs, 3);
  await writeSnapshot(path, specs, weights, { model: defaultModel, items, iteration: 0, kind: "last" });
  return weights;
}

async function prepare(path: string): Promise<{ mixed: LoadRequest[]; on: string }> {
  const weights = await writeModel(path);
  const random = createRandomStream(1, "bench serve");
  using gpu = await openGpu();
  using model = new UserModel(gpu, log.items, defaultModel, { weights });
  const mixed: LoadRequest[] = [];
  for (let k = 0; k < ALONE; k++) {
    const one = drawRequest(random, random.integer(60), 1 + random.integer(40));
    mixed.push({ path: "/score", body: JSON.stringify(one), utilities: await model.score(one) });
  }
  return { mixed, on: describeAdapter(gpu.adapter) };
}

async function start(model: string): Promise<{ url: string; stop: () => Promise<void> }> {
  const args = ["--model", model, "--data", "demo", "--port", "0"];
  const child = new Deno.Command(Deno.execPath(), {
    ...describeProcess("serve", args),
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let printed = "";
  for (let next = await output.read(); !next.done; next = await output.read()) {
    printed += next.value;
    const [, url] = printed.match(/answers on (http:\S+)/) ?? [];
    if (url === undefined) continue;
    return {
      url,
      async stop() {
        child.kill("SIGTERM");
        await output.cancel();
        const { code } = await child.status;
        if (code !== 0) throw new UserError(`Expected the service to end with exit code 0, got ${code}.`);
      },
    };
  }
  throw new UserError("Expected the service to start, but it ended: see the service's output above.");
}
