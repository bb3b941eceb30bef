import assert from 'node:assert/strict';
import { HttpConnection } from './http-connection.ts';
import type { Response } from './response-parser.ts';
import { parseTarget } from './target.ts';
import type { Scope } from './temporary.ts';

const TIMEOUT = 60_000;

/**
 * A request whose head is incomplete. The process that accepted the connection has work in progress until the test
 * completes the request, and must not exit before.
 */
export interface HeldRequest {
  /** Sends the rest. Resolves to the response. Rejects without one. */
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
