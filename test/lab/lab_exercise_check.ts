/** The lab's exercises in a browser: what is right passes, what is wrong and what does not compile is told, and texts are kept. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { exercises } from "../../src/selftest/exercise/exercises.ts";
import { filledStarter } from "../exercise_answers.ts";
import type { Look } from "./lab_measure_check.ts";

export async function checkExercises(page: Page, { fine, picture }: Look): Promise<void> {
  const softmax = exercises.find(({ name }) => name === "softmax") ?? assert.fail();
  await page.evaluate(`location.hash = "exercise=softmax"`);
  const screen = page.locator("#screen-exercise");
  const text = screen.getByRole("textbox", { name: "The kernel" });
  const said = (words: string | RegExp) => screen.locator(".notice", { hasText: words }).waitFor();
  const check = () => screen.getByRole("button", { name: "Check", exact: true }).click();
  await text.waitFor();
  assert.equal(await text.inputValue(), softmax.starter);

  const shipped = screen.getByLabel("Show the shipped kernel");
  await shipped.check();
  assert.ok(!await text.isEditable());
  await page.evaluate(HASTY);
  await screen.getByRole("button", { name: "Check and race" }).click();
  await said("It is right.");
  assert.match(
    await screen.locator(".answered").innerText(),
    /Right at 1 x 1; .*all utilities about -200.*2560 x 10/,
  );
  const rows = await screen.locator("table.ladder tbody tr").allInnerTexts();
  assert.equal(rows.length, softmax.ladder.steps.length + 1);
  assert.match(rows.at(-1) ?? "", /yours[^]*reads \d+(\.\d+)?, sectors a read \d/);
  await page.evaluate("lab.call = answer");
  await shipped.uncheck();

  const right = filledStarter(softmax);
  await text.fill(right.replace("var sum = exp(-most);", "var sum = 0.0;"));
  await check();
  await said(/is wrong at 13 x 3: outcome \[\d+, 0\] of \[13, 4\].*expected .*, got /);
  const lines = right.split("\n");
  const broken = lines.findIndex((line) => line.includes("var most = 0.0;")) + 1;
  await text.fill(right.replace("var most = 0.0;", "var most = mosst;"));
  await check();
  await said("It does not compile.");
  const fault = screen.locator(".faults li").first();
  assert.match(await fault.innerText(), new RegExp(`^Line ${broken} .*mosst`));
  assert.deepEqual(await screen.locator(".fault").allTextContents(), [
    `${lines[broken - 1]?.replace("0.0", "mosst")}\n`,
  ]);
  await fine(page, "Exercises");
  await picture(page, "exercise");
  await fault.getByRole("button").click();
  await page.keyboard.type("3 + ");
  assert.ok(
    (await text.inputValue()).includes("3 + mosst"),
    "the cursor stands where the compiler points to",
  );

  await text.fill(right);
  await screen.locator("#exercise-name").selectOption("adam");
  assert.equal(await page.evaluate("location.hash"), "#exercise=adam");
  await screen.locator(".about", { hasText: "7-adam.md" }).waitFor();
  await page.evaluate(`location.hash = "exercise=softmax"`);
  await screen.locator(".about", { hasText: "1-softmax.md" }).waitFor();
  assert.equal(await text.inputValue(), right, "it is kept");
  await screen.getByRole("button", { name: "Reset" }).click();
  assert.equal(await text.inputValue(), softmax.starter);
  await page.keyboard.press("Control+z");
  assert.equal(await text.inputValue(), right, "a reset can be undone");
  await text.press("Control+End");
  await page.keyboard.type("  //\nx");
  assert.ok((await text.inputValue()).endsWith("  //\n  x"), "a line begins where the one before does");
  await screen.getByRole("button", { name: "Reset" }).click();
  await page.evaluate(`location.hash = "exercise=stairs"`);
  await said("There is no exercise stairs.");
}

/** Races in one round. */
const HASTY = `globalThis.answer = lab.call;
lab.call = (service, method, request, options) => answer(service, method, { ...request, rounds: 1 }, options);`;
