import assert from "node:assert/strict";
import fc from "fast-check";
import type { LoadResult } from "../serve_load.ts";
import { NONE } from "../../src/data/click_log.ts";
import { baselineNames } from "../../src/metrics/baselines/baseline_names.ts";
import { FittedBaselines } from "../../src/metrics/baselines/baselines.ts";
import { BaselineModel } from "../../src/predict/baseline_model.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { computeChoiceProbabilities } from "../../src/model/choice_probabilities.ts";
import { computeScorerCapacity, type ScoringRequest, UtilityScorer } from "../../src/model/scorer.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { createDataset } from "../../src/data/sets/dataset.ts";
import { OpenedDataset } from "../../src/data/sets/opened_dataset.ts";
import { EnvironmentPool, TooManyEnvironmentsError } from "../../src/serve/environment_pool.ts";
import type { UserState } from "../../src/model/item_blocks.ts";
import { Batcher, type BatchScorer } from "../../src/serve/batcher.ts";
import { defaultService, Service, type ServiceOptions } from "../../src/serve/service.ts";
import { LearnedSource } from "../../src/simulate/learned_users.ts";
import { Simulator } from "../../src/simulate/simulator.ts";
import { parseRows, toPattern } from "../case_table.ts";
import { runCommand, runScript } from "../command_check.ts";
import { withGpu } from "../op_check.ts";
import { drawRequests, drawWeights, type ScoreCase, scoreCases } from "../score_cases.ts";
import { waitForProcess, withService } from "../service.ts";

const one: ScoreCase = scoreCases["LSTM, dense"] ?? assert.fail();
const data = await OpenedDataset.of(createDataset(new MemoryLog(one.log), { kind: "demo", seed: 1 }));

/** Model for tests: an item's score is its number + 0.001 per click. If `slow`, answers wait for `go`. */
class FakeScorer implements BatchScorer {
  readonly room = { users: 4, events: 10_000, rows: 20_000 };
  readonly batches: number[] = [];
  readonly #held: (() => void)[] = [];
  constructor(private readonly slow = false) {}

