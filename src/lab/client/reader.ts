/**
 * A script of its own: the worker loads it to read the reader's own files, the page to ask which of their columns hold what,
 * both when the first such file is given.
 */

export { columnForm } from "./reading/column_form.ts";
export { readOwn } from "./reading/read_own.ts";
