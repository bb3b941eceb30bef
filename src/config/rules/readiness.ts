import { type Finding, wrongValue } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';
import type { SteeredListeners } from './steered-listeners.ts';
import { listenerProblem, targetRules } from './target.ts';

const READINESS = ['service', 'readiness'];

/** Gates and checks must reach only the new generation. */
export function readinessRules(config: ConfigParts, listeners: SteeredListeners): Finding[] {
  const { http, tcp } = config.service?.readiness ?? {};
  return [
    ...acceptRules(config, listeners),
    ...notifyRules(config),
    ...targetRules(config, [...READINESS, 'http'], http, listeners),
    ...targetRules(config, [...READINESS, 'tcp'], tcp, listeners),
    ...targetRules(
      config,
      ['service', 'handover', 'verify', 'http'],
      config.service?.handover?.verify?.http,
      listeners,
    ),
    ...targetRules(config, ['service', 'liveness', 'http'], config.service?.liveness?.http, listeners),
  ];
}

/** Both gates wait for messages on the socket in NOTIFY_SOCKET. */
function notifyRules({ service }: ConfigParts): Finding[] {
  if (service?.runtime?.protocols?.includes('notify') !== false) return [];
  const problem = 'needs notify in service.runtime.protocols';
  return [
    ...(service.readiness?.notify ? [wrongValue([...READINESS, 'notify'], problem)] : []),
    ...(service.liveness?.watchdog ? [wrongValue(['service', 'liveness', 'watchdog'], problem)] : []),
  ];
}

function acceptRules(config: ConfigParts, listeners: SteeredListeners): Finding[] {
  const accept = config.service?.readiness?.accept;
  const path = [...READINESS, 'accept'];
  if (accept === true) {
    const reason = listeners.nothing();
    return reason === null ? [] : [wrongValue(path, `true is not possible: ${reason}`)];
  }
  if (typeof accept !== 'object') return [];
  return accept.flatMap((name, index) => {
    const problem = name === undefined ? null : listenerProblem(name, listeners);
    return problem === null ? [] : [wrongValue([...path, index], problem)];
  });
}
