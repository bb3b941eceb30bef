import { type Address, isStream, overlaps } from '../address.ts';
import { type Finding, formatPath, wrongValue } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';
import { quoted } from '../values/parsed.ts';

/** A gate's address can be connected to, and only the new generation answers there. */
export function readinessRules(config: ConfigParts): Finding[] {
  const { http, tcp } = config.service?.readiness ?? {};
  return [...gateRules(config, 'http', http?.address), ...gateRules(config, 'tcp', tcp?.address)];
}

function gateRules(config: ConfigParts, gate: string, address: Address | undefined): Finding[] {
  if (address === undefined) return [];
  const path = ['service', 'readiness', gate, 'address'];
  const text = quoted(address.text);
  if (!isStream(address))
    return [wrongValue(path, `${text} takes no connections: write a tcp or unix address`)];
  if (address.kind === 'inet' && address.port === 0)
    return [wrongValue(path, `${text}: nobody can connect to port 0`)];
  const listeners = config.service?.listeners ?? [];
  const index = listeners.findIndex(
    (listener) => listener?.address !== undefined && overlaps(listener.address, address),
  );
  if (index === -1) return [];
  const listener = formatPath(['service', 'listeners', index]);
  return [
    wrongValue(
      path,
      `${text} is ${listener}, where the old generation answers as well: give the service an address of its own for this`,
    ),
  ];
}