  async scoreAll(requests: readonly ScoringRequest[]): Promise<Float32Array<ArrayBuffer>[]> {
    this.batches.push(requests.length);
    if (this.slow) await new Promise<void>((resolve) => this.#held.push(resolve));
    return requests.map(({ history, page }) =>
      Float32Array.from(page, (item) => item + history.length / 1000)
    );
  }
  readonly blockItems = 4096;
  encode(history: ArrayLike<number>): Promise<UserState> {
    return Promise.resolve({ first: Float32Array.of(history.length / 1000) });
  }
  async scoreItems({ first }: UserState, items: Uint32Array): Promise<Float32Array<ArrayBuffer>> {
    this.batches.push(0);
    if (this.slow) await new Promise<void>((resolve) => this.#held.push(resolve));
    return Float32Array.from(items, (item) => item + (first?.[0] ?? NaN));
  }
  go(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }
}

function makeService(scorer: BatchScorer, options: Partial<ServiceOptions> = {}): Service {
  const model = { config: one.config } as UserModel;
  return new Service(model, data, scorer, { ...defaultService, ...options });
}

const JSON_TYPE = { "content-type": "application/json" };

function post(service: Service, path: string, body: unknown, headers = JSON_TYPE): Promise<Response> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return service.handle({ method: "POST", path, headers, body: new Blob([text]).stream() });
}
async function ask(service: Service, path: string, body: unknown, headers = JSON_TYPE) {
  const answer = await post(service, path, body, headers);
  return { status: answer.status, body: await answer.json() };
}
const get = (service: Service, path: string) =>
  service.handle({ method: "GET", path, headers: {}, body: new Blob([]).stream() });
const settle = () => new Promise((resolve) => setTimeout(resolve, 0));

Deno.test("the service scores a page by ids as the model does", () =>
  withGpu(undefined, async (gpu) => {
    using model = new UserModel(gpu, one.log.items, one.config, { weights: drawWeights(one) });
    using stack = new DisposableStack();
    const scorer = stack.use(await UtilityScorer.create(model, { users: 8, events: 128, rows: 512 }));
    const service = new Service(model, data, scorer, defaultService);
    const requests = drawRequests(one);
    const answers = await Promise.all(
      requests.map(({ history, page }) =>
        post(service, "/score", { history, page: Array.from(page, String) })
      ),
    );
    for (const [k, answer] of answers.entries()) {
      const request = requests[k] ?? assert.fail();
      const utilities = await model.score(request);
      const { items, noClick } = computeChoiceProbabilities(one.config, utilities);
      const rest = { probabilities: Array.from(items), noClick, positions: "page" };
      assert.deepEqual(await answer.json(), { utilities, ...rest });
    }
    const history = Array.from(data.readHistory(3));
    const page = Array.from({ length: 41 }, (_, item) => item);
    const utilities = await model.score({ history, page });
    const wanted = page.filter((item) => !history.includes(item))
      .sort((a, b) => (utilities[b] ?? 0) - (utilities[a] ?? 0)).slice(0, 4);
    const answer = await ask(service, "/recommend", { user: 3, top: 4, newOnly: true });
    const best = wanted.map((item) => utilities[item] ?? NaN);
    const { items: chances, noClick } = computeChoiceProbabilities(one.config, best);
    const items = wanted.map((item, k) => ({
      item: String(item),
      utility: best[k],
      probability: chances[k],
    }));
    assert.deepEqual(answer.body, { items, noClick });
  }));

Deno.test("environments: users get the pages of a simulator, one after another; invalid slates change nothing", () =>
  withGpu(undefined, async (gpu) => {
    using model = new UserModel(gpu, one.log.items, one.config, { weights: drawWeights(one) });
    using service = new Service(model, data, new FakeScorer(), defaultService);
    const own = (path: string, body: unknown) => ask(service, path, body);
    const refused = async (path: string, body: unknown, says: RegExp, by = service) => {
      const answer = await ask(by, path, body);
      assert.equal(answer.status, 400);
      assert.match(answer.body.error, says);
    };
    const options = { users: 20, slate: 2, pages: 3, seed: 4, leave: 0.5 };
    using simulator = await Simulator.create(gpu, new LearnedSource(model), { ...options, usersAtOnce: 20 });
    const begun = (await own("/reset", options)).body;
    const { environment, items } = begun;
    assert.deepEqual([begun.users, begun.slate, begun.pages, items], [20, 2, 3, one.log.items.count]);
    for (const episode of [0, 5]) {
      if (episode > 0) await own("/reset", { environment, episode });
      await simulator.reset(episode);
      for (let page = 0; page < 3; page++) {
        const slates = Array.from(
          { length: 20 },
          (_, u) => [2 * page, 2 * page + 1].map((k) => (k + u) % items),
        );
        const twice = slates.map(([item]) => [item, item]);
        await refused("/step", { environment, slates: twice }, /^slates\[0\]: Expected each item once/);
        const { state, ...found } = (await own("/step", { environment, slates })).body;
        const { probability: _, ...expected } = await simulator.step(slates.flat());
        assert.deepEqual(found, {
          ...expected,
          ...{ reward: Array.from(expected.reward), choice: Array.from(expected.choice) },
          terminated: Array.from(expected.terminated, Boolean),
        });
        assert.deepEqual(state.flat(), Array.from(await simulator.states()));
      }
      await refused("/step", { environment, slates: Array(20).fill([0, 1]) }, /at most 3 pages/);
    }
    const both = await Promise.all([
      own("/reset", { environment }),
      own("/reset", { environment, episode: 5 }),
    ]);
    assert.deepEqual(both.map(({ status }) => status), [200, 200]);
    await refused("/reset", { environment, users: 3 }, /only "episode" together with "environment"/);
    await refused(
      "/step",
      { environment, slates: [[0, 1]] },
      /^slates: Expected one slate per user, 20 in all/,
    );
    await refused("/step", { environment, slates: [[0]] }, /^slates\[0\]: Expected 2 items, got 1\./);
    await refused("/reset", { slate: items + 1 }, /Expected a pool of/);
    await refused("/reset", { users: 4096, pages: 1e5 }, /users x pages x slate of at most/);
    assert.equal((await own("/close", { environment })).status, 200);
    await refused("/reset", { environment }, /Expected an existing environment, got "1"/);
    await refused("/close", { environment }, /Expected an existing environment, got "1"/);
    const ids = await (await get(service, "/items")).json();
    assert.equal(ids.items[3], data.items.of(3));
    assert.equal((await (await get(service, "/health")).json()).status, "ok");
    const { config } = scoreCases["LSTM, one-hot"] ?? assert.fail();
    using many = new UserModel(gpu, { kind: "one-hot", count: 100 }, config, { seed: 1 });
    using wide = new Service(many, data, new FakeScorer(), defaultService);
    await ask(wide, "/reset", { pages: 1 });
    await refused(
      "/reset",
      { users: 4096, slate: 100, pages: 1 },
      /^users: Expected at most \d+ for slates/,
      wide,
    );
    assert.equal((await ask(wide, "/reset", { environment: "1" })).body.users, 1);
    const game = new Service(model, data, new FakeScorer(), { ...defaultService, uncalibrated: true });
    await refused("/reset", {}, /not log-odds/, game);
  }));

Deno.test("the service scores pages and recommends by a baseline, which simulates no users", async () => {
  const log = createSmallLog(31, { users: 90, items: 30, width: 0 });
  const fitted = FittedBaselines.of(log);
  const own = await OpenedDataset.of(createDataset(new MemoryLog(log), { kind: "demo", seed: 1 }));
  for (const name of baselineNames.filter((name) => name !== "logit" && fitted.scale(name))) {
    const baseline = new BaselineModel(own.source, fitted, name, one.config);
    const service = new Service({ config: one.config } as UserModel, own, baseline, {
      ...defaultService,
      baselineConfig: baseline.config,
    });
    const [{ utilities, log: clicks } = assert.fail()] = [...baseline.scored(Uint32Array.of(7))];
    // The user's pages, each after the earlier clicks.
    const history: string[] = [];
    const ids = (from: number, to: number) => Array.from(clicks.rowItem.subarray(from, to), String);
    for (const [e, click] of clicks.eventClick.entries()) {
      const [from, to] = [clicks.eventRows[e]!, clicks.eventRows[e + 1]!];
      const { body } = await ask(service, "/score", { history, page: ids(from, to) });
      assert.deepEqual(body.utilities, Array.from(utilities.subarray(from, to)), name);
      if (click !== NONE) history.push(...ids(click, click + 1));
    }
    const page = Array.from({ length: own.items.count }, (_, item) => String(item));
    const { body: { utilities: scores } } = await ask(service, "/score", { history, page });
    const { body: { items: [best] } } = await ask(service, "/recommend", { history, top: 3 });
    assert.equal(best.utility, Math.max(...scores), name);
    assert.match((await ask(service, "/reset", {})).body.error, /a baseline/);
  }
});

Deno.test("environments above the limit are refused until one is closed or idle for long", () =>
  withGpu(undefined, async (gpu) => {
    const { config } = scoreCases["LSTM, one-hot"] ?? assert.fail();
    using model = new UserModel(gpu, { kind: "one-hot", count: 100 }, config, { seed: 1 });
    let now = 0;
    const environments = new EnvironmentPool(model, data, () => now);
    const options = { users: 1, slate: 1, pages: 1, episode: 0 };
    const began = await Promise.allSettled(Array.from({ length: 70 }, () => environments.reset(options)));
    assert.equal(began.filter(({ status }) => status === "fulfilled").length, 64);
    await assert.rejects(environments.reset(options), TooManyEnvironmentsError);
    await environments.reset({ ...options, environment: "1" });
    await environments.close({ environment: "2" });
    const { environment } = await environments.reset(options);
    await assert.rejects(environments.reset(options), TooManyEnvironmentsError);
    now = 600_001;
    await environments.reset({ ...options, environment });
    await environments.reset(options); // replaces an idle environment
    await environments.reset({ ...options, environment });
    environments.destroy();
  }));

Deno.test("a large catalogue is scored with all ids; recommending stops when no client waits", async () => {
  const count = 20_000;
  const log = new MemoryLog({ ...one.log, items: { kind: "one-hot", count } });
  const large = await OpenedDataset.of(createDataset(log, { kind: "demo", seed: 1 }));
  const scorer = new FakeScorer();
  const service = new Service({ config: one.config } as UserModel, large, scorer, defaultService);
  const ids = Array.from({ length: count }, (_, k) => String(k));
  assert.equal(await (await get(service, "/items")).text(), `${JSON.stringify({ items: ids })}\n`);
  const ask = (isGone: () => boolean) => {
    const body = new Blob(['{"history": [], "top": 2}']).stream();
    return service.handle({ method: "POST", path: "/recommend", headers: JSON_TYPE, body, isGone });
  };
  const { items } = await (await ask(() => false)).json();
  const ranked = items.map(({ item, utility }: { item: string; utility: number }) => [item, utility]);
  assert.deepEqual(ranked, [["19999", 19999], ["19998", 19998]]);
  assert.deepEqual(scorer.batches, [0, 0, 0, 0, 0, 1]); // blocks of items, then the page
  assert.equal((await ask(() => scorer.batches.length === 8)).status, 499);
  assert.equal(scorer.batches.length, 8);
  assert.equal(service.failed, false);
});

Deno.test("a page waits for one block of each ranking, and a ranking for earlier pages", async () => {
  const scorer = new FakeScorer(true);
  const batcher = new Batcher(scorer);
  const block = () => batcher.do(() => scorer.scoreItems({}, Uint32Array.of(1)));
  const rankings = [block().then(block).then(block), block().then(block)];
  const page = () => batcher.submit({ history: [], page: [1] });
  const pages = [page(), page()];
  for (let k = 0; k < 7; k++) {
    await settle();
    scorer.go();
    if (k === 2) pages.push(page(), page());
  }
  await Promise.all([...rankings, ...pages]);
  assert.deepEqual(scorer.batches, [0, 2, 0, 2, 0, 0, 0]);
});

Deno.test("requests during a dispatch form the next batch, and each gets its own answer", async () => {
  const scorer = new FakeScorer(true);
  const batcher = new Batcher(scorer);
  const answers = Array.from({ length: 10 }, (_, k) => batcher.submit({ history: [], page: [k, 40 - k] }));
  assert.equal(batcher.waiting, 9);
  for (let k = 0; k < 4; k++) {
    scorer.go();
    await settle();
  }
  const found = await Promise.all(answers);
  assert.deepEqual(found.map((u) => Array.from(u)), Array.from({ length: 10 }, (_, k) => [k, 40 - k]));
  assert.deepEqual(scorer.batches, [1, 4, 4, 1]);
  assert.throws(() => batcher.submit({ history: Array(10_000).fill(0), page: [0] }), /too large for a batch/);
});

Deno.test("a batch is split at the limit of clicks and rows", async () => {
  const scorer = new FakeScorer();
  const sizes: number[] = [];
  const score = scorer.scoreAll.bind(scorer);
  scorer.scoreAll = (requests) => {
    const room = computeScorerCapacity(requests);
    assert.ok(room.events <= 10_000 && room.rows <= 20_000);
    sizes.push(requests.length);
    return score(requests);
  };
  const batcher = new Batcher(scorer);
  const long = { history: Array<number>(4000).fill(1), page: Array<number>(4000).fill(2) };
  await Promise.all(Array.from({ length: 6 }, () => batcher.submit(long)));
  assert.deepEqual(sizes, [1, 2, 2, 1]);
});

const LONG = JSON.stringify(Array(140).fill(7));
/** Refused requests. A row has path, body, status and message. A list must not count as an empty object. */
const REFUSED = parseRows(`
  /score | { | 400 | Expected a JSON body, got
  /score | | 400 | Expected a JSON body, got
  /score | null | 400 | Expected an object, got null.
  /score | [] | 400 | Expected an object, got a list
  /reset | [] | 400 | Expected an object, got a list
  /score | {} | 400 | page: Expected a value, got none
  /score | {"history": []} | 400 | page: Expected
  /score | {"page": [1]} | 400
    | Expected either "user" (an id) or "history" (a list of ids, [] for none), got neither.
  /score | {"user": 1, "history": [], "page": [1]} | 400 | Expected either "user" … got both.
  /score | {"history": [], "page": []} | 400 | page: Expected at least one id, got none.
  /score | {"history": [3, 1.5], "page": [1]} | 400 | history[1]: Expected a whole number, got 1.5.
  /score | {"history": [3, "B07"], "page": [1]} | 400
    | history[1]: Expected the id of an item of the data set, got "B07".
  /score | {"history": [], "page": [1, 41]} | 400
    | page[1]: Expected the id of an item of the data set, got "41".
  /score | {"history": [], "page": [-1]} | 400 | …got "-1"
  /score | {"user": "nobody", "page": [1]} | 400
    | user: Expected the id of a user of the data set, got "nobody".
  /score | {"history": [], "page": [1], "top": 3} | 400 | top: Expected one of …history…page
  /score | {"history": [], "page": [1], "context": {"device": "a"}} | 400 | …page, impressions, time
  /score | {"history": LONG, "page": [1]} | 413 | …a body of at most 300 bytes
  /recommend | {"history": [], "top": 0} | 400 | top: Expected at least 1, got 0.
  /recommend | {"history": [], "top": 1.5} | 400 | top: Expected a whole number, got 1.5.
  /score | {"history": [{}], "page": [1]} | 400 | history[0]: Expected an id, …got {}.
  /score | {"history": [], "page": "x"} | 400 | page: Expected a list, got "x".
  /recommend | {"history": [], "top": 1000000000} | 400 | top: Expected
  /recommend | {"history": null} | 400 | history: Expected
  /train | {} | 404 | Expected one of the paths /score, /recommend, …, got /train.
  /constructor | {} | 404 | …got /constructor
  /health | {} | 405 | Expected GET /health, got POST
`);

Deno.test("invalid requests are refused with a reason", async () => {
  const service = makeService(new FakeScorer(), { maxBody: 300 });
  for (const [path = "", body = "", status, says = ""] of REFUSED) {
    const { status: found, body: { error, ...rest } } = await ask(service, path, body.replace("LONG", LONG));
    assert.deepEqual(rest, {});
    assert.equal(error.search(toPattern(says)), 0, error);
    assert.match(error, /^(\w+(\[\d+\]|\.\w+)*: )?Expected .+, got .+\.$/s, "all errors have one style");
    assert.equal(found, Number(status), error);
  }
  // Content types that a form or a script of another site may send without a CORS preflight.
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "text/plain; x=application/json"]) {
    const answer = await ask(service, "/recommend", { history: [], top: 1 }, { "content-type": type });
    assert.equal(answer.status, 415, type);
    assert.match(answer.body.error, /application\/json/);
  }
  const wrong = await get(service, "/score");
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get("allow"), "POST");
  await wrong.body?.cancel();
  // Without a content length, the received bytes are counted.
  const parts = new ReadableStream({
    pull: (controller) => controller.enqueue(new Uint8Array(200).fill(32)),
  });
  const request = { method: "POST", path: "/score", headers: JSON_TYPE };
  assert.equal((await service.handle({ ...request, body: parts })).status, 413);
  const breaksOff = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('{"hist')),
    pull: (controller) => controller.error(new Error("the client is gone")),
  });
  const broken = await service.handle({ ...request, body: breaksOff });
  assert.equal(broken.status, 400);
  assert.equal((await broken.json()).error, "Expected a complete body, got only its beginning.");
  assert.equal((await get(service, "/health")).status, 200);
  const long = { history: Array(4097).fill(7), page: [1] };
  assert.match((await ask(makeService(new FakeScorer()), "/score", long)).body.error, /at most 4096 ids/);
});

