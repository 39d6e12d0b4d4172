/**
 * Bundles a script for browsers with its packages, and the kernels as text or without it. Packages are in Deno's cache, whose paths
 * the bundler gets from Deno.
 */

import * as esbuild from "esbuild";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DENO_FLAGS } from "../../deno_flags.ts";
import { formatTableEntry } from "./kernel_table.ts";

export interface BundleOptions {
  readonly entry: string;
  /** "iife" for a script in a page or a worker, "esm" for a module. */
  readonly format: "iife" | "esm";
  /** True by default. */
  readonly minify?: boolean;
  readonly banner?: string;
  /** Kernel texts: in the script as they are (the default) or without comments, or in a separate table. */
  readonly kernels?: "whole" | "without comments" | "from a table";
  /** Folders of packages that Deno does not find for the entry, by package name. */
  readonly folders?: Readonly<Record<string, string>>;
  /** Texts of modules that replace others, by import name. */
  readonly replacements?: Readonly<Record<string, string>>;
}

export interface Bundle {
  readonly text: string;
  /** Sources by path from the repository's folder, each with its bytes in the script. */
  readonly inputs: ReadonlyMap<string, number>;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Builds one bundle at a time, because the bundler is a process that is stopped at the end.
 * @returns the same bytes for the same sources on any machine. @throws Error with the bundler's messages
 */
export async function buildBundle(options: BundleOptions): Promise<Bundle> {
  const { entry, format, minify = true, banner, folders, replacements: instead = {}, kernels = "whole" } =
    options;
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
      // Omits fields that are only declared.
      tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
      plugins: [loadKernels(kernels), replaceModules(instead), fromDenoCache(packages)],
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

/** Measures a script: bytes of its code, and of the kernel texts in it. */
export function measureBundle({ text, inputs }: Bundle): { readonly code: number; readonly kernels: number } {
  const kernels = [...inputs].reduce((sum, [path, bytes]) => sum + (path.endsWith(".wgsl") ? bytes : 0), 0);
  return { code: new TextEncoder().encode(text).length - kernels, kernels };
}

function loadKernels(how: NonNullable<BundleOptions["kernels"]>): esbuild.Plugin {
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

function replaceModules(texts: Readonly<Record<string, string>>): esbuild.Plugin {
  const namespace = "instead";
  return {
    name: namespace,
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path }) => path in texts ? { path, namespace } : undefined);
      build.onLoad({ filter: /./, namespace }, ({ path }) => ({ contents: texts[path] }));
    },
  };
}

/** Resolves a package from its own folder by name; by path if it declares no exports. */
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

async function packageFolders(entry: string): Promise<Map<string, string>> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...DENO_FLAGS, entry],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { npmPackages }: { npmPackages: Record<string, { name: string; localPath: string }> } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  // The paths are relative if DENO_DIR is.
  return new Map(Object.values(npmPackages).map(({ name, localPath }) => [name, resolve(localPath)]));
}

export async function readPackageFile(entry: string, name: string, file: string): Promise<string> {
  const folder = (await packageFolders(entry)).get(name);
  if (folder === undefined) throw new Error(`${entry} uses no package ${name}`);
  return await Deno.readTextFile(join(folder, file));
}

/**
 * Removes comments (a good third of a kernel), empty lines, and spaces at both ends of lines; in functions and structs, also those
 * next to = , ; { and }. One space stays before a constant of a function: the host sets constants without indentation.
 */
export function stripComments(text: string): string {
  const lines = text.replace(/\/\*[^]*?\*\//g, "").split("\n").map((line) =>
    line.replace(/\s*(\/\/.*)?$/, "").replace(
      /^ +(const )?(.*)/,
      (_, own, rest) => (own ? ` ${own}` : "") + rest.replace(/ ?([=,;{}]) ?/g, "$1"),
    )
  );
  return lines.filter((line) => line !== "").join("\n") + "\n";
}
