/**
 * A problem that the user can solve: a missing file, a wrong option, a faulty row. The message says what was
 * expected, what was found and what to do. Commands print the message alone, without a stack trace.
 */
export class UserError extends Error {
  /** Prefix of the message in the text of the error (`String(error)`). */
  override readonly name = "UserError";
}
