/** The version of the driver behind an adapter: WebGPU does not tell, but the file system does in common cases. */

import { Buffer } from "node:buffer";

const MESA_MANIFESTS = "/usr/share/vulkan/icd.d";

/** E.g. "Mesa 25.0.7" for llvmpipe or "NVIDIA 550.54.14"; "unknown" where it cannot be found out. */
export async function driverVersion(adapter: string): Promise<string> {
  try {
    if (/nvidia/i.test(adapter)) {
      const text = await Deno.readTextFile("/proc/driver/nvidia/version");
      const version = text.match(/\b\d+\.\d+(\.\d+)?\b/);
      if (version) return `NVIDIA ${version[0]}`;
    }
    if (/llvmpipe/i.test(adapter)) {
      for await (const { name } of Deno.readDir(MESA_MANIFESTS)) {
        if (!name.startsWith("lvp_icd")) continue;
        const manifest = await Deno.readTextFile(`${MESA_MANIFESTS}/${name}`);
        const library: unknown = JSON.parse(manifest)?.ICD?.library_path;
        if (typeof library !== "string") continue;
        const version = mesaVersion(library);
        if (version) return version;
      }
    }
  } catch {
    // Not this system, or not for us to read: it stays unknown.
  }
  return "unknown";
}

/** A Mesa library carries its version as text, "Mesa 25.0.7-2+deb13u1" or the like. */
function mesaVersion(library: string): string | undefined {
  const folders = library.startsWith("/")
    ? [""]
    : ["/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/", "/usr/lib/", "/usr/lib64/"];
  for (const folder of folders) {
    try {
      const version = versionIn(folder + library);
      if (version) return version;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

const NAME = "Mesa ";
const VERSION = /^Mesa \d+\.\d+\.\d+[-+\w.]*/;
const LONGEST = 64;
const CHUNK = 1 << 18;

/** Looks for it a part of the file at a time: as one text, its 20 MB take several times as long, at the start of every run. */
export function versionIn(path: string): string | undefined {
  using file = Deno.openSync(path);
  const bytes = Buffer.alloc(CHUNK);
  let kept = 0; // of the part before: the text may begin there
  let cutOff: string | undefined;
  for (;;) {
    const read = file.readSync(bytes.subarray(kept));
    if (read === null) return cutOff;
    const size = kept + read;
    const part = bytes.toString("latin1", 0, size); // strings are searched ten times as fast as bytes
    for (let at = part.indexOf(NAME); at >= 0; at = part.indexOf(NAME, at + 1)) {
      const [version] = part.slice(at, at + LONGEST).match(VERSION) ?? [];
      if (version && at + LONGEST <= size) return version;
      cutOff = version ?? cutOff;
    }
    kept = Math.min(LONGEST, size);
    bytes.copyWithin(0, size - kept, size);
  }
}
