import type { HostPort } from '../config/values/host-port.ts';

/** `localhost:8125`, `[::1]:8125`. */
export function hostPortText({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
