/** What an archive for another machine holds of the packages that are locked. */

import * as v from "../../src/schema.ts";
import { UserError } from "../../src/user_error.ts";

const lockSchema = v.object({ npm: v.record(v.string(), v.looseObject({})) });

/** A package of the lock file. */
export interface LockedPackage {
  /** With its scope: "@duckdb/node-api". */
  readonly name: string;
  readonly version: string;
}

/** All packages of a lock file, each version once. @throws UserError for a text that is none. */
export function lockedPackages(lock: string): LockedPackage[] {
  const parsed = v.safeParse(lockSchema, JSON.parse(lock));
  if (!parsed.success) throw new UserError("Expected deno.lock with a list of npm packages.");
  const known = new Map<string, LockedPackage>();
  for (const key of Object.keys(parsed.output.npm)) {
    // What follows an underscore is which peers it was resolved with: "4.22.0_seedrandom@3.0.5".
    const [, name = "", version = ""] = key.match(/^(@?[^@]+)@([^_]+)/) ?? [];
    known.set(`${name}@${version}`, { name, version });
  }
  return [...known.values()];
}

/** Of a package's files: those that no run reads, and those for other systems. @param path within the package. */
export function isLeftOut(name: string, path: string): boolean {
  if (/\.(map|d\.ts|d\.mts|d\.cts|md|markdown|flow)$/i.test(path)) return true;
  // Deno wants the folder of a binary for another C library, though nothing loads it.
  if (name.endsWith("-musl")) return /\.(so|node)$/.test(path);
  if (name === "webgpu") return /^dist\/(?!linux-x64\/)[\w-]+\//.test(path);
  // The tests take its plain form for the CPU.
  if (name === "onnxruntime-web") {
    return /\.(jsep|asyncify|jspi)\.|^dist\/ort\.(all|webgl|webgpu|jspi)/.test(path);
  }
  if (name === "@tensorflow/tfjs" || name.startsWith("@tensorflow/tfjs-")) {
    return /(^|\/)(miniprogram|src|demos)\//.test(path);
  }
  return false;
}
