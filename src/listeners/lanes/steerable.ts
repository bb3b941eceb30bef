import type { ListenerConfig } from '../../config/schema.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

/** `auto`: TCP where it is possible. */
export type SteerSetting = 'auto' | boolean;

function settingOf(config: ListenerConfig & { readonly steer?: SteerSetting }): SteerSetting {
  return config.steer ?? 'auto';
}

/** Whether the listener is to have lanes. Throws ListenerError where the config wants what cannot be. */
export function wantsLanes(config: ListenerConfig): boolean {
  const setting = settingOf(config);
  const { network } = config.address;
  if (setting === true && !network.startsWith('tcp') && network !== 'unix') {
    throw new ListenerError(
      config.name,
      `steer ${nameAddress(config)}: only connections can be steered, not datagrams`,
    );
  }
  return setting === 'auto' ? network.startsWith('tcp') : setting;
}

/** Whether the config leaves it to zero, so that a listener that cannot be steered is shared. */
export function mayBeShared(config: ListenerConfig): boolean {
  return settingOf(config) === 'auto';
}
