/** The version of the driver behind an adapter: WebGPU does not tell, but the file system does in common cases. */

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
        const version = await mesaVersion(library);
        if (version) return version;
      }
    }
  } catch {
    // Not this system, or not for us to read: it stays unknown.
  }
  return "unknown";
}

/** A Mesa library carries its version as text, "Mesa 25.0.7-2+deb13u1" or the like. */
async function mesaVersion(library: string): Promise<string | undefined> {
  const folders = library.startsWith("/")
    ? [""]
    : ["/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/", "/usr/lib/", "/usr/lib64/"];
  for (const folder of folders) {
    try {
      const text = new TextDecoder("latin1").decode(await Deno.readFile(folder + library));
      const version = text.match(/Mesa \d+\.\d+\.\d+[-+\w.]*/);
      // A copy: V8 makes a match a part of the text, and the text would stay as long as it, 20 MB.
      if (version) return new TextDecoder().decode(new TextEncoder().encode(version[0]));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}
