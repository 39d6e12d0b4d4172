/** Checks the report pages of three folders: `... report_page_check.ts CHROMIUM RUN EXPERIMENT POLICIES`. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { buildCsv, type ChartDefinition } from "../../src/report/chart_definition.ts";
import { dark, light, resolveColour, type Theme } from "../../src/report/theme.ts";
import { expectFits, openChromium, withPage } from "../chromium.ts";

const [executablePath = "", run = "", experiment = "", policies = ""] = Deno.args;

interface Shown {
  readonly id: string;
  readonly colour: string;
  readonly curves: readonly unknown[];
  readonly coloured: number;
}

const SHOWN = `Object.values(Chart.instances).map((chart) => {
  const { canvas, data } = chart;
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  let coloured = 0;
  for (let k = 0; k < pixels.length; k += 4) {
    const [r, g, b] = [pixels[k], pixels[k + 1], pixels[k + 2]];
    if (pixels[k + 3] > 0 && Math.max(r, g, b) - Math.min(r, g, b) > 40) coloured++;
  }
  const own = data.datasets.filter(({ isDecoration }) => !isDecoration);
  const curves = own.map(({ label, data }) => ({ label, data }));
  return { id: canvas.closest("figure").id, colour: [own[0].borderColor].flat()[0], curves, coloured };
})`;

const definitionsIn = (page: Page) =>
  page.evaluate<ChartDefinition[]>(`JSON.parse(document.getElementById("chart-data").textContent)`);
const shownIn = (page: Page) => page.evaluate<Shown[]>(SHOWN);

function colourIn(theme: Theme, { config: { data } }: ChartDefinition): string {
  const { borderColor = "" } = data.datasets.find(({ isDecoration }) => !isDecoration) ?? {};
  return resolveColour(theme, typeof borderColor === "string" ? borderColor : borderColor[0] ?? "");
}

async function checkDrawn(page: Page, theme: Theme): Promise<void> {
  const definitions = await definitionsIn(page);
  const colours = new Map(definitions.map((definition) => [definition.id, colourIn(theme, definition)]));
  let shown = await shownIn(page);
  // The page changes its theme a moment later.
  for (let k = 0; k < 3000 && shown.some(({ id, colour }) => colour !== colours.get(id)); k++) {
    await page.waitForTimeout(20);
    shown = await shownIn(page);
  }
  assert.deepEqual(shown.map(({ id }) => id).sort(), definitions.map(({ id }) => id).sort());
  assert.equal(await page.locator("canvas").count(), definitions.length);
  for (const { id, colour, curves, coloured } of shown) {
    assert.ok(coloured > 50, `${id}: ${coloured} coloured pixels`);
    assert.equal(colour, colours.get(id), id);
    const { config } = definitions.find((definition) => definition.id === id) ?? assert.fail(id);
    const own = config.data.datasets.filter(({ isDecoration }) => !isDecoration);
    assert.deepEqual(curves, own.map(({ label, data }) => ({ label, data })), id);
  }
  const inner = await expectFits(page);
  const rows = await page.locator(".models tbody tr").evaluateAll((all) => all.map((tr) => tr.clientHeight));
  assert.ok(rows.every((height) => height < 300), `heights of the models' rows: ${rows.join(", ")}`);
  const wraps = await page.evaluate<string[]>(
    `[...document.querySelectorAll(".numeric td.text")].map((cell) => getComputedStyle(cell).whiteSpace)`,
  );
  assert.ok(wraps.every((wrap) => wrap === "normal"), `text in tables wraps: ${wraps.join(", ")}`);
  const heads = await page.locator("thead th").allTextContents();
  assert.ok(heads.every((head) => head.trim() !== ""), `empty heads of columns: ${heads.join(", ")}`);
  const figures = page.getByRole("region", { name: "Table of test metrics" });
  if (inner < 1280 || await figures.count() === 0) return;
  const cut = await figures.evaluate((part) => part.scrollWidth - part.clientWidth);
  assert.ok(cut <= 0, `${cut} pixels of the test metrics are cut off`);
}

async function checkPaper(page: Page): Promise<void> {
  const size = page.viewportSize();
  await page.setViewportSize({ width: Math.floor((210 - 2 * 12) / 25.4 * 96), height: 900 });
  const wide = await page.evaluate<string[]>(
    `[...document.querySelectorAll("details")].map((fold) => fold.open = true),
    [...document.querySelectorAll("table")].filter((table) => table.getBoundingClientRect().right > innerWidth)
      .map((table) => table.closest("[aria-label]")?.getAttribute("aria-label"))`,
  );
  assert.deepEqual(wide, []);
  assert.ok(await page.locator("details table").count() > 0, "there are folds");
  await page.evaluate(`[...document.querySelectorAll("details")].map((fold) => fold.open = false)`);
  if (size) await page.setViewportSize(size);
}

async function saved(page: Page, id: string, kind: "csv" | "png"): Promise<Uint8Array> {
  const download = page.waitForEvent("download");
  await page.focus(`#${id} [data-save=${kind}]`);
  await page.keyboard.press("Enter");
  const file = await download;
  assert.equal(file.suggestedFilename(), `${id}.${kind}`);
  return await Deno.readFile(await file.path());
}

async function checkDownloads(page: Page): Promise<void> {
  for (const chart of await definitionsIn(page)) {
    const text = new TextDecoder().decode(await saved(page, chart.id, "csv"));
    assert.equal(text, buildCsv(chart));
    if (chart.id !== "test-prec1" && chart.id !== "prec1") continue; // each takes a second
    const png = await saved(page, chart.id, "png");
    assert.deepEqual([...png.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
    const size = new DataView(png.buffer, png.byteOffset);
    assert.deepEqual([size.getUint32(16), size.getUint32(20)], [1920, 1200]);
  }
  assert.equal((await shownIn(page)).length, (await definitionsIn(page)).length, "a copy was left behind");
}

/** Asserts that a hidden curve stays hidden in another theme, and that printing uses the light theme. */
async function checkThemes(page: Page): Promise<void> {
  const button = page.locator("#loss .legend button").first();
  const visible = () =>
    page.evaluate<boolean>(
      `Object.values(Chart.instances).find((c) => c.canvas.closest("#loss")).isDatasetVisible(2)`,
    );
  await button.click();
  assert.equal(await button.getAttribute("aria-pressed"), "false");
  assert.equal(await visible(), false);
  await page.emulateMedia({ colorScheme: "dark" });
  await checkDrawn(page, dark);
  assert.equal(await visible(), false);
  await page.emulateMedia({ media: "print" });
  await checkDrawn(page, light);
  await checkPaper(page);
  await page.emulateMedia({ media: null });
  await checkDrawn(page, dark);
  const pdf = await page.pdf({ format: "A4" });
  assert.equal(new TextDecoder().decode(pdf.subarray(0, 5)), "%PDF-");
  await checkDrawn(page, dark);
  await button.click();
  assert.equal(await visible(), true);
}

