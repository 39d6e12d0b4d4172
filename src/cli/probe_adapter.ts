/**
 * Prints the WebGPU adapter as one line of JSON: {description, software}, or null for none.
 *
 * It runs in a process of its own because a process caches the first answer, and because a broken driver may crash it.
 */

const adapter = await navigator.gpu?.requestAdapter() ?? null;
if (adapter === null) {
  console.log("null");
} else {
  const { description, vendor, device, isFallbackAdapter } = adapter.info;
  const name = description || `vendor ${vendor}, device ${device}`;
  console.log(JSON.stringify({ description: name, software: isFallbackAdapter }));
}
