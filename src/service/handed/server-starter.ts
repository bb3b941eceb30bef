import { type Claim, descriptor, type Environment } from './claim.ts';
import { HandedError } from './handed-error.ts';

/** `8080=3;127.0.0.1:81=4;[::1]:82=5;/path.sock=6` of Server::Starter. Throws HandedError where it is anything else. */
export function serverStarter({ SERVER_STARTER_PORT: text }: Environment): Claim[] {
  if (text === undefined || text === '') return [];
  return text.split(';').map((entry) => {
    // A path may have a "=" of its own; the number has none.
    const at = entry.lastIndexOf('=');
    const fd = descriptor(entry.slice(at + 1));
    if (at <= 0 || fd === null)
      throw new HandedError(`SERVER_STARTER_PORT is no list of ADDRESS=DESCRIPTOR: ${text.slice(0, 200)}`);
    return { fd, name: null, address: entry.slice(0, at), from: 'Server::Starter' };
  });
}
