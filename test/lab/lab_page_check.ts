/**
 * Checks the lab in Chromium: `deno run ... lab_page_check.ts CHROMIUM FOLDER`, where the folder has
 * index.html, own.tsv, log.csv and prepared sets.
 */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { makeDemoShop } from "../../src/data/demo_shop.ts";
import { describeDifference } from "../../src/data/feature_difference.ts";
import { MemoryLog } from "../../src/data/log_source.ts";
import { readPreparedLog } from "../../src/data/prepared_set.ts";
import { openPreparedSet } from "../../src/data/sets/prepared_folder.ts";
import { readOptions } from "../../src/lab/client/services/option_texts.ts";
import { initializeOnLog } from "../../src/model/model_counts.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { buildStagesConfig, type ModelData } from "../../src/run/options/stages_options.ts";
import { decodeSnapshot } from "../../src/run/snapshot/snapshot.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { defaultAdversarial } from "../../src/train/training_config.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { openChromium } from "../chromium.ts";
import { openGpu } from "../open_alone.ts";
import {
  checkCourse,
  checkExercises,
  checkLadder,
  checkSaved,
  checkScratchpad,
  checkStep,
} from "./lab_measure_check.ts";
import {
  clickButton,
  expectFine,
  expectNoFaults,
  openScreen,
  saveBy,
  setOptions,
  waitForElement,
  waitForText,
  waitUntil,
  withLab,
} from "./lab_window.ts";

const [executablePath = "", folder = ""] = Deno.args;

const ITERATIONS = 24;
const VALIDATE_EVERY = "12";
const LONG_ROWS = 2_000_000;
const GAMES = 12;
/** Number of users: enough that no training on the demo shop ends before a click on Stop has an effect. */
const USERS = 50;
/** Allowed difference to losses in Deno. The order of sums is the same, but exp and tanh differ. */
const TOLERANCE = 1e-5;

interface Kept {
  readonly losses: readonly number[];
  readonly iteration: number;
}

/** Removes the results of the last training from the page, and starts a training. */
async function pressTrain(page: Page): Promise<void> {
  await page.evaluate(`lab.measurements.delete("training")`);
  await clickButton(page, "Train");
}

const keptIn = (page: Page, name = "training") => page.evaluate<Kept>(`lab.measurements.get("${name}")`);

/** Presses Stop, inside the page, at the first reported step. A click by Playwright might come too late. */
const STOP_AT_ONCE = `(() => {
  const numbers = document.querySelector(".numbers");
  const observer = new MutationObserver(() => {
    if (!/^[1-9]/.test(numbers.querySelector("dd").textContent)) return;
    observer.disconnect();
    [...document.querySelectorAll("button")].find(({ textContent }) => textContent === "Stop").click();
  });
  observer.observe(numbers, { subtree: true, childList: true });
})()`;

const IDLE = `![...document.querySelectorAll("#screen-train .main")].some(({ disabled }) => disabled)`;

/** Asserts that Stop works while the worker trains. @param what name of the task on the page */
async function expectStop(page: Page, what: string, says = "Stopped."): Promise<void> {
  await clickButton(page, "Train");
  await waitForElement(page, ".doing", what);
  await clickButton(page.locator("#screen-train"), "Stop");
  await waitForElement(page, ".notice", says);
  await waitUntil(page, IDLE);
}

/** Asserts that the demo shop's losses equal Deno's. @returns losses of the adversarial stage */
async function checkDemo(page: Page): Promise<readonly number[]> {
  await setOptions(page, { lstmUnits: "x" });
  await waitForElement(page, "#option-lstmUnits-error", 'Expected a whole number in 1..1024, got "x".');
  const small = {
    lstmUnits: "3",
    dims: "7-5",
    iterations: "10",
    batchSize: String(USERS),
    validateEvery: VALIDATE_EVERY,
  };
  await page.click("#screen-train summary >> text=More options");
  await setOptions(page, { ...small, validationUsers: "20" });
  await clickButton(page, "Train");
  await waitForText(page, "Expected --validate-every of at most 10, the number of iterations, got 12");
  await setOptions(page, { iterations: String(ITERATIONS) });
  await expectNoFaults(page, "Train, before");
  await expectStop(page, "Compiling kernels");
  await page.evaluate(STOP_AT_ONCE);
  await clickButton(page, "Train");
  await waitForText(page, `/^Stopped after \\d+ of ${ITERATIONS} iterations. Press Resume to continue.$/`);
  await clickButton(page, "Resume");
  await page.locator("table.numeric").waitFor();
  const expected = await denoLosses(
    { source: new MemoryLog(makeDemoShop(1).log) },
    [7, 5],
    ITERATIONS,
    GAMES,
    USERS,
  );
  expectNear("losses", (await keptIn(page)).losses, expected.shannon);
  await expectFine(page, "Train, after");
  return expected.adversarial;
}

