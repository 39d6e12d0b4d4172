/** Computes the responses of the HTTP service, without opening a port. */

import { computeChoiceProbabilities } from "../model/choice_probabilities.ts";
import { addPositionEffects } from "../model/position_effect.ts";
import type { ModelConfig } from "../model/model_config.ts";
import { BaselineModel } from "../predict/baseline_model.ts";
import type { UserModel } from "../model/user_model.ts";
import { UtilityScorer } from "../model/scorer.ts";
import { computeRecommendedPage, type PageScorer, recommend } from "../predict/recommend_items.ts";
import type { OpenedDataset } from "../data/sets/opened_dataset.ts";
import { UserError } from "../user_error.ts";
import { version } from "../version.ts";
import { Batcher, type BatchScorer } from "./batcher.ts";
import type { ServiceRequest } from "./listen.ts";
import { ServiceMetrics } from "./service_metrics.ts";
import { EnvironmentPool, TooManyEnvironmentsError } from "./environment_pool.ts";
import {
  closeSchema,
  LIMITS,
  parseBody,
  readRecommend,
  readScore,
  resetSchema,
  stepSchema,
} from "./requests.ts";

export interface ServiceOptions {
  readonly maxRequests: number;
  readonly maxBody: number;
  readonly maxBatch: number;
  /** True for a model of the adversarial stage: its utilities are not log-odds, so it simulates no users. */
  readonly uncalibrated?: boolean;
  /** [positions] position effects that are added to the utilities before probabilities are computed. */
  readonly effects?: readonly number[] | undefined;
  /** Config of the baseline that scores pages instead of the model; absent if the model scores them. */
  readonly baselineConfig?: ModelConfig;
}

export const defaultService: ServiceOptions = { maxRequests: 512, maxBody: 2 ** 18, maxBatch: 256 };

/** Largest number of rows per batch: enough for the largest allowed request. */
const ROWS = 2 ** 15;
/** Number of item ids per chunk of the response to /items. */
const ITEMS_A_PART = 2 ** 13;

class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export async function createServiceScorer(
  model: UserModel | BaselineModel,
  { maxBatch }: ServiceOptions,
): Promise<BatchScorer & Disposable> {
  if (model instanceof BaselineModel) return model;
  return await UtilityScorer.create(model, { users: maxBatch, events: ROWS / 2, rows: ROWS });
}

export class Service {
  readonly metrics = new ServiceMetrics();
  readonly #batcher: Batcher;
  readonly #environments: EnvironmentPool;
  readonly #candidates: Uint32Array<ArrayBuffer>;
  /** Scorer of items, whose GPU work the batcher schedules. */
  readonly #items: PageScorer;
  /** Config of the model or, if a baseline scores the pages, config of the baseline. */
  readonly #config: ModelConfig;
  #inFlight = 0;
  #closing = false;
  #failed = false;

