import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { readBench } from "../../bench/study.ts";
import { compare } from "../../bench/tables.ts";
import { exercises } from "../../src/exercise/exercises.ts";
import { warmUp } from "../../src/exercise/puzzles.ts";
import { fillStarter } from "../../src/exercise/answers.ts";
import {
  clickButton,
  expectFine,
  HASTY,
  openScreen,
  PATIENT,
  saveBy,
  waitForElement,
  waitUntil,
} from "./lab_window.ts";

export async function checkStep(page: Page): Promise<void> {
  await page.evaluate(HASTY);
  const panel = page.locator(".kernel");
  const expectFile = async (kernel: string) => {
    await openScreen(page, `step/${kernel}`);
    await waitForElement(panel, "pre.wgsl", `// ${kernel}.wgsl`);
  };
  await expectFile("lstm_forward_1_naive");
  assert.equal(await page.locator("table.timeline").count(), 0, "nothing is measured");
  await expectFine(page, "A kernel's file");
  await page.click("nav >> text=Look inside a step");
  await page.locator("#step-workload option").first().waitFor({ state: "attached" });
  await page.selectOption("#step-workload", "trained");
  await clickButton(page, "Measure a step");
  await page.locator("table.timeline").waitFor();
  const labels = await page.locator("table.timeline button").allInnerTexts();
  const some = [
    "batch expand",
    "encoder/lstm/state forward",
    "utility/layer1/state_part gradient of weights",
    "adam",
  ];
  assert.deepEqual(
    some.filter((part) => !labels.includes(part)),
    [],
    "labels that are missing in the timeline",
  );
  assert.equal(await page.locator(".strip rect").count(), labels.length);
  const times = await page.locator("table.timeline td:nth-of-type(2)").allInnerTexts();
  assert.ok(times.every((time) => Number(time) > 0), times.join(" "));
  await page.getByRole("button", { name: "encoder/lstm/state forward" }).focus();
  await page.keyboard.press("Enter");
  await clickButton(panel, "Back to the dispatches");
  assert.equal(await page.evaluate("document.activeElement.textContent"), "encoder/lstm/state forward");
  await page.keyboard.press("Enter");
  assert.equal(await panel.locator("h3").innerText(), "encoder/lstm/state forward");
  assert.ok(await panel.locator("mark").count() > 0, "specialised lines stand out");
  // Work split: an invocation processes the events of its users, of which it may have several.
  const [, users = "1"] = /const USERS = (\d+)u/.exec(await panel.locator("pre.wgsl").innerText()) ?? [];
  await panel.locator("[data-owner=group]").fill("0");
  await panel.locator("[data-owner=invocation]").fill("3");
  const userOf = panel.locator(".owned tr", { hasText: "user = " }).locator("td").first();
  assert.equal(await userOf.innerText(), String(3 * Number(users)));
  await panel.locator("[data-owner=invocation]").fill("999");
  assert.ok(Number(await panel.locator("[data-owner=invocation]").inputValue()) < 999, "it is clamped");
  await waitForElement(panel, "a", "3. LSTM");
  await page.locator(".strip rect").last().click();
  assert.equal(await panel.locator("h3").innerText(), "adam");
  await panel.locator("summary", { hasText: "Machine code" }).click();
  await waitForElement(panel, "details.machine", "buffer_load");
  await expectFile("outcome_sum_subgroups");
  assert.equal(await page.locator("table.timeline [aria-current]").count(), 0);
  await openScreen(page, "step/made_up");
  await waitForElement(page, "header + .notice", "got made_up.");
  await openScreen(page, "step/choice_nll");
  await panel.locator(".path", { hasText: "choice_nll.wgsl" }).first().waitFor();
  await clickButton(page, "adam");
  assert.equal(await page.evaluate("location.hash"), "#step/adam");
  await expectFine(page, "Look inside a step");
}

/** Records each value of the Ladders screen's progress bar, and the text beside the bar. */
const RECORD_PROGRESS = `globalThis.progressOfLadder = [];
new MutationObserver(() => {
  const bar = document.querySelector("#screen-ladders .notice progress");
  if (bar) progressOfLadder.push([bar.value, bar.parentElement.textContent]);
}).observe(document.querySelector("#screen-ladders"), { childList: true, subtree: true })`;

