/** What the screen "Look inside a step" shows of a step: a script of its own, loaded when one was measured. */

export { showStep } from "./screens/step/show_step.ts";
