/** What is asked of an adapter, and what is said of one that has less. No device is made. */

import assert from "node:assert/strict";
import { openDevice } from "../../src/gpu/device.ts";
import { askedLimits, LEAST, type LimitName } from "../../src/gpu/limits.ts";
import { MAX_CHUNKS } from "../../src/gpu/sizes.ts";
import { thousands } from "../../src/thousands.ts";
import { UserError } from "../../src/user_error.ts";

const names = Object.keys(LEAST) as LimitName[];

Deno.test("WebGPU's defaults are enough, and no more is asked for than the kernels use", () => {
  assert.deepEqual(askedLimits(LEAST, "x"), LEAST);
  const large = Object.fromEntries(names.map((name) => [name, 2 ** 31])) as Record<LimitName, number>;
  const more = { maxBufferSize: 2 ** 31, maxComputeWorkgroupStorageSize: 32768 };
  assert.deepEqual(askedLimits(large, "x"), { ...LEAST, ...more });
  assert.equal(
    askedLimits(large, "x", { maxComputeWorkgroupStorageSize: 16384 }).maxComputeWorkgroupStorageSize,
    16384,
  );
});

Deno.test("an adapter with less than WebGPU's defaults is refused before a device is made, by the limit's name", async () => {
  for (const short of names) {
    const limits = { ...LEAST, [short]: LEAST[short] - 1 };
    const info = {
      vendor: "acme",
      architecture: "one",
      device: "",
      description: "",
      isFallbackAdapter: false,
    };
    const adapter = {
      info,
      limits,
      features: new Set(),
      requestDevice: () => assert.fail("it was asked for a device"),
    };
    const gpu = { requestAdapter: () => Promise.resolve(adapter) } as unknown as GPU;
    await assert.rejects(openDevice({}, gpu), (error) => {
      assert.ok(error instanceof UserError, String(error));
      assert.match(error.message, /acme one, which has less: /);
      assert.match(error.message, /Use another adapter/);
      assert.deepEqual(names.filter((name) => error.message.includes(`${name} of at least`)), [short]);
      return true;
    });
  }
});

Deno.test("where there is no adapter, each host says what to do", async () => {
  const none = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;
  await assert.rejects(openDevice({}, none), /found none\. Use a current Chrome/);
  await assert.rejects(openDevice({ withoutAdapter: "Plug one in." }, none), /found none\. Plug one in\./);
});

Deno.test("the page says how many weights outside of tables fit: partial sums of all of them are one binding", async () => {
  const most = LEAST.maxStorageBufferBindingSize / (4 * MAX_CHUNKS);
  const page = (await Deno.readTextFile("README.md")).replace(/\s+/g, " ");
  assert.ok(page.includes(`${MAX_CHUNKS} gradients of all weights outside of tables`));
  assert.ok(page.includes(thousands(most)));
});
