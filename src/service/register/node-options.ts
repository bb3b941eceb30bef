/**
 * The one token of NODE_OPTIONS that loads a CommonJS module first. Two tokens would break children when one of them
 * is removed. `--require`, because any `--import` makes Node 20 load the program itself through the ES module loader,
 * which knows no `.ts` of `-r ts-node/register`. Node splits NODE_OPTIONS at spaces outside double quotes, in which a
 * backslash escapes (ParseNodeOptionsEnvVar, src/node_options.cc).
 */
export function requireToken(path: string): string {
  return `--require=${/[ "\\]/.test(path) ? `"${path.replace(/["\\]/g, '\\$&')}"` : path}`;
}

/** The same for a module that is loaded by its URL. */
export function importToken(url: string): string {
  return `--import=${url}`;
}

/** NODE_OPTIONS with that token at its end, once. */
export function withToken(options: string | undefined, token: string): string {
  const rest = withoutToken(options ?? '', token);
  return rest === '' ? token : `${rest} ${token}`;
}

/** NODE_OPTIONS without that token; whatever else is in it stays as it is. */
export function withoutToken(options: string, token: string): string {
  const at = ` ${options} `.indexOf(` ${token} `);
  if (at < 0) return options;
  const before = options.slice(0, at);
  const after = options.slice(at + token.length);
  // One of the two spaces next to the token is removed with it.
  return before === '' ? after.trimStart() : before.slice(0, -1) + after;
}
