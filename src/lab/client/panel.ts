/** What the screen "Look inside a step" says of a kernel: a script of its own, loaded when a step was measured. */

export { kernelPanel } from "../draw/kernel_panel.ts";
export { owned } from "../draw/owned.ts";
