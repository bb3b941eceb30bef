import { type Parsed, quoted } from '../../common/text.ts';

/** The limits of setrlimit(2), in lower case and without RLIMIT_. */
export const LIMIT_NAMES = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
] as const;

export type LimitValue = number | 'unlimited';

/** A limit in its own unit: bytes, seconds, descriptors. */
export interface Limit {
  readonly soft: LimitValue;
  readonly hard: LimitValue;
}

/** Parses a number for both limits, or `soft:hard`. Either may be `unlimited`. */
export function parseLimit(text: string): Parsed<Limit> {
  const match = /^(\d+|unlimited)(?::(\d+|unlimited))?$/.exec(text);
  if (match === null)
    return { problem: `${quoted(text)} is not a limit: write a number, soft:hard, or unlimited` };
  const soft = value(match[1] ?? '');
  const hard = match[2] === undefined ? soft : value(match[2]);
  if (rank(soft) > rank(hard)) return { problem: `${quoted(text)}: the soft limit is above the hard one` };
  if ([soft, hard].some((one) => one !== 'unlimited' && !Number.isSafeInteger(one))) {
    return { problem: `${quoted(text)} is too large: write unlimited` };
  }
  return { value: { soft, hard } };
}

export function formatLimit(limit: Limit): string {
  return limit.soft === limit.hard ? String(limit.soft) : `${limit.soft}:${limit.hard}`;
}

function value(text: string): LimitValue {
  return text === 'unlimited' ? text : Number(text);
}

function rank(limit: LimitValue): number {
  return limit === 'unlimited' ? Number.POSITIVE_INFINITY : limit;
}