async function checkTooltip(page: Page): Promise<void> {
  await page.locator("#prec1 canvas").scrollIntoViewIfNeeded();
  await page.locator("#prec1 canvas").hover();
  const tooltip = `Object.values(Chart.instances).find((c) => c.canvas.closest("#prec1")).tooltip`;
  await page.waitForFunction(`${tooltip}.opacity > 0`);
  const lines = await page.evaluate<string[]>(`${tooltip}.body.flatMap(({ lines }) => lines)`);
  assert.ok(lines.length >= 10, `${lines.length} lines`);
  for (const line of lines) assert.match(line, /^ .+: 0\.\d{4} ± 0\.\d{4}(, [\d.]+ of its stage)?$/);
}

const browser = await openChromium(executablePath, "none");
try {
  for (const [width, colorScheme] of [[1280, "light"], [390, "dark"]] as const) {
    const isFirst = colorScheme === "light";
    await withPage(browser, { viewport: { width, height: 900 }, colorScheme }, async (page) => {
      const open = async (folder: string) => {
        await page.goto(`file://${folder}/report.html`);
        await checkDrawn(page, { light, dark }[colorScheme]);
      };
      await open(policies);
      await open(run);
      await open(experiment);
      if (!isFirst) return;
      await checkTooltip(page);
      await checkDownloads(page);
      await checkThemes(page);
    });
  }
} finally {
  await browser.close();
}
