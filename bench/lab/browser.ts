/** The lab in Chromium, for benches: the same for a training that is timed, and for all screens. */

import type { Browser, Page } from "playwright-core";
import { UserError } from "../../src/user_error.ts";
import { openChromium } from "../../test/chromium.ts";

/** A page of this machine: WebGPU is for secure contexts alone. Nothing is fetched from anywhere. */
const ADDRESS = "http://localhost/";
const TYPES: Readonly<Record<string, string>> = { html: "text/html", css: "text/css", js: "text/javascript" };

interface LabBrowser {
  readonly executablePath: string;
  /** Whether a GPU is left alone. */
  readonly software: boolean;
  /** With the page's files: see buildLab. */
  readonly folder: string;
  /** A script that runs before the page's own. */
  readonly before?: string;
}

/**
 * Opens the lab, waits for its device, and closes the browser behind whoever uses it.
 * @throws UserError for a page that finds no device
 */
export async function withLab<T>(
  { executablePath, software, folder, before }: LabBrowser,
  use: (page: Page, browser: Browser) => Promise<T>,
): Promise<T> {
  const browser = await openChromium(executablePath, software ? "software" : "any");
  try {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      acceptDownloads: true,
    });
    const page = await context.newPage();
    page.on("pageerror", (error) => console.error(String(error)));
    await page.route("**", async (route) => {
      const { origin, pathname } = new URL(route.request().url());
      if (`${origin}/` !== ADDRESS) return await route.abort();
      const name = pathname === "/" ? "index.html" : pathname.slice(1);
      const contentType = TYPES[name.split(".").at(-1) ?? ""];
      if (contentType === undefined) return await route.fulfill({ status: 404 });
      await route.fulfill({ contentType, body: await Deno.readTextFile(`${folder}/${name}`) });
    });
    if (before !== undefined) await page.addInitScript(before);
    await page.goto(ADDRESS);
    const device = page.locator(".device.open, .device.none");
    await device.waitFor({ timeout: 120_000 });
    if (await page.locator(".device.none").count() > 0) {
      throw new UserError(
        await page.locator(".device.none, .notice").allInnerTexts().then((all) => all.join(" ")),
      );
    }
    return await use(page, browser);
  } finally {
    await browser.close();
  }
}