Deno.test("unknown ids are left out on request", async () => {
  const service = makeService(new FakeScorer(), { effects: [0, -0.5, 0.5, 2] });
  const { body: known } = await ask(makeService(new FakeScorer(), { effects: [-0.5, 0.5] }), "/score", {
    history: [3, 4],
    page: [7, 5],
  });
  const body = { history: [3, "new", 4], page: ["newer", 7, 5, "new"], skipUnknown: true };
  const { utilities, probabilities, noClick } = (await ask(service, "/score", body)).body;
  assert.deepEqual(utilities, [null, ...known.utilities, null]);
  assert.deepEqual(probabilities, [null, ...known.probabilities, null]);
  assert.equal(noClick, known.noClick);
  const first = (await ask(service, "/score", { ...body, positions: "first" })).body;
  const plain = (await ask(makeService(new FakeScorer()), "/score", body)).body;
  assert.deepEqual(first, { ...plain, positions: "first" });
  assert.notDeepEqual(probabilities, plain.probabilities, "positions count unknown items");
  const none = await ask(service, "/score", { ...body, page: ["new"] });
  assert.equal(none.status, 400);
  assert.match(none.body.error, /^page: Expected at least one item of the data set, got none/);
  const answer = await ask(service, "/recommend", { history: ["new"], top: 2, skipUnknown: true });
  assert.deepEqual(answer.body.items.map(({ item }: { item: string }) => item), ["40", "39"]);
});

