import type { ServerHttp2Session } from 'node:http2';
import { openStreams } from './node-internals.ts';

/**
 * Says GOAWAY while a stream is open: now, or behind the next one that the client begins. One that is told while it is idle may be sending a request at that moment,
 * and one that has just opened its session is about to. `close()` lets open streams end and closes the session behind the last. `onTold` is
 * called when it was said.
 *
 * The graceful pair of RFC 9113, 6.8 (a GOAWAY for any stream, then the final one) cannot be had from Node: nghttp2 ignores new streams behind every GOAWAY but its own
 * shutdown notice (session_allow_incoming_new_stream), and Node offers none. What is refused reached no handler, and the client is told so.
 */
export function sayGoawayBehindStream(session: ServerHttp2Session, onTold: () => void): void {
  const tell = (): void => {
    onTold();
    session.close();
  };
  if ((openStreams(session)?.size ?? 0) > 0) tell();
  else session.once('stream', tell);
}
