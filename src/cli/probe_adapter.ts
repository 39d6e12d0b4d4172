/**
 * Prints the WebGPU adapter as one line of JSON: {description, software}, or null without an adapter. Runs in
 * its own process, because a process caches its first adapter, and a broken driver may crash the process.
 */

const adapter = await navigator.gpu?.requestAdapter() ?? null;
if (adapter === null) {
  console.log("null");
} else {
  const { description, vendor, device, isFallbackAdapter } = adapter.info;
  const name = description || `vendor ${vendor}, device ${device}`;
  console.log(JSON.stringify({ description: name, software: isFallbackAdapter }));
}
