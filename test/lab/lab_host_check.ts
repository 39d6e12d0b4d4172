/** The lab as a folder on a host, of which a script is missing: the page says which, where, and what to do. */

import assert from "node:assert/strict";
import { type Browser, errors } from "playwright-core";

/** Its pages may use WebGPU. Nothing is fetched. */
const HOST = "http://localhost/lab/";
const TYPES: Readonly<Record<string, string>> = { html: "text/html", css: "text/css", js: "text/javascript" };

/** @param folder with the files that `buildLab` makes. */
export async function checkHost(browser: Browser, folder: string): Promise<void> {
  for (const [missing, screen] of [["lab.js", ""], ["worker.js", ""], ["screens.js", "ladders"]] as const) {
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
