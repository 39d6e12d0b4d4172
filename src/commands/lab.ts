/** `lab`: serves or writes the lab, a web page that trains models and measures kernels in a browser. */

import { join } from "node:path";
import { BUILD, PORT } from "../cli/arguments.ts";
import { runMain } from "../cli/run_main.ts";
import { ALLOW_HOST, createCommand, folder, parse, parseWholeNumber } from "../cli/command_options.ts";
import { stopOnSignals } from "../cli/stop.ts";
import { expectReplaceable, makeFolder, writeFileAtomically } from "../files/atomic_write.ts";
import { HOST, listen, type ServiceRequest } from "../serve/listen.ts";
import { buildLab, TITLE } from "../lab/build.ts";

const LAB_PORT = 8751;
const CONNECTIONS = 64;
const PAGE = "index.html";

interface LabOptions {
  port: number;
  allowHost: readonly string[];
  open: boolean;
  build?: string;
}

function parseOptions(args: readonly string[]): LabOptions {
  const command = createCommand(
    "lab",
    "Opens the lab: a web page that trains models and measures kernels in your browser, on your GPU. " +
      `The page is served on ${HOST}; no data leave this machine.`,
  )
    .option(PORT, "port to listen on; 0 for any free port", parseWholeNumber(0, 65535), LAB_PORT)
    .option(...ALLOW_HOST)
    .option("--no-open", "do not open the page in a browser")
    .option(
      BUILD,
      "write the page as index.html, for opening from the disk or for any web server, and do not serve it",
      folder,
    )
    .addHelpText("after", "\nExamples:\n  deno task -q lab\n  deno task -q lab --build site");
  return parse<LabOptions>(command, args);
}

async function main(): Promise<number> {
  const { port, allowHost, open, build } = parseOptions(Deno.args);
  if (build !== undefined) expectReplaceable(join(build, PAGE), TITLE);
  const { html } = await buildLab();
  if (build !== undefined) {
    await makeFolder(build);
    await writeFileAtomically(join(build, PAGE), html, TITLE);
    console.log(`The lab is in ${build}: open ${PAGE} from the disk, or copy it to a web server.`);
    return 0;
  }
  const stop = stopOnSignals();
  const server = listen({ port, allowHost, connections: CONNECTIONS }, (asked) => answer(html, asked));
  const address = `http://${HOST}:${server.port}/`;
  console.log(`The lab is at ${address}`);
  console.error("Press Ctrl-C to stop.");
  if (open) openBrowser(address);
  await new Promise<void>((resolve) => {
    stop.onStop = resolve;
    if (stop.signal.aborted) resolve();
  });
  return 0; // open connections need not finish
}

function answer(html: string, { path }: ServiceRequest): Response {
  if (path !== "/") return new Response("The lab is only at the path /\n", { status: 404 });
  const headers = { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" };
  return new Response(html, { headers });
}

/** Opens an address in a browser. Without a browser, nothing happens. */
function openBrowser(address: string): void {
  const [command, ...args] = Deno.build.os === "windows"
    ? ["cmd", "/c", "start", address]
    : [Deno.build.os === "darwin" ? "open" : "xdg-open", address];
  try {
    const child = new Deno.Command(command ?? "", { args, stdin: "null", stdout: "null", stderr: "null" })
      .spawn();
    child.unref();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

await runMain(main);
