export * from "../src/selftest/op_batches.ts";
