import { type Finding, formatPath, type Path, wrongValue } from '../path.ts';

/** One finding for every value that an earlier place has already; undefined values are not compared. */
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
