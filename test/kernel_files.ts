/** The files of kernels/, by folder. */

const kernels = new URL("../kernels/", import.meta.url);

/** Where those of the program stand: the GPU's way, and the CPU driver's. */
export const SHIPPED = ["", "cpu/"] as const;

/** @param folder within kernels/, with a slash at its end. @returns paths within kernels/ */
export function kernelFiles(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, kernels))].filter(({ name }) => name.endsWith(".wgsl"))
    .map(({ name }) => folder + name).sort();
}

/** The name of the kernel in a file. */
export function kernelName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.wgsl$/, "");
}

/** Names of all kernels in some folders. */
export function kernelNames(...folders: readonly string[]): string[] {
  return folders.flatMap(kernelFiles).map(kernelName).sort();
}
