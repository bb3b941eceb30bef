const MARK = '[redacted]';
// Shorter values (`1`, `on`, `C`) occur everywhere and hide nothing.
const MIN_LENGTH = 4;
// The output of a program that prints its environment.
const ASSIGNMENT = /\b([A-Za-z_][A-Za-z0-9_.]*)=(?:"[^"]*"|'[^']*'|\S+)/g;

/**
 * Variables that describe a login (environ(7), locale(7)). Their values are words and paths such as `root` and `/srv`,
 * which are in every text.
 */
const PUBLIC =
  /^(?:HOME|HOSTNAME|LANG|LANGUAGE|LC_[A-Z]+|LOGNAME|OLDPWD|PATH|PWD|SHELL|SHLVL|TERM|TMPDIR|TZ|USER)$/;

/** The values of an environment that must not be repeated. */
export function secretsOf(environment: ReadonlyMap<string, Buffer>): string[] {
  return [...environment].flatMap(([name, value]) => (PUBLIC.test(name) ? [] : [value.toString()]));
}

/** Replaces text that must not leave the machine. */
export type Redact = (text: string) => string;

/**
 * Replaces every secret of at least four characters by `[redacted]`, and each line of a multi-line secret, because
 * output is checked line by line. Replaces the value of `NAME=value` too: the name may be a variable that is not
 * listed.
 */
export function createRedact(secrets: readonly string[]): Redact {
  const parts = secrets.flatMap((secret) => [secret, ...secret.split(/[\r\n]+/)]);
  // The longest first: a secret that is part of a longer one would otherwise expose the rest of it.
  const wanted = [...new Set(parts.map((part) => part.trim()))]
    .filter((part) => part.length >= MIN_LENGTH)
    .sort((one, other) => other.length - one.length);
  return (text) => {
    let clean = text;
    for (const secret of wanted) clean = clean.replaceAll(secret, MARK);
    return clean.replace(ASSIGNMENT, `$1=${MARK}`);
  };
}

/** The same plain data with every string redacted, except the names of keys. */
export function redactAll(value: unknown, redact: Redact): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map((item) => redactAll(item, redact));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redactAll(item, redact)]));
}
