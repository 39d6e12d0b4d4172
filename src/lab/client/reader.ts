/**
 * A script of its own: the worker loads it to read the reader's own files, the page to ask which of their columns hold what,
 * both when the first such file is given.
 */

import type { OwnFile } from "./own_file.ts";
import { type ColumnForm, columnForm } from "./reading/column_form.ts";
import { outcome, type Read } from "./reading/read_own.ts";

export { readOwn } from "./reading/read_own.ts";

/** Whether files can be used, as far as they are looked at, and what is to be asked about them. */
export function lookInto(
  files: readonly OwnFile[],
): Promise<Read<{ readonly form: ColumnForm | undefined }>> {
  return outcome(async () => ({ form: await columnForm(files) }));
}
