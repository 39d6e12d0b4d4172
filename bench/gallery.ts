/**
 * The pictures of src/lab/gallery.md, made anew: `deno task bench gallery`. The lab is opened in Chromium, on its software adapter,
 * and used as a reader would use it.
 */

import type { Command } from "commander";
import type { Page } from "playwright-core";
import { runMain } from "../src/cli/fail.ts";
import { atomicWriteFile, makeFolder } from "../src/files/atomic_write.ts";
import { UserError } from "../src/user_error.ts";
import { withLab } from "./lab/browser.ts";
import { chromiumOr, runScript, writeLab } from "./lab/sides.ts";
import { inFolder, study } from "./study.ts";

const FOLDER = new URL("../src/lab/gallery/", import.meta.url);
/** Of all pictures together, in bytes. */
const MOST_BYTES = 500_000;
const WIDTH = 1280;
/** Software, on a machine that may do other things. */
const PATIENCE = { timeout: 240_000 };
/** A model that a software adapter trains in half a minute, and that has learned something then. */
const MODEL = { lstmUnits: "8", dims: "16-16", batchSize: "20", learningRate: "0.01", iterations: "400" };
/** The page of Be the user is drawn at random: here always the same one. */
const SAME_DRAWS =
  "let drawn = 0; Math.random = () => (drawn = (drawn * 16807 + 12345) % 2147483647) / 2147483647;";

/** What a picture shows of the page: from its top, or from an element of it, so many pixels down. */
interface View {
  readonly from?: string;
  readonly height: number;
}

export function command(): Command {
  return study(
    "gallery",
    "Makes the pictures of the lab's gallery anew, in Chromium on its software adapter.",
  )
    .action(async () =>
      console.log((await runScript("../gallery.ts", [], {}, undefined, console.error)).trimEnd())
    );
}

async function main(): Promise<void> {
  const executablePath = await chromiumOr(undefined);
  await makeFolder(FOLDER.pathname);
  await inFolder("gallery", async (folder) => {
    await writeLab(folder);
    const bytes = await withLab({ executablePath, software: true, folder, before: SAME_DRAWS }, pictures);
    console.log(`${Math.round(bytes / 1000)} KB in all`);
    if (bytes > MOST_BYTES) throw new UserError(`Expected at most ${MOST_BYTES} bytes, got ${bytes}.`);
  });
}

/** @returns their bytes */
async function pictures(page: Page): Promise<number> {
  let bytes = 0;
  const take = async (name: string, view: View) => {
    const picture = await pictureOf(page, view);
    await atomicWriteFile(new URL(`${name}.webp`, FOLDER).pathname, picture);
    console.log(`${name}.webp: ${Math.round(picture.length / 1000)} KB`);
    bytes += picture.length;
  };
  const open = (id: string) => page.click(`nav a[href="#${id}"]`);

  await page.locator("#option-iterations").waitFor(PATIENCE);
  for (const [name, value] of Object.entries(MODEL)) await page.fill(`#option-${name}`, value);
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await page.locator(".tested table").waitFor(PATIENCE);
  await take("train", { height: 1100 });

  await open("step");
  await page.locator('#step-workload option[value="trained"]').waitFor({ state: "attached", ...PATIENCE });
  await page.selectOption("#step-workload", "trained");
  await page.getByRole("button", { name: "Measure a step" }).click();
  await page.locator("table.timeline").waitFor(PATIENCE);
  await take("step", { height: 900 });
  await page.getByRole("button", { name: "choice forward and gradient" }).click();
  await take("kernel", { from: ".kernel", height: 960 });

  await open("ladders");
  const ladder = page.locator(".rung", { hasText: "choice softmax" });
  await ladder.getByRole("button").click();
  await ladder.locator("table").waitFor(PATIENCE);
  await take("ladders", { height: 1440 });

  await open("exercise");
  const text = page.getByRole("textbox", { name: "The kernel" });
  await text.waitFor(PATIENCE);
  // Without its header, so that the line comes into the picture.
  const own = (await text.inputValue()).replace(/^\/\/(?! grid).*\n/gm, "");
  await text.fill(own.replace("let most = 0.0;", "let most = largest;"));
  await page.getByRole("button", { name: "Check", exact: true }).click();
  await page.locator("#screen-exercise .faults").waitFor(PATIENCE);
  await take("exercise", { from: ".answered", height: 800 });

  await open("selftest");
  await page.selectOption("#selftest-kinds", "both");
  await page.fill("#selftest-only", "page:");
  await page.getByRole("button", { name: "Run the self-test" }).click();
  await page.locator("#screen-selftest >> text=/All agree/").waitFor(PATIENCE);
  await take("selftest", { height: 800 });

  await open("user");
  for (const item of [3, 5, 1]) {
    await page.locator(".page .item").nth(item).click(PATIENCE);
    await page.waitForTimeout(1000);
  }
  await page.check("#same-page");
  await page.locator(".page .item").nth(2).click();
  await page.locator(".percent small").first().waitFor(PATIENCE);
  await take("user", { height: 1080 });

  await open("save");
  await take("save", { height: 560 });
  return bytes;
}

/** @returns WebP: a third of what the same takes as PNG. */
async function pictureOf(page: Page, { from, height }: View): Promise<Uint8Array> {
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
    return canvas.toDataURL("image/webp", 0.8);
  })()`);
  return Uint8Array.fromBase64(webp.replace(/^[^,]*,/, ""));
}

if (import.meta.main) await runMain(main);
