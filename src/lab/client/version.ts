/** The version of clickgan: the bundler puts it here, see build.ts. */

declare const CLICKGAN_VERSION: string;

export const version: string = CLICKGAN_VERSION;
