import { duplicates, type Finding, type Path, wrongKey, wrongValue } from '../path.ts';
import type { ConfigParts } from '../valid-parts.ts';
import type { SteeredListeners } from './steered-listeners.ts';

const HANDOVER = ['service', 'handover'];
const STEPS = [...HANDOVER, 'canary', 'steps'];

/** Checks that the listeners support the options of the handover. */
export function handoverRules(config: ConfigParts, listeners: SteeredListeners): Finding[] {
  return [
    ...steerRules(config, listeners),
    ...modeRules(config, listeners),
    ...needRules(config, listeners),
    ...canaryRules(config),
    ...duplicates(
      (config.service?.handover?.preview_from ?? []).map((value, index) => ({
        path: [...HANDOVER, 'preview_from', index],
        value,
      })),
      (address) => `duplicate ${address}`,
    ),
  ];
}

/**
 * `steer: true` must be possible. With nginx a Unix listener is shared nevertheless, because nginx cannot be configured
 * otherwise.
 */
function steerRules(config: ConfigParts, { all, terms }: SteeredListeners): Finding[] {
  return (config.service?.listeners ?? []).flatMap((listener, index) => {
    const reason = all[index]?.shared ?? null;
    const isWish = terms.handover.mode !== 'shared' && terms.runtime.protocols.includes('nginx');
    const isNginx = isWish && listener?.address?.network === 'unix' && !listener.address.path.startsWith('@');
    if (listener?.steer !== true || reason === null || isNginx) return [];
    return [wrongValue(['service', 'listeners', index, 'steer'], `true is not possible: ${reason}`)];
  });
}

function modeRules(config: ConfigParts, listeners: SteeredListeners): Finding[] {
  const reason = config.service?.handover?.mode === 'steered' ? listeners.nothing() : null;
  return reason === null ? [] : [wrongValue([...HANDOVER, 'mode'], `steered is not possible: ${reason}`)];
}

/** Keys that have no effect if all generations hold the same sockets. */
function needRules(config: ConfigParts, listeners: SteeredListeners): Finding[] {
  const { preview_from = [], canary, soak = 0, verify } = config.service?.handover ?? {};
  const needs = (path: Path, wanted: boolean, what: string, reason: string | null): Finding[] =>
    wanted && reason !== null ? [wrongKey([...HANDOVER, ...path], `needs a ${what}: ${reason}`)] : [];
  const tcp = 'steered TCP listener';
  return [
    ...needs(['preview_from'], preview_from.length > 0, tcp, listeners.noTcp()),
    ...needs(['canary', 'steps'], (canary?.steps ?? []).length > 0, tcp, listeners.noTcp()),
    ...needs(['soak'], soak > 0, 'steered listener', listeners.nothing()),
    ...needs(['verify'], verify !== undefined, 'steered listener', listeners.nothing()),
    ...verifyRules(config),
  ];
}

/** A `verify` that would never run is refused, because the author of the config relies on it. */
function verifyRules({ service }: ConfigParts): Finding[] {
  const { canary, soak = 0, verify } = service?.handover ?? {};
  if (verify === undefined || (canary?.steps ?? []).length > 0 || soak > 0) return [];
  const problem = 'has no effect without a canary or a soak: add one of them';
  return [wrongKey([...HANDOVER, 'verify'], problem)];
}

/** The share must increase with every step. */
function canaryRules(config: ConfigParts): Finding[] {
  const percents = (config.service?.handover?.canary?.steps ?? []).map((step) => step?.percent);
  return percents.flatMap((percent, index) => {
    const before = percents[index - 1];
    if (percent === undefined || before === undefined || percent > before) return [];
    const problem = `${percent} is not more than the step before, ${before}: the share must rise`;
    return [wrongValue([...STEPS, index, 'percent'], problem)];
  });
}
