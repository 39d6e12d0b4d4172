/** Scripts that are loaded when they are first wanted. */

declare global {
  /** Their text: the page carries it, and gives it to its worker. */
  var laterScripts: Readonly<Record<"kernels" | "reader", string>>;
}

/** In the page or in its worker, each of which makes an address of its own. @returns the module: the caller says which */
export async function loadScript<Module>(name: keyof typeof laterScripts): Promise<Module> {
  const url = URL.createObjectURL(new Blob([laterScripts[name]], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
