import { quoted } from '../../common/text.ts';

/**
 * The listeners on which a worker must have accepted a probe: `auto` and true mean all steered listeners; with `auto`
 * there may be none.
 */
export type Accept = 'auto' | boolean | readonly string[];

/** One problem; `index` if it concerns an item of the list. */
export interface AcceptProblem {
  readonly index: number | null;
  readonly problem: string;
}

const KEYWORDS = new Map<string, Accept>([
  ['auto', 'auto'],
  ['true', true],
  ['false', false],
]);

/** Parses `true`, `false`, `auto`, or names of listeners. */
export function parseAccept(
  written: unknown,
): { readonly value: Accept } | { readonly problems: AcceptProblem[] } {
  if (Array.isArray(written)) return parseNames(written);
  const value = KEYWORDS.get(String(written));
  if (value !== undefined) return { value };
  const problem = `must be true, false or a list of listeners, not ${quoted(String(written))}`;
  return { problems: [{ index: null, problem }] };
}

function parseNames(written: readonly unknown[]) {
  if (written.length === 0) return { problems: [{ index: null, problem: 'is an empty list: write false' }] };
  const problems: AcceptProblem[] = [];
  const names: string[] = [];
  for (const [index, name] of written.entries()) {
    if (typeof name !== 'string') problems.push({ index, problem: 'must be the name of a listener' });
    else if (names.includes(name)) problems.push({ index, problem: `duplicate ${quoted(name)}` });
    else names.push(name);
  }
  return problems.length > 0 ? { problems } : { value: names };
}
