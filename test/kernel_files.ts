/** The files of kernels/: a folder a family of kernels. One with a number in its name is a step of a ladder. */

const kernels = new URL("../kernels/", import.meta.url);

/** Those of the program, the ladders' steps before them, what measures the adapter, and what a reader fills in. */
export type KernelKind = "shipped" | "steps" | "probe" | "exercises";

/** @returns paths within kernels/ */
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

/** Where its file is, within kernels/. @throws Error for a kernel that is not shipped and no step. */
export function findKernelPath(name: string): string {
  const path = listKernelFiles("shipped", "steps").find((path) => getKernelName(path) === name);
  if (path === undefined) throw new Error(`kernels/ has no ${name}.wgsl`);
  return path;
}

/** @param path within kernels/ */
export function readKernelFile(path: string): string {
  return Deno.readTextFileSync(new URL(path, kernels));
}

/** The name of the kernel in a file. */
export function getKernelName(path: string): string {
  return path.replace(/^.*\//, "").replace(/\.wgsl$/, "");
}

/** Names of all kernels of some kinds. */
export function listKernelNames(...kinds: readonly KernelKind[]): string[] {
  return listKernelFiles(...kinds).map(getKernelName).sort();
}

/** Whether a kernel is for adapters that are a CPU alone: its header says so. @param path within kernels/ */
export function isForCpu(path: string): boolean {
  return /^\/\/ For {2,}a CPU adapter/m.test(readKernelFile(path));
}

/** The comment that a kernel's text begins with. @param path within kernels/ */
export function readHeader(path: string): string {
  const text = readKernelFile(path);
  return text.slice(0, text.search(/^(?!\/\/)/m));
}

/**
 * What follows a label: up to the next label of its line, or with the lines that continue it.
 * @returns undefined without the label.
 */
export function findHeaderPart(path: string, label: string): string | undefined {
  const found = readHeader(path).match(
    new RegExp(`(?:^// | {3})${label} {2,}(.+?)(?= {3,}[A-Z]|$)((?:\\n// {2,}.*)*)`, "m"),
  );
  return found ? `${found[1]}${found[2]}` : undefined;
}
