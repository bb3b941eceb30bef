/** The one token of NODE_OPTIONS that loads a module first. Two tokens would break children when one of them is taken away. */
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
  // Of the spaces beside it one goes with it.
  return before === '' ? after.trimStart() : before.slice(0, -1) + after;
}
