import type { Finding, Path } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';
import { handoverRules } from './handover.ts';
import { listenerRules } from './listeners.ts';
import { adminRules, overlapRules } from './overlap.ts';
import { readinessRules } from './readiness.ts';
import { restartRules, runtimeRules } from './runtime.ts';
import { SteeredListeners } from './steered-listeners.ts';

/** What no single key can tell: every rule between keys. `given` says whether the file has a key itself. */
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