/** Runs the adversarial stage: stops and saves it, resumes it, and resumes it from the saved file. */
async function checkAdversarial(page: Page, expected: readonly number[]): Promise<void> {
  await page.click("nav >> text=Train");
  await setOptions(page, { adversarial: String(GAMES) });
  await clickButton(page, "Resume");
  await waitForText(
    page,
    `Expected --adversarial-validate-every of at most ${GAMES}, the value of --adversarial, got 100`,
  );
  await setOptions(page, {
    adversarialValidateEvery: "6",
    adversarialBatchSize: String(USERS),
    learningRate: "0.1",
  });
  await setOptions(page, { behaviourDims: "6-4", generatorWarmup: "2" });
  await clickButton(page, "Resume");
  await waitForText(page, "began with other values of --learning-rate");
  await setOptions(page, { learningRate: "" });
  await page.evaluate(STOP_AT_ONCE);
  await clickButton(page, "Resume");
  await waitForText(page, `/^Stopped after \\d+ of ${GAMES} iterations. Press Resume to continue.$/`);
  await waitForElement(page, ".numbers dt", "validation pi prec@1");
  await page.getByRole("button", { name: "Save best loss", exact: true }).waitFor(); // first stage
  const last = `${folder}/adversarial-last.safetensors`;
  await saveBy(page, "Save current state", last);
  await clickButton(page, "Resume");
  await page.locator("#stage-adversarial table.numeric").waitFor();
  const { losses } = await keptIn(page, "adversarial");
  expectNear("losses of the adversarial stage", losses, expected);
  await expectFine(page, "Train, both stages");
  await page.setInputFiles("#snapshot-file", last);
  await waitForText(page, "Resume continues this training, bit for bit.");
  await clickButton(page, "Resume");
  await page.locator("#stage-adversarial table.numeric").waitFor();
  const rest = (await keptIn(page, "adversarial")).losses;
  assert.ok(rest.length > 0 && rest.length < GAMES, `${rest.length} steps`);
  assert.deepEqual(rest, losses.slice(-rest.length));
  await clickButton(page, "Start from random weights again");
  await setOptions(page, { adversarial: "" });
}

function expectNear(what: string, found: readonly number[], expected: readonly number[]): void {
  assert.equal(found.length, expected.length, what);
  const far = Math.max(...found.map((loss, k) => Math.abs(loss - (expected[k] ?? NaN))));
  assert.ok(far <= TOLERANCE, `${what} differ by up to ${far}`);
  console.log(`${what} differ from Deno's by ${far.toExponential(1)} at most`);
}
async function denoLosses(
  data: ModelData & { readonly source: MemoryLog },
  dims: readonly number[],
  iterations: number,
  games = 0,
  batchSize = 5,
): Promise<{ shannon: number[]; adversarial: number[] }> {
  const gpu = await openGpu();
  const { source, source: { log } } = data;
  const small = {
    lstmUnits: "3",
    dims: dims.join("-"),
    batchSize: String(batchSize),
    validateEvery: VALIDATE_EVERY,
    validationUsers: "20",
  };
  const options = readOptions({ texts: small, fromSnapshot: false });
  const { model: modelConfig, training } = buildStagesConfig(options, data);
  const model = new UserModel(gpu, log.items, modelConfig, initializeOnLog(source, modelConfig, { seed: 1 }));
  const trainer = await Trainer.create(model, log, training, { validate: games > 0 });
  const [shannon, adversarial]: [number[], number[]] = [[], []];
  await trainer.run(iterations, { onStep: ({ nll }) => shannon.push(nll) });
  if (games > 0) {
    model.setWeights(await trainer.snapshot("prec1"));
    const config = { ...defaultAdversarial, batchSize, behaviourDims: [6, 4], generatorWarmup: 2 };
    const options = { seed: 1, evaluationShards: 0, validate: false };
    const players = await AdversarialTrainer.create(model, log, config, options);
    await players.run(games, { onStep: ({ lossMin }) => adversarial.push(lossMin) });
    players.destroy();
  }
  for (const part of [trainer, model]) part.destroy();
  gpu.close();
  return { shannon, adversarial };
}

