/**
 * Runs the self-test on Dawn, Chromium's WebGPU: over the installed Vulkan driver, or in Chromium on its
 * software adapter. `deno run ... dawn.ts ONLY EVERY [CHROMIUM]` prints JSON.
 */

import { fileURLToPath } from "node:url";
import { openDevice } from "../../src/gpu/device.ts";
import { buildBundle } from "../../src/serve/bundle/bundle.ts";
import { openChromium } from "../chromium.ts";
import { runSelftestPage } from "./page.ts";

const [only = "", every, chromium] = Deno.args;

async function onVulkan(): Promise<string> {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const dawn = create(["backend=vulkan"]);
  return await runSelftestPage(only, every === "true", (options) => openDevice(options, dawn), console.error);
}

async function inChromium(executablePath: string): Promise<string> {
  const entry = fileURLToPath(new URL("./page.ts", import.meta.url));
  const { text } = await buildBundle({ entry, format: "iife" });
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
    return await page.evaluate<string>(`selftest(${JSON.stringify(only)}, ${every === "true"})`);
  } finally {
    await browser.close();
  }
}

console.log(await (chromium === undefined ? onVulkan() : inChromium(chromium)));
// Dawn's threads would keep the process.
Deno.exit(0);