export async function checkLadder(page: Page): Promise<void> {
  await openScreen(page, "ladders/nosuch");
  await waitForElement(page, "header + .notice", "got nosuch.");
  await openScreen(page, "course/12-cpu-driver");
  await waitUntil(page, `document.querySelectorAll('#screen-course a[href^="#ladders/"]').length === 1`);
  await openScreen(page, "course/1-softmax");
  await page.locator("#screen-course").getByRole("link", { name: "The softmax ladder" }).click();
  const rung = page.locator(".rung", { hasText: "choice softmax" });
  await rung.locator("h3:focus").waitFor();
  const isSeen = (selector: string) =>
    page.evaluate<boolean>(`[...document.querySelectorAll('${selector}')].some((one) => {
      const { left, top } = one.getBoundingClientRect();
      return document.elementFromPoint(left + 5, top + 5) === one;
    })`);
  const kernels = rung.locator('a[href^="#step/choice_nll"]');
  assert.equal(await kernels.count(), 4, "a link per step");
  await page.evaluate(RECORD_PROGRESS);
  await rung.getByRole("button").click();
  assert.ok(await page.getByRole("button", { name: "Run all ladders" }).isDisabled(), "one run at once");
  await page.locator("#screen-ladders .notice", { hasText: "choice: " }).waitFor();
  for (const seen of [".sticky button:enabled", ".sticky .notice", "#ladder-choice"]) {
    assert.ok(await isSeen(seen), `${seen} is hidden while a ladder runs`);
  }
  await rung.locator("table.ladder").waitFor();
  const shown = await page.evaluate<[share: number, text: string][]>("progressOfLadder");
  const [share, text] = shown.at(-1) ?? assert.fail("no progress");
  assert.ok(share > 0.5 && share < 1, `the last share is ${share}`);
  assert.match(text, new RegExp(`timing, .*\\(${Math.floor(100 * share)} %, about \\w+ left\\)`));
  assert.equal(await page.locator("#screen-ladders progress").count(), 0, "the measurement has ended");
  assert.equal(await rung.locator("tbody tr").count(), 4);
  assert.equal(await kernels.count(), 8, "also in the table");
  assert.match(await rung.innerText(), /The fastest steps? here[^]*llvmpipe[^]*correct at 4 sizes/);
  await page.evaluate(PATIENT);
  await expectFine(page, "Ladders");
}

/** Asserts that correct answers pass, wrong answers and compile errors are reported, and code is saved. */
export async function checkExercises(page: Page): Promise<void> {
  const softmax = exercises.find(({ name }) => name === "softmax") ?? assert.fail();
  await openScreen(page, "exercise=softmax");
  const screen = page.locator("#screen-exercise");
  const text = screen.getByRole("textbox", { name: "The kernel" });
  const said = (words: string | RegExp) => waitForElement(screen, ".notice", words);
  const check = () => clickButton(screen, "Check");
  await text.waitFor();
  assert.equal(await text.inputValue(), softmax.starter);

  const shipped = screen.getByLabel("Show a solution");
  await shipped.check();
  assert.ok(!await text.isEditable());
  await page.evaluate(HASTY);
  await clickButton(screen, "Check and time");
  assert.ok(await screen.getByRole("button", { name: "Check", exact: true }).isDisabled(), "one run at once");
  await said("The solution is correct.");
  const rows = await screen.locator("table.ladder tbody tr").allInnerTexts();
  assert.equal(rows.length, 3, "the naive, the shipped and the own kernel");
  assert.match(rows.at(-1) ?? "", /yours[^]*reads \d+(\.\d+)?, read sectors \d/);
  await page.evaluate(PATIENT);
  await shipped.uncheck();

  const right = fillStarter(softmax);
  await text.fill(right.replace("var sum = exp(-most);", "var sum = 0.0;"));
  await check();
  await said(/gives wrong results at size 13 x 3: outcome \[\d+, 0\] of \[13, 4\].*expected .*, got /);
  const lines = right.split("\n");
  const broken = lines.findIndex((line) => line.includes("var most = 0.0;")) + 1;
  await text.fill(right.replace("var most = 0.0;", "var most = mosst;"));
  await check();
  await said("Your kernel does not compile.");
  const fault = screen.locator(".faults li").first();
  assert.match(await fault.innerText(), new RegExp(`^Line ${broken} .*mosst`));
  assert.deepEqual(await screen.locator(".fault").allTextContents(), [
    `${lines[broken - 1]?.replace("0.0", "mosst")}\n`,
  ]);
  await expectFine(page, "Exercises");
  await fault.getByRole("button").click();
  await page.keyboard.type("3 + ");
  assert.ok(
    (await text.inputValue()).includes("3 + mosst"),
    "the cursor stands where the compiler points to",
  );

  await text.fill(right);
  await screen.locator("#exercise-name").selectOption("adam");
  assert.equal(await page.evaluate("location.hash"), "#exercise=adam");
  await waitForElement(screen, ".about", "7. Adam");
  await openScreen(page, "exercise=softmax");
  await waitForElement(screen, ".about", "1. Softmax");
  assert.equal(await text.inputValue(), right, "it is kept");
  await clickButton(screen, "Reset");
  assert.equal(await text.inputValue(), softmax.starter);
  await page.keyboard.press("Control+z");
  assert.equal(await text.inputValue(), right, "a reset can be undone");
  await clickButton(screen, "Reset");
  await clickButton(screen, "Check");
  await said(/gives wrong results at size 1 x 1: /);
  await openScreen(page, "exercise=stairs");
  await waitForElement(
    page,
    "header + .notice",
    "Expected the name of an exercise, such as map, got stairs.",
  );
  await screen.locator("div > .notice").waitFor({ state: "hidden" });
}