/** Asserts that a click is added to the history, and changes the predictions for the same page. */
async function checkUser(page: Page): Promise<void> {
  await page.click("nav >> text=Be the user");
  await page.locator(".page .item").first().waitFor();
  const chances = () => page.locator(".chance.model .percent").allInnerTexts();
  await page.check("#same-page");
  const before = await chances();
  assert.equal(before.length, 11);
  await page.locator(".page .item").nth(3).click();
  await page.locator(".history li:not(.none)").waitFor();
  await waitUntil(page, `document.querySelectorAll(".percent small").length > 0`);
  assert.notDeepEqual(await chances(), before);
  await page.keyboard.press("Enter"); // the focus stays on the line
  await page.locator(".history li").nth(1).waitFor();
  const [first = "", second = ""] = await page.locator(".history li").allInnerTexts();
  assert.equal(first, second);
  await expectFine(page, "Be the user");
}

/** Runs only a part of the self-test, because all kernels take minutes on a software adapter. */
async function checkSelftest(page: Page): Promise<void> {
  await page.click("nav >> text=Self-test");
  await page.selectOption("#selftest-kinds", "both");
  const run = page.getByRole("button", { name: "Run the self-test" });
  await page.fill("#selftest-only", "no such case");
  await run.click();
  await waitForText(page, `Expected a part of a test case's name, got "no such case".`);
  await page.fill("#selftest-only", "page: fill");
  await run.click();
  await waitForText(page, "/All kernels match float64: \\d+ kernels?, \\d+ cases/");
  const rows = await page.locator(".kernels tbody tr", { hasText: "fill" }).allInnerTexts();
  assert.deepEqual(rows.map((row) => row.split(/\s*[\t\n]\s*/).slice(0, 3)), [
    ["fill", "for CPU adapters", "same bits"],
    ["fill", "for GPUs", "same bits"],
  ]);
  await expectFine(page, "Self-test");
}

async function dropOn(page: Page, path: string): Promise<void> {
  const place = page.locator("#screen-train .drop");
  await place.scrollIntoViewIfNeeded();
  const { x, y } = await place.boundingBox() ?? assert.fail("expected a place to drop files on");
  const session = await page.context().newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: x + 5, y: y + 5, data });
  }
  await session.detach();
}

/** Asserts that a data set trains as in Deno, its CSV gives a command, and other files are refused. */
async function checkOwnData(page: Page): Promise<void> {
  await page.click("nav >> text=Train");
  await page.selectOption("#data", "own");
  // One layer fewer than for the demo, because kernels are compiled again for each data size and device.
  await setOptions(page, { dims: "7", iterations: "4", batchSize: "5", validateEvery: "2" });
  const train = () => pressTrain(page);
  const listFiles = (set: string) =>
    ["manifest.json", "users.parquet", "items.parquet", "pages.parquet"].map((name) =>
      `${folder}/${set}/${name}`
    );
  const set = listFiles("set");
  await page.setInputFiles("#data-file", set.slice(1));
  await train();
  await waitForElement(page, ".notice", "Expected all files of a prepared data set (manifest.json,");
  const paper = `${folder}/changed.tsv`;
  await Deno.copyFile(`${folder}/own.tsv`, paper);
  await page.setInputFiles("#data-file", paper);
  await Deno.writeTextFile(paper, "\n", { append: true });
  await Deno.utime(paper, 2e9, 2e9); // Chromium compares times, which may be equal on a fast machine
  await train();
  await waitForElement(page, ".notice", "changed.tsv: the browser can no longer read the file (");
  const [header = "", ...rows] = Deno.readTextFileSync(`${folder}/own.tsv`).trimEnd().split("\n");
  const sessions = 1 + Math.max(...rows.map((row) => Number(row.split("\t")[0])));
  const repeated = Array.from(
    { length: Math.ceil(LONG_ROWS / rows.length) },
    (_, k) =>
      rows.map((row) => row.replace(/^\d+/, (session) => String(Number(session) + k * sessions))).join("\n"),
  );
  await Deno.writeTextFile(`${folder}/large.tsv`, [header, ...repeated].join("\n"));
  await page.setInputFiles("#data-file", `${folder}/large.tsv`);
  await expectStop(page, "Reading", "The running operation ends on its own");
  await page.setInputFiles("#data-file", [`${folder}/log.csv`, `${folder}/own.tsv`]);
  await waitForElement(page, ".drop .error", "Expected one tab-separated log");
  await dropOn(page, `${folder}/log.csv`);
  await waitForElement(page, ".drop code", "deno task -q data log --source log.csv --user user --time time");
  await expectFine(page, "the command for a log");

  const expectSame = async (name: string, give: readonly (() => Promise<void>)[]) => {
    const prepared = await openPreparedSet(`${folder}/${name}`);
    const { features, pageOrder } = prepared.manifest;
    const data = { source: await readPreparedLog(prepared), features, pageOrder };
    const expected = (await denoLosses(data, [7], 4)).shannon;
    for (const files of give) {
      await files();
      await train();
      await waitUntil(page, `lab.measurements.get("training")?.iteration === 4`);
      expectNear(`losses on own data, ${name}`, (await keptIn(page)).losses, expected);
    }
    await waitUntil(page, IDLE); // a click during the final test may be lost
    await saveBy(page, "Save current state", `${folder}/last.safetensors`);
    const { info } = decodeSnapshot(Deno.readFileSync(`${folder}/last.safetensors`), "last");
    assert.ok(info?.features);
    assert.equal(describeDifference(info.features, prepared.manifest.features), undefined);
  };
  await expectSame("set", [
    () => page.setInputFiles("#data-file", set),
    async () => {
      await dropOn(page, `${folder}/set`);
      await waitForElement(page, ".file-name", "does not let this page read folders");
      await page.setInputFiles("#data-file", set);
    },
  ]);
  await expectSame("set-items", [() => page.setInputFiles("#data-file", listFiles("set-items"))]);
}

