/**
 * Prints what adapter WebGPU finds, as one line of JSON: {description, software}, or null for none.
 *
 * A program of its own because a process that has looked once keeps the answer, and because a broken driver may take
 * the process down with it.
 */

const adapter = await navigator.gpu?.requestAdapter() ?? null;
if (adapter === null) {
  console.log("null");
} else {
  const { description, vendor, device, isFallbackAdapter } = adapter.info;
  const name = description || `vendor ${vendor}, device ${device}`;
  console.log(JSON.stringify({ description: name, software: isFallbackAdapter }));
}
