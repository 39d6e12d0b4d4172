/** The lab where it lacks something: limits of its adapter, or a script on its host. The page says what, and what to do. */

import assert from "node:assert/strict";
import { type Browser, errors, type Page } from "playwright-core";
import type { Look } from "./lab_measure_check.ts";

const LESS = {
  maxStorageBufferBindingSize: 32 * 2 ** 20,
  maxComputeWorkgroupStorageSize: 8192,
  maxComputeInvocationsPerWorkgroup: 128,
};
const EXPECTED = [
  "google swiftshader, which has less: ",
  "maxStorageBufferBindingSize of at least 134,217,728, found 33,554,432",
  "maxComputeWorkgroupStorageSize of at least 16,384, found 8,192",
  "maxComputeInvocationsPerWorkgroup of at least 256, found 128",
  "Use another adapter or a newer driver",
];
/** What is pressed on each screen that computes. */
const PRESSED = {
  step: "Measure a step",
  ladders: "Climb all ladders",
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

/** Runs before the page's own scripts, and puts the same before those of its worker. */
export const SMALLER_ADAPTER = `${SMALLER}
globalThis.Blob = class extends Blob {
  constructor(parts, options) {
    super(options?.type === "text/javascript" ? [${JSON.stringify(SMALLER)}, ...parts] : parts, options);
  }
};`;

/** The limits, what was found and what to do stand above every screen; whoever asks in vain is sent there. */
export async function checkSmaller(page: Page, { fine, picture, all }: Look): Promise<void> {
  const above = page.locator("header + .notice.error");
  await above.waitFor();
  const said = await above.innerText();
  for (const part of EXPECTED) assert.ok(said.includes(part), `${part}, in ${said}`);
  assert.match(await page.locator(".device.none").innerText(), /^Without a GPU that it can use/);
  assert.ok(await page.getByRole("button", { name: "Train", exact: true }).isDisabled());
  for (const [screen, button] of Object.entries(PRESSED)) {
    await page.evaluate(`location.hash = "${screen}"`);
    await page.locator(`#screen-${screen}`).getByRole("button", { name: button, exact: true }).click();
    const notice = page.locator(`#screen-${screen} .notice.error`);
    await notice.waitFor();
    assert.match(await notice.innerText(), /^This needs a GPU\. .* stands at its top\.$/);
    assert.ok(await above.isVisible());
    if (all || screen === "step") await fine(page, `${screen}, with smaller limits`);
    await picture(page, `smaller-${screen}`);
  }
}

/** Its pages may use WebGPU. Nothing is fetched. */
const HOST = "http://localhost/lab/";
const TYPES: Readonly<Record<string, string>> = { html: "text/html", css: "text/css", js: "text/javascript" };

/** @param folder with the files that `buildLab` makes. */
export async function checkHost(browser: Browser, folder: string): Promise<void> {
  const needed = { "lab.js": "", "worker.js": "", "screens.js": "ladders", "kernels.js": "exercise=softmax" };
  for (const [missing, screen] of Object.entries(needed)) {
    const page = await browser.newPage();
    try {
      await page.route("**", async (route) => {
        const name = route.request().url().replace(HOST, "") || "index.html";
        if (name === missing) return await route.fulfill({ status: 404, body: "not found" });
        const contentType = TYPES[name.split(".").at(-1) ?? ""] ?? "";
        await route.fulfill({ contentType, body: await Deno.readTextFile(`${folder}/${name}`) });
      });
      await page.goto(HOST);
      if (screen !== "") await page.evaluate(`location.hash = "${screen}"`);
      const said =
        `Expected the page's script ${HOST}${missing}, which could not be loaded. Copy all files of`;
      const shown = page.locator("#lab", { hasText: said });
      await shown.waitFor({ timeout: 20_000 }).catch(async (error: unknown) => {
        if (!(error instanceof errors.TimeoutError)) throw error;
        assert.fail(`without ${missing} the page says ${await page.locator("#lab").innerText()}`);
      });
      assert.doesNotMatch(await shown.innerText(), /fault in the program/);
    } finally {
      await page.close();
    }
  }
}
