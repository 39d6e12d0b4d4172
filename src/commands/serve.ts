/** `serve`: HTTP service that programs on this machine use to query a model. */

import { expectFinite } from "../model/choice_probabilities.ts";
import { createServiceScorer, defaultService, Service, type ServiceOptions } from "../serve/service.ts";
import { HOST, listen } from "../serve/listen.ts";
import { DEFAULT_PORT, PORT } from "../cli/arguments.ts";
import { EXIT_FAULT, runMain } from "../cli/run_main.ts";
import { createBaselineOption, createModelCommand, nameModel, withModel } from "../cli/open_model.ts";
import type { ModelDataOptions, OpenedModel } from "../cli/open_model.ts";
import { ALLOW_HOST, parse, parseWholeNumber } from "../cli/command_options.ts";
import { stopOnSignals, type StopRequest } from "../cli/stop.ts";

/** After a signal to stop, open requests must be answered within this time (ms). */
const GRACE_MS = 10_000;

/** Number of idle connections that may stay open, in addition to `maxRequests` busy connections. */
const IDLE_CONNECTIONS = 256;

const LOOK_MS = 100;
/** The service ends after this many consecutive checks that find no open request. */
const FREE_LOOKS = 5;

interface ServeOptions extends ModelDataOptions, Omit<ServiceOptions, "uncalibrated" | "effects"> {
  port: number;
  allowHost: readonly string[];
}

function parseOptions(args: readonly string[]): ServeOptions {
  const { maxRequests, maxBody, maxBatch } = defaultService;
  const command = createModelCommand(
    "serve",
    `HTTP service on ${HOST}: scores pages, recommends items, and simulates users of the model as an ` +
      "environment for programs in any language. Requests use the ids of the data set.",
  ).addOption(createBaselineOption())
    .option(PORT, "port to listen on; 0 for any free port", parseWholeNumber(0, 65535), DEFAULT_PORT)
    .option(...ALLOW_HOST)
    .option("--max-requests <n>", "maximum simultaneous requests", parseWholeNumber(1, 100_000), maxRequests)
    .option("--max-body <bytes>", "maximum size of a request's body", parseWholeNumber(64, 2 ** 26), maxBody)
    .option("--max-batch <n>", "maximum requests per computation", parseWholeNumber(1, 4096), maxBatch)
    .addHelpText(
      "after",
      `
Addresses:
  POST /score      {"history": ["B07", "B11"], "page": ["B02", "B03"]}   or "user": "u17" instead of "history";
                   probabilities are for the items' positions; with "positions": "first", for position 1
  POST /recommend  {"user": "u17", "top": 10, "newOnly": true}   the best items;
                   "skipUnknown": true ignores unknown ids, instead of an error
  POST /reset      {"users": 64, "slate": 3, "pages": 20, "seed": 1}   starts an environment; returns user states
  POST /step       {"environment": "1", "slates": [[3, 14, 15], ...]}   shows a page (item numbers) to each user
  POST /close      {"environment": "1"}   ends an environment and releases its memory
  GET  /items      ids of all items, in the order of their numbers
  GET  /health     status 200 while the service works
  GET  /metrics    counts and times in the text format of Prometheus

After Ctrl-C or SIGTERM, the service answers open requests and then ends.

Example:
  deno task -q serve --model runs/mine --data runs/data/mine
  curl http://${HOST}:${DEFAULT_PORT}/recommend --json '{"history": [], "top": 3}'`,
    );
  return parse<ServeOptions>(command, args);
}

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  const stop = stopOnSignals();
  return await withModel(options, (opened) => serve(opened, options, stop));
}

async function serve(
  { data, model, run, effects, scorer: scoring }: OpenedModel,
  options: ServeOptions,
  stop: StopRequest,
): Promise<number> {
  using stack = new DisposableStack();
  const scorer = stack.use(await createServiceScorer(scoring, options));
  // Initialises everything now, so that the first request does not wait.
  const [utilities = []] = await scorer.scoreAll([{ history: [], page: [0] }]);
  expectFinite(utilities);
  await scorer.scoreItems(await scorer.encode([]), Uint32Array.of(0));
  const failed = Promise.withResolvers<void>();
  const ofModel = {
    ...{ uncalibrated: run.info.game !== undefined, effects },
    ...(scoring !== model && { baselineConfig: scoring.config }),
  };
  const service = stack.use(
    new Service(model, data, scorer, { ...options, ...ofModel }, (error) => {
      console.error(error instanceof Error ? error.stack ?? error.message : String(error));
      if (service.failed) failed.resolve();
    }),
  );
  if (stop.signal.aborted) return 0;
  const connections = options.maxRequests + IDLE_CONNECTIONS;
  const server = listen({ ...options, connections }, service.handle);
  console.log(`Serving ${nameModel(run, options)} at http://${HOST}:${server.port}`);
  const stopped = new Promise<void>((resolve) => stop.onStop = resolve);
  await Promise.race([failed.promise, stopped]);
  service.shutDown();
  server.close();
  await answered(service);
  if (service.failed) return EXIT_FAULT;
  const left = service.inFlight;
  console.error(
    left === 0 ? "Ended." : `Ended; ${left} requests were not answered within ${GRACE_MS / 1000} seconds.`,
  );
  return 0;
}

/** Waits until no request is open. Idle connections do not count. */
async function answered(service: Service): Promise<void> {
  const began = performance.now();
  let free = 0;
  while (free < FREE_LOOKS && performance.now() - began < GRACE_MS) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    free = service.inFlight === 0 ? free + 1 : 0;
  }
}

await runMain(main);
