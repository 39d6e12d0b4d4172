/** Bundles a browser script and the packages that it imports, which must be in Deno's cache. */

import * as esbuild from "esbuild";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { DENO_FLAGS } from "../../deno_flags.ts";
import { formatTableEntry } from "./kernel_table.ts";

export interface BundleOptions {
  readonly entry: string;
  /** "iife" for a script of a web page or a worker; "esm" for a module. */
  readonly format: "iife" | "esm";
  /** Kernel texts in the script; "whole" by default. "from a table": the web page has the texts. */
  readonly kernels?: "whole" | "without comments" | "from a table";
  /** Source texts that replace imported modules, by import specifier. */
  readonly replacements?: Readonly<Record<string, string>>;
}

export interface Bundle {
  readonly text: string;
  /** Number of bytes that each source file adds to the script, by path in the repository. */
  readonly inputs: ReadonlyMap<string, number>;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/**
 * Bundles a script. Calls must not overlap, because each call stops the shared bundler process at its end.
 * @returns the script; equal sources give equal bytes. @throws Error with the messages of the bundler
 */
export async function buildBundle(options: BundleOptions): Promise<Bundle> {
  const { entry, format, replacements: instead = {}, kernels = "whole" } = options;
  const packages = await packageFolders(entry);
  try {
    const { outputFiles, metafile } = await esbuild.build({
      entryPoints: [entry],
      bundle: true,
      minify: true,
      write: false,
      format,
      target: "es2022",
      charset: "ascii",
      legalComments: "inline",
      metafile: true,
      absWorkingDir: ROOT,
      logLevel: "silent",
      // Omit class fields that are declared without a value.
      tsconfigRaw: { compilerOptions: { useDefineForClassFields: false } },
      plugins: [loadKernels(kernels), replaceModules(instead), fromDenoCache(packages)],
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

/** Returns the number of bytes of a script's code, and of the kernel texts in the script. */
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

/** Finds an imported file of a package: by the field `exports` of its package.json, or else by its path. */
function fromDenoCache(packages: ReadonlyMap<string, string>): esbuild.Plugin {
  const found = "found"; // marks calls of build.resolve by this plugin, to avoid an endless recursion
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
  // The paths are relative if DENO_DIR is relative.
  return new Map(Object.values(npmPackages).map(({ name, localPath }) => [name, resolve(localPath)]));
}

export async function readPackageFile(entry: string, name: string, file: string): Promise<string> {
  const folder = (await packageFolders(entry)).get(name);
  if (folder === undefined) throw new Error(`${entry} does not import the package ${name}`);
  return await Deno.readTextFile(join(folder, file));
}

/**
 * Removes comments (more than a third of a kernel's text), empty lines, and spaces at line ends. In functions
 * and structs, also removes spaces next to = , ; { and }. A `const` in a function keeps one space of indent,
 * because a `const` at the start of a line is a kernel setting, which the program may replace.
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
