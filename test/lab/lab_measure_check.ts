/** The lab's screens that measure, in a browser: the step of a model that was trained, a ladder, and the file of both. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { readBench } from "../../bench/output.ts";
import { compare } from "../../bench/compare.ts";

/** What each screen is looked at by, when it shows something. */
export interface Look {
  /** No finding of axe, and nothing wider than a phone. */
  fine(page: Page, what: string): Promise<void>;
  picture(page: Page, name: string): Promise<void>;
  /** Whether every screen is looked at, also where one tells nearly as much: as pictures are taken. */
  readonly all: boolean;
}

/** Has the page measure for a hundredth of the time, and race a ladder in two rounds: what it shows is the same. */
const HASTY = `globalThis.answer = lab.call;
lab.call = (service, method, request, options) => {
  const { seconds = 0, rounds = 0 } = request ?? {};
  const less = { ...(seconds > 0 && { seconds: seconds / 100 }), ...(rounds > 0 && { rounds: 2 }) };
  return answer(service, method, seconds + rounds > 0 ? { ...request, ...less } : request, options);
};`;

/** Measures a step of the model that the screen Train has, and opens a dispatch by the keyboard. */
export async function checkStep(page: Page, { fine, picture }: Look): Promise<void> {
  await page.evaluate(HASTY);
  await page.click("nav >> text=Look inside a step");
  await page.locator("#step-workload option").first().waitFor({ state: "attached" });
  await page.selectOption("#step-workload", "trained");
  await page.getByRole("button", { name: "Measure a step" }).click();
  await page.locator("table.timeline").waitFor();
  const labels = await page.locator("table.timeline button").allInnerTexts();
  for (
    const part of [
      "batch expand",
      "encoder/lstm/state forward",
      "utility/layer1/state_part gradient of weights",
      "adam",
    ]
  ) {
    assert.ok(labels.includes(part), `${part} is in the timeline`);
  }
  const bars = await page.locator(".strip rect").count();
  assert.equal(bars, labels.length);
  const times = await page.locator("table.timeline td:nth-of-type(2)").allInnerTexts();
  assert.ok(times.every((time) => Number(time) > 0), times.join(" "));
  await page.getByRole("button", { name: "encoder/lstm/state forward" }).focus();
  await page.keyboard.press("Enter");
  const panel = page.locator(".kernel");
  await panel.getByRole("button", { name: "Back to the dispatches" }).click();
  assert.equal(await page.evaluate("document.activeElement.textContent"), "encoder/lstm/state forward");
  await page.keyboard.press("Enter");
  assert.equal(await panel.locator("h3").innerText(), "encoder/lstm/state forward");
  assert.match(await panel.locator("pre.wgsl").innerText(), /@compute @workgroup_size\(WORKGROUP\)/);
  assert.ok(await panel.locator("mark").count() > 0, "specialised lines stand out");
  const text = await panel.innerText();
  for (
    const part of ["The tape's node lstm, forward", "workgroups of", "The derivation: 3. LSTM", "float64"]
  ) {
    assert.ok(text.includes(part), `${part} is in the panel`);
  }
  // Who owns what: an invocation of the kernel walks along the events of its users, of which it may have several.
  const [, users = "1"] = /const USERS = (\d+)u/.exec(await panel.locator("pre.wgsl").innerText()) ?? [];
  await panel.locator("[data-owner=group]").fill("0");
  await panel.locator("[data-owner=invocation]").fill("3");
  const userOf = panel.locator(".owned tr", { hasText: "user = " }).locator("td").first();
  assert.equal(await userOf.innerText(), String(3 * Number(users)));
  await panel.locator("summary", { hasText: "The derivation" }).click();
  assert.match(await panel.locator(".prose").innerText(), /sigmoid/);
  await page.locator(".strip rect").last().click();
  assert.equal(await panel.locator("h3").innerText(), "adam");
  // An address leads to a kernel, and an opened one has it.
  await page.evaluate(`location.hash = "step/choice_nll"`);
  await panel.locator(".path", { hasText: "choice_nll.wgsl" }).first().waitFor();
  const asked = await panel.locator("tr", { hasText: "event" }).filter({ hasText: "not readable" }).count();
  assert.ok(asked > 0, "what follows from data is not readable");
  await page.getByRole("button", { name: "adam", exact: true }).click();
  assert.equal(await page.evaluate("location.hash"), "#step/adam");
  assert.match(
    await panel.locator("tr", { hasText: "all buffers" }).innerText(),
    /^all buffers and textures\s+\d/,
  );
  await fine(page, "Look inside a step");
  await picture(page, "step");
}

/** Climbs the shortest ladder. */
export async function checkLadder(page: Page, { fine, picture }: Look): Promise<void> {
  await page.click("nav >> text=Ladders");
  const rung = page.locator(".rung", { hasText: "choice softmax" });
  await rung.getByRole("button").click();
  await rung.locator("table.ladder").waitFor();
  assert.equal(await rung.locator("tbody tr").count(), 4);
  assert.match(await rung.innerText(), /The fastest steps? here[^]*llvmpipe[^]*right at 4 sizes/);
  await page.evaluate("lab.call = answer");
  await fine(page, "Ladders");
  await picture(page, "ladders");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.evaluate(
    `document.querySelectorAll("table.ladder tbody tr").forEach((row) => row.classList.add("turned"))`,
  );
  await fine(page, "Ladders that turned, by night");
  await page.emulateMedia({ colorScheme: "light" });
}

/** Saves both; the bench reads the file. */
export async function checkSaved(page: Page, folder: string, { fine, picture }: Look): Promise<void> {
  await page.click("nav >> text=Save");
  await page.fill("#save-name", "a software adapter");
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save as JSON" }).click();
  const saved = await download;
  assert.match(saved.suggestedFilename(), /^clickgan-a-software-adapter-\d{4}-\d\d-\d\d\.json$/);
  await saved.saveAs(`${folder}/measured.json`);
  const report = await readBench(`${folder}/measured.json`);
  assert.deepEqual([report.adapter.kind, report.adapter.description], ["cpu", "a software adapter"]);
  assert.deepEqual(report.steps.map(({ model }) => model), ["own model"]);
  assert.deepEqual(report.ladders?.map(({ ladder, steps }) => [ladder, steps.length]), [["choice", 4]]);
  assert.ok((report.training?.iteration ?? 0) > 0);
  assert.ok(compare(report, report).every(({ verdict }) => verdict === "noise"));
  await fine(page, "Save");
  await picture(page, "save");
}
