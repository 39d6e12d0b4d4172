export * from "../src/selftest/q_reference.ts";
