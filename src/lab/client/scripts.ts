/** Scripts that are loaded on first use. */

declare global {
  /** Script texts, which the page stores and passes to its worker. */
  var laterScripts: Readonly<Record<"kernels" | "reader", string>>;
}

/** Loads a script in the page or its worker and returns its module, whose type the caller names. */
export async function loadScript<Module>(name: keyof typeof laterScripts): Promise<Module> {
  const url = URL.createObjectURL(new Blob([laterScripts[name]], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
