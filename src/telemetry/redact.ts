const MARK = '[redacted]';
// Shorter values (`1`, `on`, `C`) stand everywhere and hide nothing.
const SHORTEST = 4;
// What a program that prints its environment writes.
const ASSIGNMENT = /\b([A-Za-z_][A-Za-z0-9_.]*)=(?:"[^"]*"|'[^']*'|\S+)/g;

/** Replaces what must not leave the machine. */
export type Redact = (text: string) => string;

/**
 * Replaces every secret of at least four characters by `[redacted]`, and each line of one that has several, because output is looked at line
 * by line. The value of anything that looks like `NAME=value` goes too: it may be a variable that nobody listed.
 */
export function createRedact(secrets: readonly string[]): Redact {
  const parts = secrets.flatMap((secret) => [secret, ...secret.split(/[\r\n]+/)]);
  // The longest first: a secret that is part of another would leave the rest of that one.
  const wanted = [...new Set(parts.map((part) => part.trim()))]
    .filter((part) => part.length >= SHORTEST)
    .sort((one, other) => other.length - one.length);
  return (text) => {
    let clean = text;
    for (const secret of wanted) clean = clean.replaceAll(secret, MARK);
    return clean.replace(ASSIGNMENT, `$1=${MARK}`);
  };
}

/** The same plain data with every string in it redacted; names of keys stay. */
export function redactAll(value: unknown, redact: Redact): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactAll(item, redact));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactAll(item, redact)]));
}