/** Asserts that training on a user's log can stop, survives a device loss, and saves and loads a snapshot. */
async function checkOwnLog(page: Page): Promise<void> {
  await page.click("nav >> text=Train");
  await page.selectOption("#data", "own");
  await page.setInputFiles("#data-file", `${folder}/own.tsv`);
  await setOptions(page, { iterations: "4", validateEvery: "2" });
  await pressTrain(page);
  await waitUntil(page, `lab.measurements.get("training")?.iteration === 4`);
  // Also wait for the test users, because a request after the loss of the device would open it again.
  await waitUntil(page, IDLE);
  await page.evaluate(`lab.call("adapter", "lose")`);
  await page.locator(".device.lost").waitFor();
  await expectNoFaults(page, "after the GPU was lost");
  await setOptions(page, { iterations: "6" });
  await clickButton(page, "Resume");
  await waitUntil(page, `lab.measurements.get("training").iteration === 6`);
  assert.equal((await keptIn(page)).losses.length, 6);
  await saveBy(page, "Save best loss", `${folder}/best-loss.safetensors`);
  await page.setInputFiles("#snapshot-file", `${folder}/best-loss.safetensors`);
  await waitForText(page, "Loaded best-loss.safetensors: best-loss, ");
}

async function checkHidden(page: Page): Promise<void> {
  await page.evaluate(`(() => {
    const [now, hide] = [performance.now.bind(performance), (hidden) => {
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }];
    hide(true);
    performance.now = () => now() + 30_000;
    hide(false);
    performance.now = now;
    delete document.hidden;
  })()`);
  await waitForText(page, "This tab was hidden for 30 s. Browsers slow hidden tabs down");
}

async function checkWithout(): Promise<void> {
  const browser = await openChromium(executablePath, "none");
  try {
    await withLab(browser, folder, async (page) => {
      await waitForText(page, "/Expected a WebGPU adapter, found none.*chrome:\\/\\/gpu/");
      assert.ok(await page.getByRole("button", { name: "Train", exact: true }).isDisabled());
      await expectNoFaults(page, "without WebGPU");
    });
  } finally {
    await browser.close();
  }
}

const SCREENS = ["train", "step", "ladders", "course", "exercise", "scratchpad", "selftest", "user", "save"];
const STOPS = 80;

/** Asserts that the screen is correct during a training, and that a phone scrolls to the progress. */
async function checkUnderWay(page: Page): Promise<void> {
  await openScreen(page, "train");
  await setOptions(page, { iterations: "100000", batchSize: "5", validateEvery: "1000", patience: "100000" });
  await page.setViewportSize({ width: 390, height: 800 });
  const train = page.locator("#screen-train");
  await clickButton(train, "Train");
  await train.locator(".numbers dd", { hasText: /^[1-9].* of 100,000$/ }).first().waitFor();
  assert.ok(!await train.locator("#option-seed").isVisible(), "the form is folded on a phone");
  await page.setViewportSize({ width: 1280, height: 900 });
  await train.locator("summary", { hasText: "Options" }).first().click();
  await train.locator(".curve").first().waitFor({ state: "attached" });
  const headings = await page.locator("main .group:visible").allInnerTexts();
  assert.ok(headings.every((heading) => !heading.startsWith("Adversarial")), "a heading without options");
  await expectFine(page, "while a model trains");
  await clickButton(train, "Stop");
  await page.locator("text=/^Stopped after [\\d,]+ of 100,000 iterations. Press Resume to continue.$/")
    .waitFor();
}

