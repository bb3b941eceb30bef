import type { Finding, Path } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';
import { handoverRules } from './handover.ts';
import { listenerRules } from './listeners.ts';
import { adminRules, overlapRules } from './overlap.ts';
import { readinessRules } from './readiness.ts';
import { restartRules, runtimeRules } from './runtime.ts';
import { SteeredListeners } from './steered-listeners.ts';

/** All rules that concern more than one key. `given` returns whether the file itself contains a key. */
export function checkRules(config: ConfigParts, given: (path: Path) => boolean): Finding[] {
  const listeners = new SteeredListeners(config);
  return [
    ...adminRules(config),
    ...listenerRules(config, given),
    ...overlapRules(config),
    ...runtimeRules(config),
    ...readinessRules(config, listeners),
    ...handoverRules(config, listeners),
    ...restartRules(config),
  ];
}
