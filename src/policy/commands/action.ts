/** What a subcommand of `policy` ends by: it does what it says, and its result is the exit code. */
export type PolicyAction = (run: () => Promise<number>) => Promise<void>;
