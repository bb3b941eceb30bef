import { formatDuration } from '../../common/duration.ts';
import { quoted } from '../../common/text.ts';
import { duplicates, type Finding, wrongKey, wrongValue } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';

const RUNTIME = ['service', 'runtime'];

/** Variables, protocols, signals and capabilities must be unique. */
export function runtimeRules(config: ConfigParts): Finding[] {
  const { environment = [], protocols = [], forward_signals = [], ...rest } = config.service?.runtime ?? {};
  const { capabilities = [], user } = rest;
  return [
    ...duplicates(
      environment.map((variable, index) => ({
        path: [...RUNTIME, 'environment', index, 'key'],
        value: variable?.key,
      })),
      (name, first) => `duplicate variable ${quoted(name)}: ${first} has it too`,
    ),
    ...duplicates(
      protocols.map((value, index) => ({ path: [...RUNTIME, 'protocols', index], value })),
      (name) => `duplicate ${name}`,
    ),
    ...duplicates(
      forward_signals.map((value, index) => ({ path: [...RUNTIME, 'forward_signals', index], value })),
      (name) => `duplicate ${name}`,
    ),
    ...duplicates(
      capabilities.map((value, index) => ({ path: [...RUNTIME, 'capabilities', index], value: value?.name })),
      (name) => `duplicate ${name}`,
    ),
    ...rootRules(user, capabilities.length),
    ...forwardRules(config, forward_signals),
  ];
}

/** execve(2) gives root every capability of its bounding set (capabilities(7)), so a list would have no effect. */
function rootRules(user: string | undefined, count: number): Finding[] {
  if (count === 0 || (user !== 'root' && user !== '0')) return [];
  return [wrongKey([...RUNTIME, 'capabilities'], 'has no effect for root: set user to another user')];
}

function forwardRules(config: ConfigParts, signals: readonly (string | undefined)[]): Finding[] {
  const reload = config.service?.options?.reload_signal;
  return signals.flatMap((name, index) =>
    name === undefined || name !== reload
      ? []
      : [wrongValue([...RUNTIME, 'forward_signals', index], `cannot be ${name}: it is the reload_signal`)],
  );
}

/** The pauses between restarts increase from `initial` to `max`. */
export function restartRules(config: ConfigParts): Finding[] {
  const { initial, max } = config.service?.restart?.backoff ?? {};
  if (initial === undefined || max === undefined || initial <= max) return [];
  const problem = `${formatDuration(max)} is shorter than initial, ${formatDuration(initial)}`;
  return [wrongValue(['service', 'restart', 'backoff', 'max'], problem)];
}
