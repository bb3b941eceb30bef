import assert from 'node:assert/strict';
import { HttpConnection } from './http-connection.ts';
import type { Response } from './response-parser.ts';
import { parseTarget } from './target.ts';
import type { Scope } from './temporary.ts';

const TIMEOUT = 60_000;

/**
 * A request whose head is not complete: the process that accepted the connection has work in progress until the test lets it finish, and must not
 * leave before.
 */
export interface HeldRequest {
  /** Sends the rest; resolves to the answer, and fails when there is none. */
  finish(): Promise<Response>;
}

export function holdRequest(scope: Scope, address: string): HeldRequest {
  const connection = new HttpConnection(parseTarget(address));
  scope.after(() => connection.close());
  const exchange = connection.exchange('GET /?id=held HTTP/1.1\r\nHost: localhost\r\n', TIMEOUT);
  return {
    async finish() {
      connection.send('Connection: close\r\n\r\n');
      const result = await exchange;
      assert.equal(result.kind, 'answered', JSON.stringify(result));
      return result.response;
    },
  };
}
