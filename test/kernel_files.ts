/** Files in kernels/, a folder per family. A number in a name marks a version of a kernel (ladder step). */

const kernels = new URL("../kernels/", import.meta.url);

/** Kinds of kernels: of the program, earlier steps of ladders, probes of adapters, and exercises. */
export type KernelKind = "shipped" | "steps" | "probe" | "exercises";

/** @returns paths relative to kernels/ */
export function listKernelFiles(...kinds: readonly KernelKind[]): string[] {
  return [...Deno.readDirSync(kernels)].filter(({ isDirectory }) => isDirectory)
    .flatMap(({ name }) =>
      [...Deno.readDirSync(new URL(`${name}/`, kernels))].map((file) => `${name}/${file.name}`)
    )
    .filter((path) => path.endsWith(".wgsl") && kinds.includes(getKernelKind(path))).sort();
}

function getKernelKind(path: string): KernelKind {
  const [folder] = path.split("/");
  if (folder === "probe" || folder === "exercises") return folder;
  return /_\d+_/.test(path) ? "steps" : "shipped";
}

/** Returns the path relative to kernels/. @throws Error for a kernel that is neither shipped nor a step */
export function findKernel(name: string): string {
  const path = listKernelFiles("shipped", "steps").find((path) => getKernelName(path) === name);
  if (path === undefined) throw new Error(`kernels/ has no ${name}.wgsl`);
  return path;
}

export function readKernel(path: string): string {
  return Deno.readTextFileSync(new URL(path, kernels));
}

export function getKernelName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.wgsl$/, "");
}

export function listKernelNames(...kinds: readonly KernelKind[]): string[] {
  return listKernelFiles(...kinds).map(getKernelName).sort();
}

export function isForCpu(path: string): boolean {
  return /^\/\/ For {2,}a CPU adapter/m.test(readKernel(path));
}

export function readHeader(path: string): string {
  const text = readKernel(path);
  return text.slice(0, text.search(/^(?!\/\/)/m));
}
