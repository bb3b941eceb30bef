/** A position in the config: keys and list indexes from the root. */
export type Path = readonly (string | number)[];

/** A problem whose position in the file is not known yet. */
export interface Finding {
  readonly path: Path;
  /** Whether the finding is about the key itself or about its value. */
  readonly about: 'key' | 'value';
  /** A phrase about the value at the path, or, if not `named`, a sentence that needs no path. */
  readonly message: string;
  readonly named: boolean;
}

/** The message with the path in front if it needs one. */
export function findingMessage({ path, message, named }: Finding): string {
  return named && path.length > 0 ? `${formatPath(path)}: ${message}` : message;
}

/** `service.listeners[0].address` */
export function formatPath(path: Path): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${part}`))
    .join('');
}

/** A finding about a value. */
export function wrongValue(path: Path, problem: string): Finding {
  return { path, about: 'value', message: problem, named: true };
}

/** A finding about a key that is not allowed there. */
export function wrongKey(path: Path, problem: string): Finding {
  return { path, about: 'key', message: problem, named: true };
}

/** The plain value at this path; undefined if there is none. */
export function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** One finding for each value that already occurs earlier. Undefined values are ignored. */
export function duplicates<T>(
  values: readonly { readonly path: Path; readonly value: T | undefined }[],
  problem: (value: T, first: string) => string,
): Finding[] {
  const first = new Map<T, Path>();
  const findings: Finding[] = [];
  for (const { path, value } of values) {
    if (value === undefined) continue;
    const earlier = first.get(value);
    if (earlier === undefined) first.set(value, path);
    else findings.push(wrongValue(path, problem(value, formatPath(earlier))));
  }
  return findings;
}
