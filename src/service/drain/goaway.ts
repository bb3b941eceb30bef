import type { ServerHttp2Session } from 'node:http2';

const NO_ERROR = 0;
/** The highest stream identifier: nothing that the client has begun or begins until it reads this is refused. */
const ANY_STREAM = 2 ** 31 - 1;

/**
 * Ends an HTTP/2 session without losing a stream (RFC 9113, 6.8): a first GOAWAY stops the client, a PING makes sure that it has read it, and a second one
 * names the last stream. `close()` alone sends only the second, and streams that were on their way then are refused.
 */
export function sayGoaway(session: ServerHttp2Session): void {
  if (session.closed || session.destroyed) return;
  session.goaway(NO_ERROR, ANY_STREAM);
  // The callback is also called, with an error, when the session ends before the answer; a ping that cannot be sent has none.
  if (!session.ping(() => session.close())) session.close();
}
