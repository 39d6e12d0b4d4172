/**
 * Bundles the page's script with what it uses of Chart.js. The bundle is kept in the repository, so that whoever makes a
 * report needs no bundler: `deno task build:report` after a change in client/.
 */

import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { DENO_FLAGS } from "../deno_flags.ts";
import { atomicWriteFile } from "../files/atomic_write.ts";

const ENTRY = fileURLToPath(new URL("./client/main.ts", import.meta.url));
export const BUNDLE = fileURLToPath(new URL("./client_bundle.js", import.meta.url));

const BANNER = "/* Built by `deno task build:report` from client/. */";

/** @returns the script; the same sources give the same bytes on any machine */
export async function bundleClient(): Promise<string> {
  const packages = await packageFolders();
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [ENTRY],
      bundle: true,
      minify: true,
      write: false,
      format: "iife",
      target: "es2022",
      charset: "ascii",
      legalComments: "inline",
      banner: { js: BANNER },
      logLevel: "silent",
      plugins: [fromDenoCache(packages)],
    });
    return outputFiles[0]?.text ?? "";
  } finally {
    await esbuild.stop();
  }
}

/** Packages are in Deno's cache, which the bundler does not know. */
function fromDenoCache(packages: ReadonlyMap<string, string>): esbuild.Plugin {
  return {
    name: "deno-cache",
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, ({ path, kind, resolveDir }) => {
        const folder = packages.get(path);
        return folder === undefined ? undefined : build.resolve(folder, { kind, resolveDir });
      });
    },
  };
}

/** Where the packages that the client uses are, by name. */
async function packageFolders(): Promise<Map<string, string>> {
  const { stdout, success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", ...DENO_FLAGS, ENTRY],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const { npmPackages }: { npmPackages: Record<string, { name: string; localPath: string }> } = JSON.parse(
    new TextDecoder().decode(stdout),
  );
  return new Map(Object.values(npmPackages).map(({ name, localPath }) => [name, localPath]));
}

if (import.meta.main) await atomicWriteFile(BUNDLE, await bundleClient());
