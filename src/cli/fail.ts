/** How a command ends: its exit code, and what is said when it fails. */

import { UserError } from "../user_error.ts";
import { watchLauncher } from "./launcher_watch.ts";

/** Exit code of a mistake or condition that the user can put right. */
export const EXIT_USER_ERROR = 1;
/** Exit code of a fault in the program (EX_SOFTWARE of sysexits.h). */
export const EXIT_FAULT = 70;

/** Runs a command to its end and leaves the process with its exit code (0 unless `main` returns another). */
export async function runMain(main: () => Promise<number | void>): Promise<never> {
  watchLauncher();
  Deno.exit(await exitCodeOf(main, (text) => console.error(text)));
}

/** The exit code of a command; what went wrong is told to `report`. */
export async function exitCodeOf(
  main: () => Promise<number | void>,
  report: (text: string) => void,
): Promise<number> {
  try {
    return (await main()) ?? 0;
  } catch (error) {
    if (error instanceof UserError) {
      report(`error: ${error.message}`);
      return EXIT_USER_ERROR;
    }
    report(error instanceof Error ? error.stack ?? error.message : String(error));
    report("This is a fault in the program, not in how you used it: please report it with the lines above.");
    return EXIT_FAULT;
  }
}