  /** @param onFault - called for each error except invalid requests */
  constructor(
    model: UserModel,
    private readonly data: OpenedDataset,
    scorer: BatchScorer,
    private readonly options: ServiceOptions,
    private readonly onFault: (error: unknown) => void = () => {},
  ) {
    this.#config = options.baselineConfig ?? model.config;
    this.#candidates = data.items.latest();
    this.#environments = new EnvironmentPool(model, data);
    this.#batcher = new Batcher(scorer, (requests, rows, seconds) => {
      this.metrics.batches.add(requests);
      this.metrics.rows.add("", rows);
      this.metrics.batchSeconds.add(seconds);
    });
    this.#items = {
      get blockItems() {
        return scorer.blockItems;
      },
      encode: (history, past) => this.#onDevice(() => this.#batcher.do(() => scorer.encode(history, past))),
      scoreItems: (state, items) => {
        this.metrics.rows.add("", items.length);
        return this.#onDevice(() => this.#batcher.do(() => scorer.scoreItems(state, items)));
      },
      score: (page) => this.#onDevice(() => this.#batcher.submit(page)),
    };
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** True if scoring has failed, for example because the device is lost. Then the service must end. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Refuses all new requests. Requests in flight are still answered. */
  shutDown(): void {
    this.#closing = true;
  }

  readonly handle = async (request: ServiceRequest): Promise<Response> => {
    const began = performance.now();
    const route = ROUTES[request.path];
    const response = await this.#answer(request, route);
    const labels = `endpoint="${route ? request.path : "other"}"`;
    this.metrics.requests.add(`${labels},status="${response.status}"`);
    this.metrics.seconds.add((performance.now() - began) / 1000, labels);
    return response;
  };

  async #answer(request: ServiceRequest, route: Route | undefined): Promise<Response> {
    const { method, path } = request;
    try {
      if (!route) {
        throw new Refusal(404, `Expected one of the paths ${Object.keys(ROUTES).join(", ")}, got ${path}.`);
      }
      if (method !== route.method) {
        throw new Refusal(405, `Expected ${route.method} ${path}, got ${method}.`, { Allow: route.method });
      }
      if (route.method === "GET") return await route.answer(this, "", request);
      return await this.#admitted(async () =>
        await route.answer(this, await this.#readBody(request), request)
      );
    } catch (error) {
      if (error instanceof Refusal) return json({ error: error.message }, error.status, error.headers);
      if (error instanceof TooManyEnvironmentsError) {
        return json({ error: error.message }, 503, { "Retry-After": "60" });
      }
      if (error instanceof UserError) return json({ error: error.message }, 400);
      this.onFault(error);
      return json({ error: "Internal error: see the output of the service." }, 500);
    }
  }

  /** Runs the work of a request. @throws Refusal if too many requests are in flight. */
  async #admitted(work: () => Promise<Response>): Promise<Response> {
    if (this.#closing) throw new Refusal(503, "The service is shutting down.", { Connection: "close" });
    const { maxRequests } = this.options;
    if (this.#inFlight >= maxRequests) {
      throw new Refusal(503, `Expected at most ${maxRequests} requests at once. Try again later.`, {
        "Retry-After": "1",
      });
    }
    this.#inFlight++;
    try {
      return await work();
    } finally {
      this.#inFlight--;
    }
  }

  /** Reads a request's body. @throws Refusal if it is too large, incomplete, or not declared as JSON. */
  async #readBody({ headers, body }: ServiceRequest): Promise<string> {
    // Accept only JSON, because a foreign web page cannot send JSON without a preflight request.
    const type = headers["content-type"] ?? "";
    if (!/^application\/json\s*(;|$)/i.test(type)) {
      throw new Refusal(415, `Expected content-type: application/json, got ${JSON.stringify(type)}.`);
    }
    const { maxBody } = this.options;
    const tooLarge = () =>
      new Refusal(413, `Expected a body of at most ${maxBody} bytes, got a larger body.`);
    if (Number(headers["content-length"] ?? 0) > maxBody) throw tooLarge();
    const decoder = new TextDecoder();
    let [text, bytes] = ["", 0];
    try {
      for await (const part of body) {
        bytes += part.length;
        if (bytes > maxBody) throw tooLarge();
        text += decoder.decode(part, { stream: true });
      }
    } catch (error) {
      throw error instanceof Refusal
        ? error
        : new Refusal(400, "Expected a complete body, got only its beginning.");
    }
    return text + decoder.decode();
  }

  /** Runs work on the GPU. After any error except a UserError, {@link failed} is true. */
  async #onDevice<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof UserError)) this.#failed = true;
      throw error;
    }
  }

  async reset(body: string): Promise<Response> {
    if (this.options.baselineConfig) {
      throw new UserError("Expected a trained model, got a baseline, which cannot simulate users.");
    }
    if (this.options.uncalibrated) {
      throw new UserError(
        "Expected a model of the Shannon stage, got a model of the adversarial stage. Its " +
          "utilities are not log-odds, so it cannot simulate users.",
      );
    }
    const request = parseBody(resetSchema, body);
    return json(await this.#onDevice(() => this.#environments.reset(request)));
  }

  async close(body: string): Promise<Response> {
    const request = parseBody(closeSchema, body);
    await this.#onDevice(() => this.#environments.close(request));
    return json({ closed: request.environment });
  }

  async step(body: string): Promise<Response> {
    const request = parseBody(stepSchema, body);
    return json(await this.#onDevice(() => this.#environments.step(request)));
  }

  /** Streams all item ids, ordered by item number: one string of all ids could be too long for JavaScript. */
  items(): Response {
    const { items, source: { items: { shape: { count } } } } = this.data;
    function* parts(): Generator<string> {
      for (let first = 0; first < count; first += ITEMS_A_PART) {
        const length = Math.min(ITEMS_A_PART, count - first);
        const ids = Array.from({ length }, (_, k) => JSON.stringify(items.of(first + k)));
        yield (first === 0 ? '{"items":[' : ",") + ids.join(",");
      }
      yield "]}\n";
    }
    const headers = { "content-type": "application/json", "transfer-encoding": "chunked" };
    return new Response(ReadableStream.from(parts()).pipeThrough(new TextEncoderStream()), { headers });
  }

  [Symbol.dispose](): void {
    this.#environments.destroy();
  }

  async score(body: string): Promise<Response> {
    const request = readScore(this.data, this.#config, body);
    const utilities = await this.#items.score(request);
    const { positions, indices: places } = request;
    const effects = positions === "first" ? undefined : this.options.effects;
    const logits = addPositionEffects(utilities, effects, places);
    const { items, noClick } = computeChoiceProbabilities(this.#config, logits);
    /** Returns one value per item of the request, in the same order; null for an unknown item. */
    const inRequestOrder = (values: ArrayLike<number>) => {
      const all = Array<number | null>(request.pageSize).fill(null);
      places.forEach((place, k) => all[place] = values[k] ?? null);
      return all;
    };
    return json({
      utilities: inRequestOrder(utilities),
      probabilities: inRequestOrder(items),
      noClick,
      positions,
      ...request.gaps,
    });
  }

  async recommend(body: string, { isGone }: ServiceRequest): Promise<Response> {
    const request = readRecommend(this.data, this.#config, body);
    const onItems = () => { // called after each block of items
      if (isGone?.()) throw new Refusal(499, "The client has disconnected.");
    };
    const { context } = request;
    const features = context && ((item: number) => context.encodeRow(this.data.items.of(item)));
    const best = await recommend(this.#items, {
      ...request,
      features,
      candidates: this.#candidates,
      onItems,
    });
    const { items, noClick } = computeRecommendedPage(best, this.#config, this.options.effects);
    return json({
      items: items.map(({ item, ...scores }) => ({ item: this.data.items.of(item), ...scores })),
      noClick,
      ...context?.gaps,
    });
  }

  health(): Response {
    const { data, options } = this;
    const status = this.#failed ? "failed" : this.#closing ? "shutting down" : "ok";
    const limits = { ...LIMITS, requests: options.maxRequests, body: options.maxBody };
    return json(
      { status, clickgan: version, data: data.source.name, items: this.#candidates.length, limits },
      status === "ok" ? 200 : 503,
    );
  }

  metricsPage(): Response {
    const text = this.metrics.text({
      clickgan_requests_in_flight: ["Number of requests in flight.", this.#inFlight],
      clickgan_requests_waiting: ["Number of pages that wait for the next batch.", this.#batcher.waiting],
    });
    return new Response(text, { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } });
  }
}

interface Route {
  readonly method: "GET" | "POST";
  readonly answer: (service: Service, body: string, request: ServiceRequest) => Response | Promise<Response>;
}

const ROUTES: Readonly<Record<string, Route>> = Object.assign(
  Object.create(null),
  {
    "/score": { method: "POST", answer: (service, body) => service.score(body) },
    "/recommend": { method: "POST", answer: (service, body, request) => service.recommend(body, request) },
    "/reset": { method: "POST", answer: (service, body) => service.reset(body) },
    "/step": { method: "POST", answer: (service, body) => service.step(body) },
    "/close": { method: "POST", answer: (service, body) => service.close(body) },
    "/items": { method: "GET", answer: (service) => service.items() },
    "/health": { method: "GET", answer: (service) => service.health() },
    "/metrics": { method: "GET", answer: (service) => service.metricsPage() },
  } satisfies Record<string, Route>,
);

function json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(value) + "\n", {
    status,
    headers: { "content-type": "application/json", ...headers },
  });
}
