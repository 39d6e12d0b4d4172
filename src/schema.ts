/**
 * Schemas of what comes from outside, with messages in English: the small form of zod, so that a page can carry it. What runs
 * on a host alone may use the large form; each takes schemas of the other.
 */

import { config } from "zod/mini";
import { en } from "zod/locales";

config(en());

export * from "zod/mini";
