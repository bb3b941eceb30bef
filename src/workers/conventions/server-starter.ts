import { type Handed, isStream, type Variables, type WorkerListener } from './convention.ts';

const WILDCARDS = new Set(['0.0.0.0', '::']);

/**
 * Server::Starter: `SERVER_STARTER_PORT="8080=3;127.0.0.1:81=4;[::1]:82=5;/path.sock=6"`, stream sockets only. A
 * wildcard address is written as its port only, as by `start_server --port 8080`. Two wildcards on one port (IPv4 and
 * IPv6) keep their hosts, because consumers read the value into a map by address.
 */
export function serverStarter({ generation, listeners }: Handed): Variables {
  const streams = listeners.filter((listener) => isStream(listener) && !listener.text.includes(';'));
  if (streams.length === 0) return {};
  const keys = streams.map(shortKey);
  const seen = new Set<string>();
  const doubled = new Set<string>();
  for (const key of keys) (seen.has(key) ? doubled : seen).add(key);
  const entries = streams.map((listener, index) => {
    const key = keys[index] ?? '';
    return `${doubled.has(key) ? listener.text : key}=${listener.target}`;
  });
  return { SERVER_STARTER_PORT: entries.join(';'), SERVER_STARTER_GENERATION: String(generation) };
}

function shortKey({ address, text }: WorkerListener): string {
  return address.family !== 'unix' && WILDCARDS.has(address.host) ? String(address.port) : text;
}
