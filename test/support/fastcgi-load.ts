import { type Exchanges, startExchanges } from './exchanges.ts';
import { runScript } from './fastcgi.ts';
import type { Scope } from './temporary.ts';

/** One request on a connection of its own. Resolves to the body; rejects with what the client saw. */
export async function askFastCgi(address: string, script: string): Promise<string> {
  const output = await runScript(address, script);
  return output.split('\r\n\r\n').slice(1).join('\r\n\r\n');
}

/** Clients that ask for a script again and again, and count every request. */
export function startFastCgiLoad(scope: Scope, address: string, script: string, clients: number): Exchanges {
  return startExchanges(scope, () => askFastCgi(address, script), clients);
}
