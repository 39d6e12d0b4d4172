/** The worker as the page carries it: unpacks its script, and runs it. `src/lab/build.ts` packs it. */

import { unpack } from "../../bundle/packed_texts.ts";

/** Stands for the worker's script, see {@link import("../../bundle/kernel_texts.ts").packTexts}. */
declare const WORKER_SCRIPT: string;

const url = URL.createObjectURL(new Blob(unpack(WORKER_SCRIPT), { type: "text/javascript" }));
importScripts(url);
URL.revokeObjectURL(url);
