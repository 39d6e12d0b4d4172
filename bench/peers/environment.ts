/** The environment of a peer's process: this one's, without what would slow the peer. */

/**
 * Some machines set these for other programs' sake, to kernels or a cache that are not the processor's. OpenBLAS, whose
 * matrix products PyTorch uses, is to choose by itself.
 */
const LEFT_OUT = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/** @param own variables of the peer, which count. It is the whole environment: start the process with `clearEnv`. */
export function peerEnvironment(own: Readonly<Record<string, string>>): Record<string, string> {
  const around = Object.entries(Deno.env.toObject()).filter(([name]) =>
    !LEFT_OUT.includes(name.toUpperCase())
  );
  return { ...Object.fromEntries(around), ...own, NO_COLOR: "1" };
}
