export * from "../src/selftest/small_logs.ts";
