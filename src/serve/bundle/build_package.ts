/**
 * Builds the library as a package for JSR and npm: `deno task build package` writes a folder to publish, and
 * a tarball. The folder has the files that src/mod.ts imports. Kernels become TypeScript modules, because a
 * package from a registry cannot import WGSL files as text.
 */

import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import config from "../../../deno.json" with { type: "json" };
import { allowFolder } from "../../cli/outputs.ts";
import { makeFolder, writeFileAtomically } from "../../files/atomic_write.ts";
import { OwnedFolder } from "../../files/owned_folder.ts";
import { runMain } from "../../cli/run_main.ts";
import { DENO_FLAGS } from "../../deno_flags.ts";
import { UserError } from "../../user_error.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const LICENCES = ["LICENSE", "CHANGELOG.md"];

export interface StagedPackage {
  readonly folder: string;
  readonly tarball: string;
}

/** Builds and checks the package in a new or empty folder. @throws UserError if the folder has files */
export async function buildPackage(folder: string): Promise<StagedPackage> {
  const staged = `${folder}/package`;
  const tarball = `${folder}/clickgan-${config.version}.tgz`;
  using _owned = await OwnedFolder.begin(folder, { what: "the package", option: "folder" });
  const used = new Set<string>();
  for (const path of await listModules("src/mod.ts")) {
    const text = await Deno.readTextFile(ROOT + path);
    if (path.endsWith(".wgsl")) await write(`${staged}/${path}.ts`, kernelModule(text));
    else {
      await write(`${staged}/${path}`, withKernelModules(text));
      for (const [, name = ""] of text.matchAll(/from "([a-z@][^":]*)"/g)) used.add(name);
    }
  }
  await write(`${staged}/deno.json`, JSON.stringify(packageConfig(used), null, 2) + "\n");
  await write(`${staged}/README.md`, await readme());
  for (const name of LICENCES) await write(`${staged}/${name}`, await Deno.readTextFile(ROOT + name));
  await deno(staged, "publish", "--dry-run", "--allow-dirty", "--no-check"); // `deno pack` checks types
  await deno(staged, "pack", "--allow-dirty", "--output", resolve(tarball));
  return { folder: staged, tarball };
}

async function write(file: string, text: string): Promise<void> {
  await makeFolder(dirname(file));
  await writeFileAtomically(file, text);
}

/** Lists the local files that a module imports, directly or indirectly. */
async function listModules(path: string): Promise<string[]> {
  const graph: unknown = JSON.parse(await deno(ROOT, "info", "--json", ...DENO_FLAGS, path));
  if (typeof graph !== "object" || graph === null || !("modules" in graph) || !Array.isArray(graph.modules)) {
    throw new Error("expected a list of modules from deno info");
  }
  const specifiers: string[] = graph.modules.map(({ specifier }) => String(specifier));
  return specifiers.filter((specifier) => specifier.startsWith("file:"))
    .map((specifier) => relative(ROOT, fileURLToPath(specifier)).replaceAll("\\", "/"));
}

function kernelModule(text: string): string {
  return `const text: string = ${JSON.stringify(text)};\nexport default text;\n`;
}

function withKernelModules(text: string): string {
  return text.replace(/from "([^"]+\.wgsl)" with \{\s*type: "text",?\s*\}/g, 'from "$1.ts"');
}

function packageConfig(used: ReadonlySet<string>) {
  const { name, version, license, exports, imports, compilerOptions } = config;
  const own = Object.entries(imports).filter(([key]) =>
    [...used].some((specifier) => specifier === key || specifier.startsWith(`${key}/`))
  );
  return {
    ...{ name, version, license, exports, compilerOptions },
    imports: Object.fromEntries(own),
    // Include the files even if git ignores the folder of the package.
    publish: { exclude: ["!src", "!kernels", "!README.md", ...LICENCES.map((file) => `!${file}`)] },
  };
}

async function readme(): Promise<string> {
  const page = await Deno.readTextFile(`${ROOT}src/README.md`);
  const [, section = ""] = page.split(/^## As a library$/m);
  const text = section.split(/^## /m)[0]?.replace(/<!--.*?-->\n*/gs, "");
  return `# clickgan\n\nFits user models to click logs, with hand-written WGSL kernels. Needs Deno.\n${text}`;
}

/** Runs a command of Deno. @returns its stdout. @throws UserError with the stderr of a failed command */
async function deno(cwd: string, ...args: string[]): Promise<string> {
  const env = { DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd, env }).output();
  const decoder = new TextDecoder();
  if (success) return decoder.decode(stdout);
  throw new UserError(`deno ${args.join(" ")} failed in ${cwd}:\n${decoder.decode(stderr)}`);
}

if (import.meta.main) {
  await runMain(async () => {
    const path = Deno.args[0] ?? Deno.makeTempDirSync({ prefix: "clickgan-package-" });
    allowFolder({ by: "the folder", path });
    const { folder, tarball } = await buildPackage(path);
    console.log(`To publish on JSR, in ${folder}: deno publish\nTo publish on npm: npm publish ${tarball}`);
    return 0;
  });
}