/** Asserts that warm-up puzzles can be solved in order, and that chapters and exercises have links. */
export async function checkCourse(page: Page): Promise<void> {
  await openScreen(page, "course/0-first-kernels");
  const screen = page.locator("#screen-exercise");
  await page.locator("#screen-course").getByRole("link", { name: "map", exact: true }).click();
  const text = screen.getByRole("textbox", { name: "The kernel" });
  for (const [k, puzzle] of warmUp.entries()) {
    await waitForElement(screen, ".about", puzzle.ladder.title);
    assert.equal(await text.inputValue(), puzzle.starter);
    await text.fill(fillStarter(puzzle));
    await clickButton(screen, "Check");
    await waitForElement(screen, ".notice", "Your kernel is correct.");
    const hasCaveat = await screen.locator(".answered .note").isVisible();
    assert.equal(hasCaveat, puzzle.starter.includes("workgroupBarrier"), "the driver hides missing barriers");
    const next = screen.getByRole("link", { name: `${exercises[k + 1]?.name}: ` });
    await next.click();
  }
  await waitForElement(screen, ".about", "choice softmax");
  await screen.locator(".about a").first().click();
  await page.locator("#screen-course h3", { hasText: "1. Softmax" }).waitFor();
  await expectFine(page, "Course");
  await page.getByRole("link", { name: "glossary" }).click();
  await waitForElement(page, "#screen-course td", "CUDA calls it a warp");
  await openScreen(page, "exercise=softmax");
  await screen.getByRole("link", { name: "the exercises" }).click();
  await waitForElement(page, "#screen-course li", "builtins");
  for (const about of ["step", "ladders", "scratchpad", "selftest"]) {
    await openScreen(page, about);
    await page.locator(`#screen-${about} > .about a`).click();
    await page.locator("#screen-course h3").first().waitFor();
  }
  await openScreen(page, "course/99-none");
  await waitForElement(
    page,
    "header + .notice",
    "Expected the name of a chapter, such as 1-softmax, got 99-none.",
  );
  for (const address of ["shop", "exercise?map"]) {
    await openScreen(page, address);
    await waitForElement(page, "header + .notice", `got #${address}.`);
  }
  await openScreen(page, "course");
  await page.locator("header + .notice").waitFor({ state: "hidden" });
}

