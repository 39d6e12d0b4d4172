export * from "../src/selftest/slate_bench.ts";
