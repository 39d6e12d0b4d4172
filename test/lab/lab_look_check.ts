/** Checks the lab's look without screenshots: by keyboard, in training, with a small adapter. */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";
import { clickButton, expectFine, openScreen, setOptions } from "./lab_window.ts";

const SCREENS = ["train", "step", "ladders", "course", "exercise", "scratchpad", "selftest", "user", "save"];
const STOPS = 80;

async function eachScreen(page: Page, look: (screen: string) => Promise<void>): Promise<void> {
  for (const screen of SCREENS) {
    await openScreen(page, screen);
    await page.locator(`#screen-${screen}`).waitFor();
    await look(screen);
  }
}

/** Asserts that the screen is correct during training; on a phone the progress comes into view. */
export async function checkUnderWay(page: Page): Promise<void> {
  await openScreen(page, "train");
  await setOptions(page, {
    iterations: "100000",
    batchSize: "5",
    validateEvery: "1000",
    patience: "100000",
  });
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
export async function checkKeyboard(page: Page): Promise<void> {
  await eachScreen(page, async (screen) => {
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
  });
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

/** Runs before the scripts of the page and of its worker. */
export const SMALLER_ADAPTER = `${SMALLER}
globalThis.Blob = class extends Blob {
  constructor(parts, options) {
    super(options?.type === "text/javascript" ? [${JSON.stringify(SMALLER)}, ...parts] : parts, options);
  }
};`;

/** Asserts that every screen shows the limits, the adapter's values and what to do. */
export async function checkSmaller(page: Page): Promise<void> {
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