Deno.test("any body is answered, or refused as a client error", async () => {
  const service = makeService(new FakeScorer());
  const id = fc.oneof(
    fc.integer({ min: -2, max: 45 }),
    fc.string({ maxLength: 3 }),
    fc.double(),
    fc.anything(),
  );
  const field = fc.oneof({ weight: 5, arbitrary: fc.array(id, { maxLength: 4 }) }, id);
  const names = fc.constantFrom("history", "user", "page", "top", "newOnly", "skipUnknown", "__proto__", "x");
  const body = fc.oneof(
    { weight: 6, arbitrary: fc.array(fc.tuple(names, field), { maxLength: 4 }).map(Object.fromEntries) },
    fc.anything(),
    fc.json(),
  );
  const seen = new Set<number>();
  await fc.assert(
    fc.asyncProperty(body, fc.constantFrom("/score", "/recommend"), async (value, path) => {
      let text: string | undefined;
      try {
        text = JSON.stringify(value);
      } catch {
        text = String(value);
      }
      const { status, body: { error } } = await ask(service, path, text ?? "");
      assert.ok(status === 200 ? error === undefined : status === 400, `${status} ${error}`);
      seen.add(status);
    }),
    { numRuns: 2000, seed: 16 },
  );
  assert.deepEqual([...seen].sort(), [200, 400]);
  assert.ok(!service.failed);
});

