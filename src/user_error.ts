/**
 * A problem that the user can solve: a missing file, a wrong option, a faulty row. The message says what was
 * expected, what was found and what to do. Commands print the message alone, without a stack trace.
 */
export class UserError extends Error {
  /** Name that precedes the message in `String(error)`. */
  override readonly name = "UserError";
}