/** Asserts that a kernel runs on a user's numbers, errors are reported, and a link restores this input. */
export async function checkScratchpad(page: Page): Promise<void> {
  await openScreen(page, "scratchpad");
  const screen = page.locator("#screen-scratchpad");
  const text = screen.getByRole("textbox", { name: "Your kernel" });
  const run = () => clickButton(screen, "Run");
  const values = async (name: string) => {
    const shown = await screen.getByRole("region", { name: `Values of ${name}`, exact: true }).innerText();
    return shown.replaceAll(/\[ *\d+\]/g, "").trim().split(/\s+/).map(Number);
  };
  await screen.getByLabel("Length of y").waitFor();
  await run();
  await waitForElement(
    screen,
    ".notice",
    /^A dispatch takes .* us.*\s2 x 1 workgroups of 64 x 1 invocations/,
  );
  assert.deepEqual(await values("y"), Array.from({ length: 100 }, (_, k) => k * k));
  const own = `@group(0) @binding(0) var<storage, read> x: array<i32>;
@group(0) @binding(1) var<storage, read_write> sum: array<i32>;
@group(0) @binding(2) var<uniform> step: vec4u;
@compute @workgroup_size(4, 2)
fn sums(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < step.x && id.y < step.y) { sum[id.y * step.x + id.x] = x[id.x] - 10 * x[id.y]; }
}`;
  await text.fill(own);
  await screen.getByLabel("Length of sum").fill("10");
  await screen.getByLabel("x (numbers)", { exact: true }).fill("1 2..4, 0x5");
  await screen.getByLabel("Invocations").fill("5 x 2");
  await run();
  await waitForElement(screen, ".answered h3", "sum");
  assert.equal(await screen.locator(".notice.note").count(), 0, "the arrays are long enough");
  assert.deepEqual(await values("sum"), [-9, -8, -7, -6, -5, -19, -18, -17, -16, -15]);
  await expectFine(page, "Scratchpad");
  await page.waitForURL(/#scratchpad=./);
  const address = await page.evaluate<string>("location.hash");
  await page.click("nav >> text=Course");
  await page.click("nav >> text=Scratchpad");
  await run();
  await waitUntil(page, `location.hash === "${address}"`);
  assert.equal(await text.inputValue(), own, "the kernel stays on the screen and in the address");
  await text.fill(own.replace("x[id.y];", "z[id.y];"));
  await run();
  await waitForElement(screen, ".faults li", /^Line 6 .*z/);
  await screen.getByLabel("x (numbers)", { exact: true }).fill("1 2.5");
  await run();
  await waitForElement(screen, ".notice", 'x: expected i32 numbers such as 5, 0..99 or 100*0, got "2.5".');
  await waitUntil(page, `location.hash !== "${address}"`);
  await openScreen(page, address.slice(1));
  await waitUntil(
    page,
    `document.querySelector("#screen-scratchpad textarea").value === ${JSON.stringify(own)}`,
  );
  assert.equal(await screen.getByLabel("x (numbers)", { exact: true }).inputValue(), "1 2..4, 0x5");
  assert.equal(await screen.getByLabel("Invocations").inputValue(), "5 x 2");
  await screen.getByLabel("x (numbers)", { exact: true }).fill("1 2 3");
  await run();
  await waitForElement(screen, ".notice.note", /^x has 3 numbers, but the kernel accesses 5: /);
  await openScreen(page, "scratchpad=damaged");
  await waitForElement(screen, ".notice.error", "This address of the scratchpad is incomplete");
}

export async function checkSaved(page: Page, folder: string): Promise<void> {
  await page.click("nav >> text=Save");
  await page.fill("#save-name", "a software adapter");
  const saved = await saveBy(page, "Save as JSON", `${folder}/measured.json`);
  assert.match(saved, /^clickgan-a-software-adapter-\d{4}-\d\d-\d\d\.json$/);
  const report = await readBench(`${folder}/measured.json`);
  assert.deepEqual([report.adapter.kind, report.adapter.description], ["cpu", "a software adapter"]);
  assert.deepEqual(report.steps.map(({ model }) => model), ["own model"]);
  assert.deepEqual(report.ladders?.map(({ ladder, steps }) => [ladder, steps.length]), [["choice", 4]]);
  assert.ok((report.training?.iteration ?? 0) > 0);
  assert.ok(compare(report, report).every(({ verdict }) => verdict === "noise"));
  await expectFine(page, "Save");
}