/** Asserts that the tab key reaches all controls of a screen, and that the focus is visible and outlined. */
async function checkKeyboard(page: Page): Promise<void> {
  for (const screen of SCREENS) {
    await openScreen(page, screen);
    await page.locator(`#screen-${screen}`).waitFor();
    const stops = new Set<string>();
    for (let stop = 0; stop < STOPS; stop++) {
      await page.keyboard.press("Tab");
      const [at = "", fault] = await page.evaluate<string[]>(`(() => {
        const element = document.activeElement;
        if (element === document.body) return [];
        const { outlineStyle, outlineWidth } = getComputedStyle(element);
        const { top, bottom } = element.getBoundingClientRect();
        const seen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 && bottom > 0 && top < innerHeight;
        const where = [...document.querySelectorAll("*")].indexOf(element);
        const name = element.tagName + " " + element.textContent.slice(0, 40);
        return seen ? [where + name] : [where + name, name];
      })()`);
      assert.equal(fault, undefined, `${screen}: the focus is invisible`);
      if (at !== "" && stops.has(at)) break;
      if (at !== "") stops.add(at);
    }
    assert.ok(stops.size > SCREENS.length, `${screen}: the tab key stops at ${[...stops].join(", ")}`);
  }
}

const LESS = {
  maxStorageBufferBindingSize: 32 * 2 ** 20,
  maxComputeWorkgroupStorageSize: 8192,
  maxComputeInvocationsPerWorkgroup: 128,
};
const PRESSED = {
  step: "Measure a step",
  ladders: "Run all ladders",
  exercise: "Check",
  selftest: "Run the self-test",
};

const SMALLER = `{
  const request = GPU.prototype.requestAdapter;
  const less = ${JSON.stringify(LESS)};
  GPU.prototype.requestAdapter = async function (options) {
    const adapter = await request.call(this, options);
    const limits = new Proxy(adapter.limits, { get: (own, name) => less[name] ?? own[name] });
    return new Proxy(adapter, {
      get: (own, name) => {
        if (name === "limits") return limits;
        return typeof own[name] === "function" ? own[name].bind(own) : own[name];
      },
    });
  };
}
`;

/** Script that runs before the scripts of the page and of its worker, and lowers the adapter's limits. */
const SMALLER_ADAPTER = `${SMALLER}
globalThis.Blob = class extends Blob {
  constructor(parts, options) {
    super(options?.type === "text/javascript" ? [${JSON.stringify(SMALLER)}, ...parts] : parts, options);
  }
};`;

/** Asserts that each screen reports the required limits, the smaller adapter's values, and what to do. */
async function checkSmaller(page: Page): Promise<void> {
  const above = page.locator("header + .notice.error");
  await above.waitFor();
  assert.match(await above.innerText(), /maxComputeWorkgroupStorageSize is 8,192, expected at least 16,384/);
  assert.ok(await page.getByRole("button", { name: "Train", exact: true }).isDisabled());
  for (const [screen, button] of Object.entries(PRESSED)) {
    await openScreen(page, screen);
    await clickButton(page.locator(`#screen-${screen}`), button);
    const notice = page.locator(`#screen-${screen} .notice.error`);
    await notice.waitFor();
    assert.match(await notice.innerText(), /^This function needs a GPU\./);
    if (screen === "step") await expectFine(page, `${screen}, with smaller limits`);
  }
}

const browser = await openChromium(executablePath, "software");
try {
  await withLab(browser, folder, async (page) => {
    await page.locator(".device.open").waitFor();
    const expected = await checkDemo(page);
    await checkUser(page);
    await checkAdversarial(page, expected);
    await checkSelftest(page);
    await checkOwnData(page);
    await checkOwnLog(page);
    await checkStep(page);
    await checkLadder(page);
    await checkExercises(page);
    await checkCourse(page);
    await checkScratchpad(page);
    await checkSaved(page, folder);
    await checkHidden(page);
    await expectNoFaults(page, "after the tab was hidden");
    await checkUnderWay(page);
    await checkKeyboard(page);
  });
  await withLab(browser, folder, checkSmaller, SMALLER_ADAPTER);
} finally {
  await browser.close();
}
await checkWithout();
