export * from "../src/selftest/pw_batches.ts";
