/** How a command ends: its exit code, and what is said when it fails. */

import { explainFailure } from "./explain_failure.ts";
import { watchLauncher } from "./launcher_watch.ts";
import { guardOutput, outputFailure } from "./output.ts";

/** Exit code of a mistake or condition that the user can put right. */
export const EXIT_USER_ERROR = 1;
/** Exit code of a fault in the program (EX_SOFTWARE of sysexits.h). */
export const EXIT_FAULT = 70;

/** Runs a command to its end and leaves the process with its exit code (0 unless `main` returns another). */
export async function runMain(main: () => Promise<number | void>): Promise<never> {
  watchLauncher();
  guardOutput();
  const report = (text: string) => console.error(text);
  // What fails beside the command's own course would otherwise end the process with a stack trace.
  const failBeside = (event: Event, error: unknown) => {
    event.preventDefault();
    Deno.exit(tellFailure(error, report));
  };
  globalThis.addEventListener("unhandledrejection", (event) => failBeside(event, event.reason));
  globalThis.addEventListener("error", (event) => failBeside(event, event.error));
  return endProcess(await exitCodeOf(main, report));
}

/** Leaves the process; one that was to succeed has failed if its words on standard output were lost. */
export function endProcess(code: number): never {
  const lost = outputFailure();
  if (lost === undefined) return Deno.exit(code);
  const cause = explainFailure(lost)?.message ?? String(lost);
  console.error(
    `error: standard output could not be written (${cause.replace(/^cannot use a file: /, "")}) ` +
      "Its lines were written to standard error instead: see above.",
  );
  return Deno.exit(code === 0 ? EXIT_USER_ERROR : code);
}

/** The exit code of a command; what went wrong is told to `report`. */
export async function exitCodeOf(
  main: () => Promise<number | void>,
  report: (text: string) => void,
): Promise<number> {
  try {
    return (await main()) ?? 0;
  } catch (error) {
    return tellFailure(error, report);
  }
}

/** @returns the exit code. */
function tellFailure(error: unknown, report: (text: string) => void): number {
  const known = explainFailure(error);
  if (known) {
    report(`error: ${known.message}`);
    return EXIT_USER_ERROR;
  }
  report(error instanceof Error ? error.stack ?? error.message : String(error));
  report("This is a fault in the program, not in how you used it: please report it with the lines above.");
  return EXIT_FAULT;
}
