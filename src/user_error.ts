/**
 * A problem that the user can fix: a missing file, a wrong option, a faulty row. The message tells what was expected, what
 * was found and what to do; the command line prints it alone, without a stack trace.
 */
export class UserError extends Error {
  /** Prefix of the message where the error is printed whole. */
  override readonly name = "UserError";
}