Deno.test("requests beyond the limit are refused at once; earlier ones are answered, also at the end", async () => {
  const scorer = new FakeScorer(true);
  const service = makeService(scorer, { maxRequests: 3 });
  const score = () => post(service, "/score", { history: [1, 2], page: [5] });
  const admitted = [score(), score(), score()];
  const turnedAway = await score();
  assert.equal(turnedAway.status, 503);
  assert.equal(turnedAway.headers.get("retry-after"), "1");
  assert.match((await turnedAway.json()).error, /^Expected at most 3 requests at once/);
  assert.equal((await get(service, "/health")).status, 200);
  service.shutDown();
  const health = await get(service, "/health");
  assert.equal(health.status, 503);
  assert.equal((await health.json()).status, "shutting down");
  assert.match((await (await score()).json()).error, /shutting down/);
  for (let k = 0; k < 3; k++) {
    await settle();
    scorer.go();
  }
  for (const answer of await Promise.all(admitted)) {
    assert.deepEqual((await answer.json()).utilities, [Math.fround(5.002)]);
  }
});

Deno.test("metrics are counts and times in the text format of Prometheus", async () => {
  const service = makeService(new FakeScorer());
  await post(service, "/score", { history: [1, 2], page: [5, 6] });
  await post(service, "/score", { history: [1, 2], page: [5, 6, 7] });
  await post(service, "/score", "no");
  await get(service, "/nowhere");
  const answer = await get(service, "/metrics");
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await answer.text();
  const has = (line: string) => assert.ok(text.split("\n").includes(line), `${line} is not in\n${text}`);
  has("# TYPE clickgan_requests_total counter");
  has('clickgan_requests_total{endpoint="/score",status="200"} 2');
  has('clickgan_requests_total{endpoint="/score",status="400"} 1');
  has('clickgan_requests_total{endpoint="other",status="404"} 1');
  has('clickgan_request_seconds_count{endpoint="/score"} 3');
  has('clickgan_request_seconds_bucket{endpoint="/score",le="+Inf"} 3');
  has('clickgan_batch_requests_bucket{le="1"} 2');
  has("clickgan_batch_requests_sum 2");
  has("clickgan_rows_total 9");
  has("clickgan_requests_in_flight 0");
  for (const line of text.trim().split("\n")) {
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [\d.e+-]+)$/);
  }
});

