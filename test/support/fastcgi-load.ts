import { type Exchanges, startExchanges } from './exchanges.ts';
import { runScript } from './fastcgi.ts';
import type { Scope } from './temporary.ts';

/** Sends one request on a separate connection. Resolves to the body. Rejects with the error of the client. */
export async function askFastCgi(address: string, script: string): Promise<string> {
  const output = await runScript(address, script);
  return output.split('\r\n\r\n').slice(1).join('\r\n\r\n');
}

/** Clients that request a script continuously, and count each request. */
export function startFastCgiLoad(scope: Scope, address: string, script: string, clients: number): Exchanges {
  return startExchanges(scope, () => askFastCgi(address, script), clients);
}
