import { type Handed, isStream, type Variables, type WorkerListener } from './convention.ts';

/**
 * php-fpm's fpm_sockets_init_main(): `FPM_SOCKETS="addr:port=fd,/path=fd"`. The keys are those of
 * fpm_sockets_hash_op(): inet_ntop(3) and the port, IPv6 without brackets. Abstract names cannot be keys.
 */
export function fpm({ listeners }: Handed): Variables {
  const entries = listeners
    .filter((listener) => isStream(listener) && !/^@|[,]/.test(listener.text))
    .map((listener) => `${key(listener)}=${listener.target}`);
  return entries.length === 0 ? {} : { FPM_SOCKETS: entries.join(',') };
}

function key({ address }: WorkerListener): string {
  return address.family === 'unix' ? address.path : `${address.host}:${address.port}`;
}
