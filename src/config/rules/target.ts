import { quoted } from '../../common/text.ts';
import { type Address, isStream, overlaps } from '../address.ts';
import { nearMiss } from '../near-miss.ts';
import { type Finding, formatPath, type Path, wrongValue } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';
import type { SteeredListeners } from './steered-listeners.ts';

/** A probe must use a steered listener, or an address at which only the new generation answers. */
export function targetRules(
  config: ConfigParts,
  path: Path,
  target: { readonly listener?: string | undefined; readonly address?: Address | undefined } | undefined,
  listeners: SteeredListeners,
): Finding[] {
  const { listener, address } = target ?? {};
  const problem = listener === undefined ? null : listenerProblem(listener, listeners);
  return [
    ...(problem === null ? [] : [wrongValue([...path, 'listener'], problem)]),
    ...(address === undefined ? [] : addressRules(config, [...path, 'address'], address, listeners)),
  ];
}

/** Why a probe cannot reach a single generation through this listener; null if it can. */
export function listenerProblem(name: string, { all, complete }: SteeredListeners): string | null {
  const found = all.find((listener) => listener.name === name);
  if (found) return found.shared === null ? null : `${quoted(name)} is not steered: ${found.shared}`;
  if (!complete) return null;
  const names = all.map((listener) => listener.name ?? '');
  const meant = nearMiss(name, names);
  if (meant !== undefined) return `unknown listener ${quoted(name)}: did you mean ${quoted(meant)}?`;
  if (names.length === 0) return `unknown listener ${quoted(name)}: the config has no listener`;
  return `unknown listener ${quoted(name)}: the config has ${names.map(quoted).join(', ')}`;
}

function addressRules(
  config: ConfigParts,
  path: Path,
  address: Address,
  { all }: SteeredListeners,
): Finding[] {
  const text = quoted(address.text);
  if (!isStream(address)) return [wrongValue(path, `${text} is for datagrams: write a tcp or unix address`)];
  if (address.kind === 'inet' && address.port === 0)
    return [wrongValue(path, `${text}: no client can connect to port 0`)];
  const index = (config.service?.listeners ?? []).findIndex(
    (listener) => listener?.address !== undefined && overlaps(listener.address, address),
  );
  if (index === -1) return [];
  const place = formatPath(['service', 'listeners', index]);
  const { name, shared } = all[index] ?? {};
  const advice =
    shared === null && name !== undefined
      ? `write "listener: ${name}" instead`
      : 'give the service an address of its own for this';
  return [wrongValue(path, `${text} is ${place}, where the old generation also answers: ${advice}`)];
}
