import type { Handed, Variables } from './convention.ts';

/**
 * nginx's ngx_add_inherited_sockets(): `NGINX="6;7;"`. nginx matches the sockets by address. It does not support Unix
 * datagram sockets.
 */
export function nginx({ listeners }: Handed): Variables {
  const known = listeners.filter(({ config }) => config.address.network !== 'unixgram');
  if (known.length === 0) return {};
  return { NGINX: known.map(({ target }) => `${target};`).join('') };
}
