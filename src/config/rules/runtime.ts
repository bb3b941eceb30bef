import { type Finding, wrongValue } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';
import { formatDuration } from '../values/duration.ts';
import { quoted } from '../values/parsed.ts';
import { duplicates } from './duplicates.ts';

const RUNTIME = ['service', 'runtime'];

/** Variables, protocols and signals once each. */
export function runtimeRules(config: ConfigParts): Finding[] {
  const { environment = [], protocols = [], forward_signals = [] } = config.service?.runtime ?? {};
  return [
    ...duplicates(
      environment.map((variable, index) => ({
        path: [...RUNTIME, 'environment', index, 'key'],
        value: variable?.key,
      })),
      (name, first) => `${quoted(name)} is the variable at ${first} already`,
    ),
    ...duplicates(
      protocols.map((value, index) => ({ path: [...RUNTIME, 'protocols', index], value })),
      (name) => `${name} is in the list already`,
    ),
    ...duplicates(
      forward_signals.map((value, index) => ({ path: [...RUNTIME, 'forward_signals', index], value })),
      (name) => `${name} is in the list already`,
    ),
    ...forwardRules(config, forward_signals),
  ];
}

function forwardRules(config: ConfigParts, signals: readonly (string | undefined)[]): Finding[] {
  const reload = config.service?.options?.reload_signal;
  return signals.flatMap((name, index) =>
    name === undefined || name !== reload
      ? []
      : [wrongValue([...RUNTIME, 'forward_signals', index], `cannot be ${name}: it is the reload_signal`)],
  );
}

/** The pauses between restarts grow from `initial` to `max`. */
export function restartRules(config: ConfigParts): Finding[] {
  const { initial, max } = config.service?.restart?.backoff ?? {};
  if (initial === undefined || max === undefined || initial <= max) return [];
  const problem = `${formatDuration(max)} is shorter than initial, ${formatDuration(initial)}`;
  return [wrongValue(['service', 'restart', 'backoff', 'max'], problem)];
}
