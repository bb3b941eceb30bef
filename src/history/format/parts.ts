import * as z from 'zod/mini';

/*
 * Parts of the schemas of every version. Each is a function: a schema takes memory, so it is made for one reading of
 * the file.
 */

export const time = () => z.string().check(z.refine((text) => !Number.isNaN(Date.parse(text))));
/** The number of a generation or of a handover. */
export const count = () => z.int().check(z.positive());
export const path = () => z.string().check(z.startsWith('/'));
/** SHA-256 in hex. It names a directory, so it must never be a path. */
export const hash = () => z.string().check(z.regex(/^[0-9a-f]{64}$/));
export const reason = () => z.object({ step: z.string(), reason: z.string() });

/** The executable of a generation. `size` is in bytes. */
export const executable = () => ({
  path: path(),
  args: z.array(z.string()),
  directory: path(),
  kind: z.enum(['program', 'script', 'interpreter']),
  device: z.number(),
  inode: z.number(),
  size: z.number(),
  mtime_ms: z.number(),
});

/** The end of a handover. */
export const result = () => ({
  handover: count(),
  outcome: z.string(),
  generation: z.nullable(count()),
  incumbent: z.nullable(count()),
});
