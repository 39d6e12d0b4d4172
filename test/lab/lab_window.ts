import axe from "axe-core";
import assert from "node:assert/strict";
import type { Browser, Locator, Page } from "playwright-core";
import { expectFits, withPage } from "../chromium.ts";

const PATIENCE_MS = 120_000;
const DESK = { width: 1280, height: 900 };

export function withLab(
  browser: Browser,
  folder: string,
  use: (page: Page) => Promise<void>,
  before = "",
): Promise<void> {
  return withPage(browser, { viewport: DESK }, async (page) => {
    page.setDefaultTimeout(PATIENCE_MS);
    await page.addInitScript(before);
    // "Be the user" draws a new random page each time; here the page is always the same.
    await page.addInitScript(
      "let drawn = 0; Math.random = () => (drawn = (drawn * 16807 + 12345) % 2147483647) / 2147483647;",
    );
    await page.goto(`file://${folder}/index.html`);
    await use(page);
  });
}

/** Waits until `expression` is true, from outside, because the page's policy forbids evaluation inside. */
export async function waitUntil(page: Page, expression: string): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!await page.evaluate<boolean>(expression)) {
    assert.ok(performance.now() < end, `waited in vain for ${expression}`);
    await page.waitForTimeout(50);
  }
}

export function waitForElement(
  page: Page | Locator,
  element: string,
  hasText: string | RegExp,
): Promise<void> {
  return page.locator(element, { hasText }).waitFor();
}

/** Waits for a text on the page; `/.../` is a regular expression. */
export function waitForText(page: Page, text: string): Promise<void> {
  return page.locator(`text=${text}`).waitFor();
}

export function clickButton(page: Page | Locator, name: string): Promise<void> {
  return page.getByRole("button", { name, exact: true }).click();
}

export async function saveBy(page: Page, name: string, path: string): Promise<string> {
  const download = page.waitForEvent("download");
  await clickButton(page, name);
  const saved = await download;
  await saved.saveAs(path);
  return saved.suggestedFilename();
}

export function openScreen(page: Page, screen: string): Promise<void> {
  return page.evaluate(`location.hash = "${screen}"`);
}

export async function setOptions(page: Page, options: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(options)) await page.fill(`#option-${name}`, value);
}

export async function expectNoFaults(page: Page, what: string): Promise<void> {
  const found = await page.evaluate<string[]>(
    `(async () => {
      if (!globalThis.axe) { ${axe.source} }
      const { violations } = await globalThis.axe.run();
      return violations.map(({ id, nodes }) => id + ": " + nodes.map((node) => node.html).join(" "));
    })()`,
  );
  assert.deepEqual(found, [], what);
}

export async function expectFine(page: Page, what: string): Promise<void> {
  await expectNoFaults(page, what);
  await page.setViewportSize({ ...DESK, width: 390 });
  await expectFits(page);
  await page.setViewportSize(DESK);
}

/** Shortens measurements to a hundredth of the time, and races to two rounds, with the same results. */
export const HASTY = `globalThis.answer = lab.call;
lab.call = (service, method, request, options) => {
  const { seconds = 0, rounds = 0 } = request ?? {};
  const less = { ...(seconds > 0 && { seconds: seconds / 100 }), ...(rounds > 0 && { rounds: 2 }) };
  return answer(service, method, seconds + rounds > 0 ? { ...request, ...less } : request, options);
};`;
export const PATIENT = "lab.call = answer";
