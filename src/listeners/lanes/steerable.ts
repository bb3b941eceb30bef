import type { ListenerConfig } from '../../config/schema.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

/** `auto`: steer TCP where possible. */
export type SteerSetting = 'auto' | boolean;

function settingOf(config: ListenerConfig & { readonly steer?: SteerSetting }): SteerSetting {
  return config.steer ?? 'auto';
}

/** Whether the listener is to have lanes. Throws ListenerError where the config asks for the impossible. */
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

/** Whether the listener is shared if it cannot be steered. */
export function mayBeShared(config: ListenerConfig): boolean {
  return settingOf(config) === 'auto';
}
