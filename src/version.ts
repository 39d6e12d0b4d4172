/** Version of clickgan, which is recorded in every run. */
import config from "../deno.json" with { type: "json" };

export const version: string = config.version;
