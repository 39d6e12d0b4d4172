/** `deno task test:special gallery` takes new screenshots for src/lab/gallery.md, in Chromium in software. */

import type { Page } from "playwright-core";
import { runMain } from "../../src/cli/run_main.ts";
import { buildLab } from "../../src/lab/build.ts";
import { UserError } from "../../src/user_error.ts";
import { findChromium, openChromium } from "../chromium.ts";
import { withFolder } from "../prepared_folder.ts";
import { clickButton, openScreen, setOptions, withLab } from "./lab_window.ts";

const FOLDER = new URL("../../src/lab/gallery/", import.meta.url);
const WIDTH = 1280;
const PATIENCE = { timeout: 240_000 };
/** Model that a software adapter trains in half a minute to a useful result. */
const MODEL = { lstmUnits: "8", dims: "16-16", batchSize: "20", learningRate: "0.01", iterations: "400" };

interface View {
  readonly from?: string;
  readonly height: number;
}

async function main(): Promise<void> {
  const executablePath = await findChromium();
  if (typeof executablePath !== "string") throw new UserError(`Expected Chromium: ${executablePath.missing}`);
  const { html } = await buildLab();
  await withFolder({ "index.html": html }, async (folder) => {
    const browser = await openChromium(executablePath, "software");
    try {
      await withLab(browser, folder, pictures);
    } finally {
      await browser.close();
    }
  });
}

async function pictures(page: Page): Promise<void> {
  const take = async (name: string, view: View) => {
    const picture = await takePicture(page, view);
    await Deno.writeFile(new URL(`${name}.webp`, FOLDER), picture);
    console.log(`${name}.webp: ${Math.round(picture.length / 1000)} KB`);
  };
  await page.locator("#option-iterations").waitFor(PATIENCE);
  await setOptions(page, MODEL);
  await clickButton(page, "Train");
  await page.locator(".tested table").waitFor(PATIENCE);
  await take("train", { height: 1100 });

  await openScreen(page, "step");
  await page.locator('#step-workload option[value="trained"]').waitFor({ state: "attached", ...PATIENCE });
  await page.selectOption("#step-workload", "trained");
  await clickButton(page, "Measure a step");
  await page.locator("table.timeline").waitFor(PATIENCE);
  await take("step", { height: 900 });
  await page.getByRole("button", { name: "choice forward and gradient" }).click();
  await take("kernel", { from: ".kernel", height: 960 });

  await openScreen(page, "ladders");
  const ladder = page.locator(".rung", { hasText: "choice softmax" });
  await ladder.getByRole("button").click();
  await ladder.locator("table").waitFor(PATIENCE);
  await take("ladders", { height: 1440 });

  await openScreen(page, "course/0-first-kernels");
  await take("course", { height: 760 });

  await openScreen(page, "exercise=softmax");
  const text = page.getByRole("textbox", { name: "The kernel" });
  await text.waitFor(PATIENCE);
  // Without the header, so that the line is visible in the screenshot.
  const own = (await text.inputValue()).replace(/^\/\/(?! grid).*\n/gm, "");
  await text.fill(own.replace("let most = 0.0;", "let most = largest;"));
  await clickButton(page, "Check");
  await page.locator("#screen-exercise .faults").waitFor(PATIENCE);
  await take("exercise", { from: ".answered", height: 800 });

  await openScreen(page, "scratchpad");
  await page.getByLabel("Length of y").waitFor(PATIENCE);
  await clickButton(page, "Run");
  await page.locator(".values").waitFor(PATIENCE);
  await take("scratchpad", { height: 760 });

  await openScreen(page, "selftest");
  await page.selectOption("#selftest-kinds", "both");
  await page.fill("#selftest-only", "page:");
  await clickButton(page, "Run the self-test");
  await page.locator("#screen-selftest >> text=/All kernels match float64/").waitFor(PATIENCE);
  await take("selftest", { height: 800 });

  await openScreen(page, "user");
  for (const item of [3, 5, 1]) {
    await page.locator(".page .item").nth(item).click(PATIENCE);
    await page.waitForTimeout(1000);
  }
  await page.check("#same-page");
  await page.locator(".page .item").nth(2).click();
  await page.locator(".percent small").first().waitFor(PATIENCE);
  await take("user", { height: 1080 });

  await openScreen(page, "save");
  await take("save", { height: 560 });
}

async function takePicture(page: Page, { from, height }: View): Promise<Uint8Array> {
  await page.mouse.move(0, 0);
  await page.evaluate("document.activeElement.blur()");
  const top = from === undefined ? 0 : await page.evaluate<number>(
    `document.querySelector("${from}").getBoundingClientRect().top + scrollY - 8`,
  );
  const clip = { x: 0, y: Math.max(0, top), width: WIDTH, height };
  const png = await page.screenshot({ clip, fullPage: true });
  const webp = await page.evaluate<string>(`(async () => {
    const bytes = Uint8Array.from(atob("${png.toString("base64")}"), (character) => character.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes]));
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/webp", 0.58);
  })()`);
  return Uint8Array.fromBase64(webp.replace(/^[^,]*,/, ""));
}

if (import.meta.main) await runMain(main);
