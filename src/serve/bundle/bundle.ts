/**
 * Bundles a script for browsers, with the packages that it uses, and the kernels as text or without it. Packages are in Deno's
 * cache, which the bundler does not know; Deno says where.
 */

import * as esbuild from "esbuild";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DENO_FLAGS } from "../../deno_flags.ts";
import { formatTableEntry } from "./kernel_table.ts";

/** What is bundled, and how. */
export interface BundleOptions {
  /** Path of the module that the script begins with. */
  readonly entry: string;
  /** "iife" for a script that stands in a page or a worker, "esm" for a module. */
  readonly format: "iife" | "esm";
  /** True by default. */
  readonly minify?: boolean;
  /** A comment that the script begins with. */
  readonly banner?: string;
  /** The kernels' text: in the script as it is (the default) or without comments, or in a table that is given to it. */
  readonly kernels?: "whole" | "without comments" | "from a table";
  /** Folders of packages that Deno does not find for the entry, by the packages' names. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Texts of modules that stand in for others, by the name that these are imported by. */
  readonly instead?: Readonly<Record<string, string>>;
}

/** A script that is bundled. */
export interface Bundle {
  readonly text: string;
  /** What it was made of, by paths from the repository's folder, each with the bytes that it takes in the script. */
  readonly inputs: ReadonlyMap<string, number>;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * One at a time, as the bundler is a process that is stopped at the end.
 * @returns the same bytes for the same sources, on any machine. @throws Error with all that the bundler says
 */
export async function buildBundle(options: BundleOptions): Promise<Bundle> {
  const { entry, format, minify = true, banner, folders, instead = {}, kernels = "whole" } = options;
  const packages = await packageFolders(entry);
  for (const [name, folder] of Object.entries(folders ?? {})) packages.set(name, resolve(folder));
  try {
    const { outputFiles, metafile } = await esbuild.build({
      entryPoints: [entry],
      bundle: true,
      minify,
      write: false,
      format,
      target: "es2022",
      charset: "ascii",
      legalComments: "inline",
      metafile: true,
      absWorkingDir: ROOT,
      logLevel: "silent",
      // Fields that are declared alone take no place.
      tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
      plugins: [kernelsAs(kernels), standIns(instead), fromDenoCache(packages)],
      ...(banner === undefined ? {} : { banner: { js: banner } }),
    });
    const inputs = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.entries(inputs));
    return {
      text: outputFiles[0]?.text ?? "",
      inputs: new Map(inputs.map(([path, { bytesInOutput }]) => [path, bytesInOutput])),
    };
  } finally {
    await esbuild.stop();
  }
}

/** Bytes of a script as it runs: those of its code, and those of the kernels' text in it. */
export function measureBundle({ text, inputs }: Bundle): { readonly code: number; readonly kernels: number } {
  const kernels = [...inputs].reduce((sum, [path, bytes]) => sum + (path.endsWith(".wgsl") ? bytes : 0), 0);
  return { code: new TextEncoder().encode(text).length - kernels, kernels };
}

function kernelsAs(how: NonNullable<BundleOptions["kernels"]>): esbuild.Plugin {
  return {
    name: "kernels",
    setup(build) {
      build.onLoad({ filter: /\.wgsl$/ }, async ({ path }) => {
        if (how === "from a table") return { contents: `export default ${formatTableEntry(path)};` };
        const text = await Deno.readTextFile(path);
        return { contents: how === "whole" ? text : stripComments(text), loader: "text" };
      });
    },
  };
}

function standIns(texts: Readonly<Record<string, string>>): esbuild.Plugin {
  const namespace = "instead";
  return {
    name: namespace,
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path }) => path in texts ? { path, namespace } : undefined);
      build.onLoad({ filter: /./, namespace }, ({ path }) => ({ contents: texts[path] }));
    },
  };
}

/** A package is found from within its own folder, by its own name; by its path, where it does not say what it exports. */
function fromDenoCache(packages: ReadonlyMap<string, string>): esbuild.Plugin {
  const found = "found"; // asks the bundler, and not this once more
  return {
    name: "deno-cache",
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, async ({ path, kind, pluginData }) => {
        const [, name = "", rest = ""] = /^(@[^/]+\/[^/]+|[^/]+)(\/.*)?$/.exec(path) ?? [];
        const resolveDir = packages.get(name);
        if (resolveDir === undefined || pluginData === found) return undefined;
        const own = await build.resolve(path, { kind, resolveDir, pluginData: found });
        return own.errors.length === 0 ? own : build.resolve(resolveDir + rest, { kind, resolveDir });
      });
    },
  };
}

/** Where the packages that a module uses are, by name. */
async function packageFolders(entry: string): Promise<Map<string, string>> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...DENO_FLAGS, entry],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { npmPackages }: { npmPackages: Record<string, { name: string; localPath: string }> } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  // Relative where Deno's own folder (DENO_DIR) was named so.
  return new Map(Object.values(npmPackages).map(({ name, localPath }) => [name, resolve(localPath)]));
}

/** The text of a file of a package that a module uses. */
export async function readPackageFile(entry: string, name: string, file: string): Promise<string> {
  const folder = (await packageFolders(entry)).get(name);
  if (folder === undefined) throw new Error(`${entry} uses no package ${name}`);
  return await Deno.readTextFile(join(folder, file));
}

/**
 * A kernel's text without comments, which no driver needs and which are a good third of it, and what they leave behind: lines
 * that are empty, spaces at both ends of lines. One stays before a constant of a function, as the host sets those without.
 */
export function stripComments(text: string): string {
  const lines = text.replace(/\/\*[^]*?\*\//g, "").split("\n").map((line) =>
    line.replace(/\s*(\/\/.*)?$/, "").replace(/^ +(?=(const )?)/, (_, own) => own ? " " : "")
  );
  return lines.filter((line) => line !== "").join("\n") + "\n";
}
