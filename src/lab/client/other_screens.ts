/** The screens besides Train: a script of its own, loaded when one of them is opened. */

export { exercise } from "./screens/exercises.ts";
export { ladders } from "./screens/ladders.ts";
export { save } from "./screens/save.ts";
export { selftest } from "./screens/selftest.ts";
export { step } from "./screens/step.ts";
export { user } from "./screens/user.ts";
