/**
 * The lab's page in Chromium, used by clicks: `deno run ... in_chromium.ts trial TRIAL` trains, and prints a trial;
 * `in_chromium.ts survey SURVEY` goes through the screens. Both take JSON and print it.
 */

import type { Locator, Page } from "playwright-core";
import { runMain } from "../../src/cli/fail.ts";
import { withLab } from "./browser.ts";
import { type Faults, report, type Survey, surveyAll, type SurveyPart, tell } from "./survey.ts";
import type { AskedTrial, Trial } from "./trial.ts";

const [what = "", asked = ""] = Deno.args;
const survey: Survey = JSON.parse(asked);

/** A training, begun and ended by clicks. */
async function tried({ chromium: executablePath, software, folder, seconds }: AskedTrial): Promise<Trial> {
  const before = await Deno.readTextFile(`${folder}/page.js`);
  return await withLab({ executablePath, software, folder, before }, async (page, browser) => {
    const found = await page.evaluate<Trial>(`(async () => {
      const { recorder, frames } = benchLab;
      const button = (name) => [...document.querySelectorAll("button")].find(({ textContent }) => textContent === name);
      await recorder.begin(${seconds}, () => button("Stop").click());
      button("Train").click();
      const recorded = await recorder.recorded();
      const trained = frames.slice();
      // Whatever the page does after a training comes first: the waits are of a device that does nothing else.
      while (button("Train").disabled) await new Promise((done) => setTimeout(done, 50));
      return { ...recorded, frames: trained, waits: await recorder.waits() };
    })()`);
    return { ...found, runtime: `Chromium ${browser.version()}` };
  });
}

/** How often it is looked how far the page is. */
const LOOK_MS = 500;

const titles: Readonly<Record<SurveyPart | "save", string>> = {
  training: "Train",
  step: "Look inside a step",
  ladders: "Ladders",
  selftest: "Self-test",
  save: "Save",
};

/** A screen that is shown. */
async function shown(page: Page, name: SurveyPart | "save"): Promise<Locator> {
  await page.locator("nav a", { hasText: titles[name] }).click();
  return page.locator(`#screen-${name === "training" ? "train" : name}`);
}

/** Waits until a button can be pressed again, and tells meanwhile what the screen says. @returns the error that it shows */
async function finished(page: Page, part: SurveyPart, screen: Locator, press: Locator): Promise<string[]> {
  let said = "";
  for (;;) {
    const text = await textOf(screen.locator('[role="status"]:visible'));
    if (text !== "" && text !== said) tell(part, said = text);
    if (await press.isEnabled()) break;
    await page.waitForTimeout(LOOK_MS);
  }
  const error = await textOf(screen.locator(".notice.error:visible"));
  return error === "" ? [] : [error];
}

async function textOf(lines: Locator): Promise<string> {
  return (await lines.allInnerTexts()).join(" ").trim();
}

async function training(page: Page): Promise<string[]> {
  const screen = await shown(page, "training");
  const named = (name: string) => screen.getByRole("button", { name, exact: true });
  await named("Train").click();
  const steps = screen.locator(".numbers dd", { hasText: /^[1-9]/ }).first();
  const error = screen.locator(".notice.error:visible");
  await steps.or(error).first().waitFor({ timeout: 0 });
  await page.waitForTimeout(1000 * survey.seconds);
  if (await named("Stop").isEnabled()) await named("Stop").click();
  return await finished(page, "training", screen, named("Train"));
}

async function step(page: Page): Promise<string[]> {
  const screen = await shown(page, "step");
  await page.locator("#step-workload option").first().waitFor({ state: "attached" });
  await page.selectOption("#step-workload", "demo");
  const measure = screen.getByRole("button", { name: "Measure a step" });
  await measure.click();
  return await finished(page, "step", screen, measure);
}

async function ladders(page: Page): Promise<string[]> {
  const screen = await shown(page, "ladders");
  await screen.locator(".rung").first().waitFor();
  const wrong: string[] = [];
  for (const rung of await screen.locator(".rung").all()) {
    const title = await rung.locator("h3").getAttribute("id") ?? "";
    const name = title.replace("ladder-", "");
    if (!(survey.ladders?.includes(name) ?? true)) continue;
    const climb = rung.getByRole("button");
    await climb.click();
    const errors = await finished(page, "ladders", screen, climb);
    wrong.push(...errors.map((error) => `${name}: ${error}`));
    if (errors.length === 0) report("ladders", `${name}: ${await textOf(rung.locator(".outcome"))}`);
  }
  return wrong;
}

async function selftest(page: Page): Promise<string[]> {
  const screen = await shown(page, "selftest");
  const kinds = { cpu: "for CPU adapters", gpu: "for GPUs", both: "both" };
  await page.selectOption("#selftest-kinds", kinds[survey.shapes]);
  const run = screen.getByRole("button", { name: "Run the self-test" });
  await run.click();
  const errors = await finished(page, "selftest", screen, run);
  report("selftest", await textOf(screen.locator(".standing")));
  return [...errors, ...await screen.locator(".faults > li").allInnerTexts()];
}

async function save(page: Page): Promise<void> {
  const screen = await shown(page, "save");
  await page.fill("#save-name", survey.name);
  const download = page.waitForEvent("download");
  await screen.getByRole("button", { name: "Save as JSON" }).click();
  await (await download).saveAs(survey.file);
}

/** Goes through the screens by clicks, and saves what they measured by the screen Save. @returns what went wrong, by part */
async function surveyed(): Promise<Faults> {
  const { chromium: executablePath, software, folder } = survey;
  return await withLab({ executablePath, software, folder }, async (page) => {
    const found = await surveyAll(survey, {
      training: () => training(page),
      step: () => step(page),
      ladders: () => ladders(page),
      selftest: () => selftest(page),
    });
    await save(page);
    return found;
  });
}

await runMain(async () => {
  console.log(JSON.stringify(what === "trial" ? await tried(JSON.parse(asked)) : await surveyed()));
});
