import { SEARCH_ADVICE } from "../../src/run/test_stage.ts";
import assert from "node:assert/strict";
import { parseTrainArguments, parseTuneOptions } from "../../src/commands/tune/tune_options.ts";
import { describeBudget, listCautions, type SearchSummary } from "../../src/commands/tune/tune_results.ts";
import { createRandomStream } from "../../src/data/random.ts";
import { formatSettingsCsv, type SettingRow, trainArguments } from "../../src/tune/tune_folder.ts";
import type { SearchCandidate, SearchState } from "../../src/tune/search.ts";
import { findBestValidation, findWinner, hasReached, listRungs, search } from "../../src/tune/search.ts";
import type { SearchSpace, TuneSetting } from "../../src/tune/space.ts";
import {
  describeSetting,
  drawSetting,
  listArguments,
  listInapplicableFlags,
  NO_ITEM_IDS,
  POSITION_BIAS,
} from "../../src/tune/space.ts";
import { UserError } from "../../src/user_error.ts";
import { pathExists } from "../../src/files/local_file.ts";
import { interrupt, runOk, signalCommand, splitArgs, startCommand, withSmallLog } from "../command_check.ts";
import { CommandSeries } from "../command_series.ts";
import { tinyData } from "../small_models.ts";

function trainedOn(args: readonly string[]): ReturnType<typeof parseTrainArguments> | undefined {
  try {
    return parseTrainArguments(args, tinyData);
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

const NOTHING_OF_DATA = listInapplicableFlags({ features: undefined, pageOrder: "arbitrary" });
const space: SearchSpace = {
  seed: 3,
  fixed: NOTHING_OF_DATA,
  encoder: "lstm",
  learningRate: 5e-4,
  accepts: (setting) => trainedOn(listArguments(setting)) !== undefined,
  stopping: "loss",
};

function settings(count: number, space: SearchSpace): TuneSetting[] {
  const all: TuneSetting[] = [];
  for (let k = 0; k < count; k++) {
    const setting = drawSetting(k, space, all);
    if (setting) all.push(setting);
  }
  return all;
}

Deno.test("tune: the first setting is the default; all differ and train accepts them", () => {
  const all = settings(60, space);
  assert.deepEqual(all[0], {});
  assert.equal(new Set(all.map(describeSetting)).size, 60);
  assert.deepEqual(settings(60, space), all);
  assert.notDeepEqual(settings(60, { ...space, seed: 4 }), all);
  for (const setting of all.slice(1)) {
    const { model, training } = parseTrainArguments(listArguments(setting), tinyData);
    assert.equal(training.earlyStopping, "loss");
    // Weight decay shrinks kernels only a little per step.
    assert.ok(training.weightDecay * training.learningRate < 0.025, describeSetting(setting));
    assert.equal(setting["--encoder"] ?? "lstm", model.encoder);
  }
  assert.ok(all.some((setting) => setting["--pw-nonlinearity"] === "tanh"));
  assert.ok(all.some((setting) => setting["--encoder"] === "none" && setting["--dims"] === "none"));
  assert.ok(all.every((setting) => setting[NO_ITEM_IDS] === undefined), "a set that has none");
  const brand = { name: "brand", first: 0, count: 4, meaning: "" };
  const features = { dense: [], tokens: [brand, { ...brand, name: "item", first: 4 }] };
  const whole = settings(60, { ...space, fixed: listInapplicableFlags({ features, pageOrder: "shown" }) });
  const placeless = whole.filter((setting) => setting[POSITION_BIAS] === "0");
  assert.ok(placeless.length > 3 && placeless.length < 25);
  for (const setting of whole) {
    const places = placeless.includes(setting) ? 0 : 20;
    assert.equal(parseTrainArguments(listArguments(setting), tinyData).model.positions, places);
  }
  assert.ok(all.every((setting) => setting[POSITION_BIAS] === undefined), "places mean nothing");
  const less = whole.filter((setting) => setting[NO_ITEM_IDS] === "");
  assert.ok(less.length > 15 && less.every((setting) => listArguments(setting).includes(NO_ITEM_IDS)));
  assert.match(describeSetting(less[0] ?? {}), /^no item-ids, learning-rate/);
});

Deno.test("tune: fixed options are in no setting, and an exhausted space ends", () => {
  const fixed = NOTHING_OF_DATA.union(
    new Set(["--encoder", "--dims", "--wide", "--learning-rate", "--weight-decay", "--position-bias"]),
  );
  const all = settings(60, { ...space, fixed });
  // Only the dropout is searched: 0.1, 0.2, 0.3, 0.5, and none.
  assert.equal(all.length, 5);
  for (const setting of all) for (const flag of fixed) assert.equal(setting[flag], undefined);
  const accepts = (setting: TuneSetting) =>
    trainedOn(["--encoder", "pw", ...listArguments(setting)]) !== undefined;
  const pw = settings(60, {
    ...space,
    encoder: "pw",
    fixed: NOTHING_OF_DATA.union(new Set(["--encoder"])),
    accepts,
  });
  assert.equal(pw.length, 60);
  for (const setting of pw) {
    assert.equal(setting["--encoder"], undefined);
    // Without hidden layers the state of position weights would change nothing.
    assert.notEqual(setting["--dims"], "none");
  }
  assert.ok(pw.some((setting) => setting["--pw-nonlinearity"] === "tanh"));
});

Deno.test("tune: rungs are multiples of the validations, and the last is a complete training", () => {
  assert.deepEqual(listRungs(2000, 10), [670, 2000]);
  assert.deepEqual(listRungs(90, 10), [30, 90]);
  assert.deepEqual(listRungs(10, 10), [10]);
});

/** Speed, budget and size of a search with simulated trainings. Each setting's loss has its own minimum. */
interface World {
  readonly secondsEach: number;
  readonly setUp: number;
  readonly budget: number;
  readonly iterations: number;
  readonly jobs?: number;
  readonly stopAfter?: number;
}

const STEP = 10;

async function runSearch(world: World, before?: { state: SearchState; spent: number }) {
  let clock = 0;
  const stop = new AbortController();
  const under: { readonly number: number; readonly at: number; readonly end: () => void }[] = [];
  let most = 0;
  const kept: { state: SearchState; spent: number }[] = [];
  const trained: { number: number; from: number; to: number }[] = [];
  const train = (candidate: SearchCandidate, iterations: number, seconds: number) => {
    const { number } = candidate;
    const random = createRandomStream(17, "world", number);
    const [floor, pace, speed] = [1 + random.uniform(), 50 + 400 * random.uniform(), 0.5 + random.uniform()];
    const diverges = number > 0 && random.uniform() < 0.1;
    const each = world.secondsEach * (number === 0 ? 1 : speed);
    const room = Math.max(0, Math.floor((seconds - world.setUp) / each));
    const to = Math.min(iterations, candidate.iterations + room);
    assert.ok(under.every((other) => other.number !== number), `setting ${number} is under way`);
    const at = Array.from({ length: Math.floor(to / STEP) + 1 }, (_, k) => STEP * k);
    trained.push({ number, from: candidate.iterations, to });
    if (trained.length === world.stopAfter) stop.abort();
    const after: SearchCandidate = {
      ...candidate,
      iterations: to,
      seconds: candidate.seconds + (to - candidate.iterations) * each,
      setUpSeconds: world.setUp,
      curve: { iteration: at, columns: new Map([["loss", at.map((t) => floor + Math.exp(-t / pace))]]) },
      end: diverges && to > 100 ? "diverged" : "open",
    };
    return new Promise<SearchCandidate>((resolve) => {
      const at = clock + world.setUp + (to - candidate.iterations) * each;
      under.push({ number, at, end: () => resolve(after) });
      most = Math.max(most, under.length);
    });
  };
  let isOver = false;
  const searching = search(
    before?.state ?? { criterion: "loss", rungs: [], candidates: [] },
    before?.spent ?? 0,
    {
      budgetSeconds: world.budget,
      iterations: world.iterations,
      validateEvery: STEP,
      jobs: world.jobs ?? 1,
      draw: (number, all) => drawSetting(number, space, all),
      train,
      keep: (state, spent) => Promise.resolve(void kept.push({ state, spent })),
      now: () => clock,
      signal: stop.signal,
    },
  );
  searching.finally(() => isOver = true).catch(() => {});
  while (!isOver) {
    await new Promise((turn) => setTimeout(turn));
    under.sort((a, b) => a.at - b.at);
    const next = under.shift();
    clock = Math.max(clock, next?.at ?? 0);
    next?.end();
  }
  return { ...await searching, kept, trained, most };
}

function assertOnce(trained: readonly { number: number; from: number; to: number }[]): void {
  const reached = new Map<number, number>();
  for (const { number, from, to } of trained) {
    assert.equal(from, reached.get(number) ?? 0);
    reached.set(number, to);
  }
}

const farther = ({ candidates }: SearchState, rung: number) =>
  candidates.filter((one) => one.end === "open" && hasReached(one, rung)).length;

const WORLDS: readonly World[] = [
  { secondsEach: 0.01, setUp: 0.3, budget: 600, iterations: 2000 },
  { secondsEach: 0.1, setUp: 2, budget: 600, iterations: 2000 },
  { secondsEach: 1, setUp: 10, budget: 600, iterations: 2000 },
  { secondsEach: 0.005, setUp: 0.1, budget: 30, iterations: 500 },
  { secondsEach: 5, setUp: 1, budget: 60, iterations: 2000 },
];

for (const world of WORLDS) {
  Deno.test(`tune: a budget of ${world.budget} s at ${world.secondsEach} s per iteration holds, and the result is no worse than the default`, async () => {
    const { state, spentSeconds, trained } = await runSearch(world);
    const { candidates, rungs, criterion } = state;
    assert.ok(spentSeconds <= world.budget + world.setUp, `${spentSeconds}`);
    // The remaining time would not suffice for another setting.
    assert.ok(spentSeconds >= 0.8 * world.budget || world.secondsEach === 5, `${spentSeconds}`);
    const winner = findWinner(state)?.number ?? assert.fail("no winner");
    const ranks = candidates.map((candidate) => findBestValidation(candidate, criterion).rank);
    assert.equal(ranks[winner], Math.min(...ranks));
    assert.ok((ranks[winner] ?? NaN) <= (ranks[0] ?? NaN));
    assert.ok(
      hasReached(candidates[0] ?? assert.fail(), rungs.at(-1) ?? Infinity) || world.secondsEach === 5,
    );
    assertOnce(trained);
    // About a third of the settings continue.
    for (const [k, rung] of rungs.slice(1).entries()) {
      assert.ok(farther(state, rung) <= 0.45 * farther(state, rungs[k] ?? 0) + 2);
    }
  });
}

Deno.test("tune: parallel settings keep to the time budget, and no iteration is trained twice", async () => {
  const world = { secondsEach: 0.1, setUp: 2, budget: 600, iterations: 2000 };
  const one = await runSearch(world);
  const three = await runSearch({ ...world, jobs: 3 });
  assert.deepEqual([one.most, three.most], [1, 3]);
  assert.equal(three.trained[1]?.number, 1, "the default is alone");
  assert.ok(three.state.candidates.length > 2 * one.state.candidates.length);
  assert.ok(three.spentSeconds <= world.budget + world.setUp, `${three.spentSeconds}`);
  assertOnce(three.trained);
  const { candidates } = three.state;
  candidates.forEach(({ setting }, k) =>
    assert.deepEqual(setting, drawSetting(k, space, candidates.slice(0, k).map((c) => c.setting)))
  );
  const far = farther(three.state, 2000);
  assert.ok(far <= 0.45 * farther(three.state, 670) + 4, `${far}`);
});

Deno.test("tune: a search stopped at any moment resumes as if uninterrupted", async () => {
  const world = { secondsEach: 0.01, setUp: 0.3, budget: 120, iterations: 900 };
  const whole = await runSearch(world);
  assert.ok(whole.trained.length > 20);
  for (const stopAfter of [1, 2, 5, 13]) {
    const first = await runSearch({ ...world, stopAfter });
    assert.equal(first.trained.length, stopAfter);
    const last = first.kept.at(-1) ?? assert.fail();
    const rest = await runSearch(world, last);
    assert.deepEqual(rest.state, whole.state);
  }
  const ended = { state: whole.state, spent: whole.spentSeconds };
  assert.deepEqual((await runSearch(world, ended)).trained, []);
  const longer = await runSearch({ ...world, budget: 240 }, ended);
  assert.ok(longer.state.candidates.length > whole.state.candidates.length);
  assert.ok(longer.trained.every(({ number }) => number > 0), "the default has finished");
});

Deno.test("tune: a larger budget continues the default and the best setting to the end", async () => {
  for (const secondsEach of [0.1, 0.3]) {
    const world = { secondsEach, setUp: 1, budget: 60, iterations: 2000 };
    const short = await runSearch(world);
    const [cut] = short.state.candidates;
    assert.ok(cut && cut.iterations < 200, `${cut?.iterations}`);
    const before = { state: short.state, spent: short.spentSeconds };
    assert.deepEqual((await runSearch({ ...world, budget: 62 }, before)).state.rungs, short.state.rungs);
    const long = await runSearch({ ...world, budget: 2400 }, before);
    const { candidates, rungs } = long.state;
    assert.ok(long.spentSeconds <= 2400 + world.setUp && long.trained[0]?.number === 0);
    assert.deepEqual(rungs, listRungs(2000, STEP));
    for (const number of [0, findWinner(long.state)?.number ?? NaN]) {
      assert.ok(hasReached(candidates[number] ?? assert.fail(), 2000), `setting ${number}`);
    }
    // The search continues as far as the budget allows.
    const middle = await runSearch({ ...world, budget: 300 }, before);
    const [usual] = middle.state.candidates;
    assert.ok(usual && usual.iterations > 2 * cut.iterations && middle.spentSeconds <= 300 + world.setUp);
    assert.ok((middle.state.rungs.at(-1) ?? 0) > usual.iterations - STEP);
  }
});

Deno.test("tune: options of train hold for all settings", () => {
  const args = ["--data", "x.txt", "--budget=3", "--dims", "8", "--criterion", "prec1", "--save-dir", "here"];
  const { options, trainArguments: rest, given } = parseTuneOptions(args);
  assert.equal(options.budget, 3);
  assert.equal(options.criterion, "prec1");
  assert.deepEqual(rest, ["--data", "x.txt", "--dims", "8"]);
  assert.ok(given.has("--dims") && !given.has("--encoder"));
});

const row = (more: Partial<SettingRow>): SettingRow => ({
  number: 1,
  setting: { "--encoder": "pw", "--early-stopping": "loss" },
  text: "pw",
  folder: "runs/x/setting-001",
  iterations: 2000,
  bestIteration: 500,
  seconds: 3,
  end: "open",
  validation: { loss: 1.25, prec1: 0.5, prec2: 0.75 },
  ...more,
});

Deno.test("tune: the table and the command of a setting are correct", () => {
  const usual = row({ number: 0, setting: {}, validation: { loss: 1.5, prec1: null, prec2: null } });
  assert.equal(
    formatSettingsCsv([row({}), usual]),
    "setting,validation_loss,validation_prec1,validation_prec2,best_iteration,iterations,end,seconds,early-stopping,encoder\n" +
      "1,1.25,0.5,0.75,500,2000,open,3.0,loss,pw\n0,1.5,,,500,2000,open,3.0,,\n",
  );
  const args = trainArguments(["--data", "x.txt"], row({ iterations: 670 }), 2000);
  assert.deepEqual(args, splitArgs("--data x.txt --encoder pw --early-stopping loss --iterations 670"));
  assert.ok(!trainArguments([], row({}), 2000).includes("--iterations"));
});

Deno.test("tune: cautions name short trainings, and a best setting that is no better than the default", () => {
  const usual = row({ number: 0, setting: {} });
  const best = row({});
  const text = (rows: SettingRow[], winner: SettingRow, more: Partial<SearchSummary> = {}) => {
    const rest = { criterion: "loss", iterations: 2000, versusDefault: undefined } as const;
    return listCautions({ rows, winner, ...rest, ...more }).join("\n");
  };
  assert.equal(text([usual], usual), "");
  assert.equal(text([usual, best], usual), "The default has the best validation loss of 2 settings.");
  assert.match(
    text([best, usual], best),
    /^The best of 2 settings was chosen by its validation loss, [^\n]*$/,
  );
  const short = row({ number: 0, iterations: 400 });
  assert.match(text([short], short), /^The default was trained for 400 of 2000 iterations/);
  const ended = row({ iterations: 400, end: "stopped" });
  assert.doesNotMatch(text([ended, usual], ended), /trained for/, "early stopping ended it");
  const cut = row({ iterations: 400 });
  assert.match(text([cut, usual, row({ iterations: 300 })], cut), /The best setting was trained for 400 of/);
  assert.doesNotMatch(text([best, cut, usual], best), /trained for/, "another setting was cut short");
  assert.match(text([best, row({ number: 0, end: "diverged" })], best), /The default diverged/);
  const versus = (interval: readonly [number, number], metric: "nll" | "prec1") =>
    text([best, usual], best, { versusDefault: { [metric]: { value: interval[0], interval } } });
  const NO_GAIN = /No setting is significantly better than the default/;
  assert.match(versus([-0.1, 0.1], "prec1"), NO_GAIN);
  assert.match(versus([0.1, 0.2], "nll"), NO_GAIN, "a higher loss is worse");
  assert.doesNotMatch(versus([-0.2, -0.1], "nll"), NO_GAIN);
  assert.match(describeBudget(61.5, 60), /1\.5 s more than its budget/);
});

/** Fixes all options but dropout, so the search has five settings and ends before its budget is spent. */
const FEW = splitArgs(
  "--encoder lstm --lstm-units 4 --dims 8 --wide 0 --learning-rate 0.002 --weight-decay 1",
  "--iterations 90 --batch-size 12 --budget 5",
);

function leftBy(path: string) {
  const tune = JSON.parse(Deno.readTextFileSync(`${path}/tune.json`));
  const settings = tune.settings.map(({ options, iterations, end }: Record<string, unknown>, k: number) => {
    const best = Deno.readFileSync(`${path}/setting-00${k}/best-loss.safetensors`);
    return { options, iterations, end, best };
  });
  return { rungs: tune.rungs, settings };
}

Deno.test("tune: stopped and killed, it resumes without a difference; messages, files and command are correct", () =>
  withSmallLog(async (folder, data) => {
    const args = (path: string) => ["--data", data, "--save-dir", path, ...FEW];
    const [whole, parts] = [`${folder}/whole`, `${folder}/parts`];
    const searches = new CommandSeries("tune");
    const at = await searches.ok(args(whole));
    const killed = startCommand("tune", ...args(parts)); // killed in its first setting
    while (!await pathExists(`${parts}/setting-000/last.safetensors`)) {
      await new Promise((done) => setTimeout(done, 20));
    }
    killed.kill("SIGKILL");
    await killed.output();
    const jobs = [...args(parts), "--jobs", "2"];
    const stopped = await interrupt(/best val loss .*: setting 0/, "tune", ...jobs);
    assert.equal(stopped.code, 130, stopped.stderr);
    assert.match(stopped.stderr, /Resume with the same command/);
    await signalCommand("SIGKILL", /adapter/, "tune", ...args(parts));
    await searches.ok(args(parts));
    const left = leftBy(whole);
    assert.deepEqual(leftBy(parts), left);
    assert.deepEqual(left.rungs, [30, 90]);
    assert.equal(left.settings.length, 5);
    assert.equal(left.settings[0].iterations, 90);

    const result = JSON.parse(Deno.readTextFileSync(`${whole}/result.json`));
    assert.equal(Deno.readTextFileSync(`${whole}/table.csv`).trimEnd().split("\n").length, 6);
    const best = Math.min(
      ...result.settings.map(({ validation }: { validation: { loss: number } }) => validation.loss),
    );
    const winner = result.settings.find(({ number }: { number: number }) => number === result.winner);
    assert.equal(winner.validation.loss, best);
    // The best setting is tested and described as a run of `train`.
    const { baselines, ...own } = JSON.parse(Deno.readTextFileSync(`${winner.folder}/result.json`));
    const verdict = own.verdict.filter((text: string) => text !== SEARCH_ADVICE);
    assert.deepEqual([result.verdict, result.baselines], [verdict, baselines]);
    for (const line of [...verdict, ...result.words]) assert.ok(at.stdout.includes(line), line);
    assert.equal(/minus the default.*\n.*difference/.test(at.stdout), result.winner > 0);
    assert.equal(result.versusDefault !== undefined, result.winner > 0);

    // The command reproduces the recommended setting bit for bit.
    const [deno, task, quiet, train, ...words] = result.command.split(" ");
    assert.deepEqual([deno, task, quiet, train], ["deno", "task", "-q", "train"]);
    await runOk("train", ...words, "--save-dir", `${folder}/again`, "--no-report");
    const bytes = (run: string) => Deno.readFileSync(`${run}/best-loss.safetensors`);
    const { folder: recommended } = result.settings.find(({ number }: { number: number }) =>
      number === result.recommended
    );
    assert.deepEqual(bytes(`${folder}/again`), bytes(recommended));
  }));