Deno.test("after a scoring failure, requests get an error and the service reports that it must end", async () => {
  const failures: unknown[] = [];
  const broken = new FakeScorer();
  broken.scoreAll = () => Promise.reject(new Error("the device was lost"));
  const model = { config: one.config } as UserModel;
  const service = new Service(model, data, broken, defaultService, (error) => failures.push(error));
  const { status, body } = await ask(service, "/score", { history: [], page: [1] });
  assert.equal(status, 500);
  assert.doesNotMatch(body.error, /device/);
  assert.match(String(failures[0]), /the device was lost/);
  assert.ok(service.failed);
  assert.equal((await (await get(service, "/health")).json()).status, "failed");
});

async function clientLoad(url: string, calls: string, requests: number): Promise<LoadResult> {
  const flags = ["--allow-net=127.0.0.1", "--allow-read"];
  const script = new URL("../serve_load.ts", import.meta.url);
  const { code, stdout, stderr } = await runScript(script, flags, [url, calls, String(requests), "24"]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("serve answers every request with its own utilities, also during shutdown", () =>
  withService(async ({ url, calls, child, model, data }) => {
    const { requests, lost, mixedUp } = await clientLoad(url, calls, 600);
    assert.deepEqual({ requests, lost, mixedUp }, { requests: 600, lost: 0, mixedUp: 0 });
    const port = new URL(url).port;
    const taken = await runCommand("serve", "--model", model, "--data", data, "--port", port);
    assert.equal(taken.code, 1);
    assert.match(
      taken.stderr,
      /^error: Cannot listen on 127\.0\.0\.1:\d+: the port is in use\. Choose another --port/,
    );
    const during = clientLoad(url, calls, 4000);
    await new Promise((resolve) => setTimeout(resolve, 700));
    child.kill("SIGTERM");
    const { code, stderr } = await waitForProcess(child);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Ended\.\n$/);
    assert.equal((await during).mixedUp, 0);
  }));

Deno.test(
  "the server accepts only its own names, closes slow clients, and survives more connections than descriptors",
  { ignore: Deno.build.os === "windows" },
  async () => {
    const flags = ["--allow-read", "--allow-run", "--allow-net=127.0.0.1"];
    const script = new URL("./listen_check.ts", import.meta.url);
    const signal = AbortSignal.timeout(60_000);
    const { code, stdout, stderr } = await runScript(script, flags, [], { signal });
    assert.equal(code, 0, stdout + stderr);
  },
);
