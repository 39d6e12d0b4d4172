/** `serve`: HTTP service of a model for programs on this machine. */

import { Command } from "commander";
import { expectFinite } from "../model/choice_probabilities.ts";
import { readPositionEffects } from "../model/position_effect.ts";
import { createServiceScorer, defaultService, Service, type ServiceOptions } from "../serve/service.ts";
import { version } from "../version.ts";
import { HOST, listen } from "../serve/listen.ts";
import { DEFAULT_PORT, PORT } from "../cli/arguments.ts";
import { EXIT_FAULT, runMain } from "../cli/run_main.ts";
import {
  createBaselineOption,
  type ModelDataOptions,
  type OpenedModel,
  withModel,
  withModelAndData,
} from "../cli/open_data.ts";
import { ALLOW_HOST, parse, parseWholeNumber } from "../cli/command_options.ts";
import { printLine } from "./train/run_stages.ts";
import { EXIT_INTERRUPTED, stopOnSignals, type StopRequest } from "../cli/stop.ts";

/** Time limit in milliseconds for open requests at shutdown. */
const GRACE_MS = 10_000;

/** Number of connections that may be open in addition to {@link ServeOptions.maxRequests}, for clients without a request. */
const IDLE_CONNECTIONS = 256;

const LOOK_MS = 100;
/** Number of consecutive checks that must find no open request. After a single check, a response may still be unsent. */
const FREE_LOOKS = 5;

interface ServeOptions extends ModelDataOptions, Omit<ServiceOptions, "uncalibrated" | "effects"> {
  port: number;
  allowHost: readonly string[];
}

function parseOptions(args: readonly string[]): ServeOptions {
  const { maxRequests, maxBody, maxBatch } = defaultService;
  const command = withModelAndData(
    new Command("deno task serve")
      .description(
        `HTTP service on ${HOST}: scores pages, recommends items (ids are those of the data set), and simulates the model's users as ` +
          "environments that a program in any language steps.",
      )
      .version(version),
  ).addOption(createBaselineOption())
    .option(PORT, "port to listen on; 0 for any free port", parseWholeNumber(0, 65535), DEFAULT_PORT)
    .option(...ALLOW_HOST)
    .option("--max-requests <n>", "maximum requests in flight", parseWholeNumber(1, 100_000), maxRequests)
    .option("--max-body <bytes>", "largest body", parseWholeNumber(64, 2 ** 26), maxBody)
    .option("--max-batch <n>", "maximum requests per dispatch", parseWholeNumber(1, 4096), maxBatch)
    .addHelpText(
      "after",
      `
Addresses:
  POST /score      {"history": ["B07", "B11"], "page": ["B02", "B03"]}   or "user": "u17" instead of the history;
                   probabilities are for the positions on the page, with "positions": "first" for the first position
  POST /recommend  {"user": "u17", "top": 10, "newOnly": true}
                   "skipUnknown": true ignores ids that the data set lacks, instead of an error
  POST /reset      {"users": 64, "slate": 3, "pages": 20, "seed": 1}   starts an environment; returns the users' states
  POST /step       {"environment": "1", "slates": [[3, 14, 15], ...]}   shows a page to each user, by item numbers
  POST /close      {"environment": "1"}   ends it and releases its memory
  GET  /items      the ids of the items, by their numbers
  GET  /health     200 while it can answer
  GET  /metrics    counts and times, in Prometheus' text form

Ctrl-C or SIGTERM: requests in flight are answered, then the command ends.

Example:
  deno task -q serve --model runs/mine --data runs/data/mine
  curl http://${HOST}:${DEFAULT_PORT}/recommend --json '{"history": [], "top": 3}'`,
    );
  return parse<ServeOptions>(command, args);
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  return await withModel(options, (opened) => serve(opened, options, stop));
}

async function serve(
  { data, model, run }: OpenedModel,
  options: ServeOptions,
  stop: StopRequest,
): Promise<number> {
  using stack = new DisposableStack();
  const scorer = stack.use(await createServiceScorer(model, options));
  // One-time initialisation happens here, so that the first request does not wait.
  const [utilities = []] = await scorer.score([{ history: [], page: [0] }]);
  expectFinite(utilities);
  await scorer.scoreItems(await scorer.encode([]), Uint32Array.of(0));
  const failed = Promise.withResolvers<void>();
  const ofModel = { uncalibrated: run.info.game !== undefined, effects: readPositionEffects(run.weights) };
  const service = stack.use(
    new Service(model, data, scorer, { ...options, ...ofModel }, (error) => {
      printLine(error instanceof Error ? error.stack ?? error.message : String(error));
      if (service.failed) failed.resolve();
    }),
  );
  if (stop.signal.aborted) return 0;
  const connections = options.maxRequests + IDLE_CONNECTIONS;
  const server = listen({ ...options, connections }, service.handle);
  console.log(`${run.path} answers on http://${HOST}:${server.port}`);
  const stopped = new Promise<void>((resolve) => stop.onStop = resolve);
  await Promise.race([failed.promise, stopped]);
  service.shutDown();
  server.close();
  await answered(service);
  if (service.failed) return EXIT_FAULT;
  const left = service.inFlight;
  printLine(
    left === 0 ? "Ended." : `Ended; ${left} requests were not answered within ${GRACE_MS / 1000} seconds.`,
  );
  return 0;
}

/** Waits until no request is open. Connections without a request do not count. */
async function answered(service: Service): Promise<void> {
  const began = performance.now();
  let free = 0;
  while (free < FREE_LOOKS && performance.now() - began < GRACE_MS) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    free = service.inFlight === 0 ? free + 1 : 0;
  }
}

await runMain(main);
