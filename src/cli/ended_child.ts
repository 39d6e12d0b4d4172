/** What the launcher says of a command that did not end by itself: killed, or fallen with the graphics driver. */

/** Signals that somebody sent to end it. */
const ASKED_FOR: readonly Deno.Signal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

const CAUSES: Partial<Record<Deno.Signal, string>> = {
  SIGKILL: "it was killed, by somebody or by the system when memory ran out",
  SIGABRT: "it aborted: memory ran out, or the graphics driver found a fault",
  SIGTRAP: "it aborted, most likely because its memory ran out",
  SIGSEGV: "it crashed, most likely in the graphics driver",
  SIGBUS: "it crashed: a full disk or faulty memory can be the cause",
  SIGILL: "it crashed: this processor lacks an instruction that the driver uses",
  SIGXFSZ: "it wrote a file larger than the system allows",
  SIGXCPU: "its processor time is used up",
};

/**
 * @param command of the launcher.
 * @param resumed the arguments that go on with what was begun, quoted; undefined where they are not known.
 * @returns undefined when there is nothing to say: it told its own end, or was asked to end.
 */
export function endOfChild(
  command: string,
  signal: Deno.Signal | null,
  resumed: string | undefined,
): string | undefined {
  if (signal === null || ASKED_FOR.includes(signal)) return undefined;
  const cause = CAUSES[signal] ?? "the system ended it";
  return `error: ${command} was ended by ${signal}: ${cause}. ${remedy(command, resumed)}`;
}

function remedy(command: string, resumed: string | undefined): string {
  switch (command) {
    case "train":
      return "What was saved is whole. Go on with: deno task train " +
        (resumed ?? "--resume and the folder that it named above");
    case "reproduce":
    case "tune":
      return "What was saved is whole. Go on with the same command.";
    case "data":
      return "No data set was written. Start it again, with a smaller --memory if memory ran out.";
    default:
      return "Nothing was changed. Start it again.";
  }
}
