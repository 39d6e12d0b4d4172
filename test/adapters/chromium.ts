/** The self-test in Chromium, on its software adapter: `deno run ... chromium.ts CHROMIUM [ONLY [EVERY]]`. Prints JSON. */

import { fileURLToPath } from "node:url";
import { bundle } from "../../src/serve/bundle/bundle.ts";
import { openChromium } from "../chromium.ts";

const [executablePath = "", only = "", every = ""] = Deno.args;
const entry = fileURLToPath(new URL("./page.ts", import.meta.url));
const { text } = await bundle({ entry, format: "iife" });
const browser = await openChromium(executablePath, "software");
try {
  const page = await browser.newPage();
  page.on("console", (message) => console.error(message.text()));
  // WebGPU is for secure contexts alone, and this machine is one. Nothing is fetched.
  await page.route(
    "http://localhost/",
    (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }),
  );
  await page.goto("http://localhost/");
  await page.addScriptTag({ content: text });
  console.log(await page.evaluate<string>(`selftest(${JSON.stringify(only)}, ${every === "true"})`));
} finally {
  await browser.close();
}
