import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { wsLibrarySocket } from './node-internals.ts';
import { closeFrame, FrameFollower } from './websocket-frames.ts';

/** Service Restart: the client may connect again (IANA, WebSocket Close Code Number Registry). */
const SERVICE_RESTART = 1012;
const REASON = 'service restart';

/** Whether this upgrade is one to WebSocket (RFC 6455, 4.2.1), and not to a protocol that has no close frame. */
export const asksForWebSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket' && headers['sec-websocket-key'] !== undefined;

/**
 * One connection that was upgraded to WebSocket. What the service writes is followed from the first byte on, so that a close frame can be put
 * between two frames of whatever library it uses. `ws` is asked to close by itself: it may have messages that it compresses and has not written.
 */
export class WebSocketConnection {
  readonly #stream: Duplex;
  readonly #frames = new FrameFollower();
  #onTold: (() => void) | null = null;
  #scheduled = false;

  constructor(stream: Duplex) {
    this.#stream = stream;
    const write = stream.write;
    const follow = (chunk: unknown, encoding: unknown): void => this.#wrote(chunk, encoding);
    stream.write = function follows(this: Duplex, chunk: unknown, encoding?: unknown, callback?: unknown) {
      follow(chunk, encoding);
      return Reflect.apply(write, this, [chunk, encoding, callback]);
    } as Duplex['write'];
  }

  /** Sends close code 1012 as soon as no frame is under way; `onTold` is called when it was sent. */
  sayGoodbye(onTold: () => void): void {
    this.#onTold = onTold;
    this.#schedule();
  }

  #wrote(chunk: unknown, encoding: unknown): void {
    if (typeof chunk === 'string')
      this.#frames.feed(
        Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'),
      );
    else if (chunk instanceof Uint8Array) this.#frames.feed(chunk);
    if (this.#onTold !== null) this.#schedule();
  }

  /** In a turn of its own: a library writes the pieces of a frame, and notes what it wrote, in one. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#attempt();
    });
  }

  #attempt(): void {
    const onTold = this.#onTold;
    if (onTold === null || this.#frames.position !== 'between frames' || !this.#stream.writable) return;
    this.#onTold = null;
    const library = wsLibrarySocket(this.#stream);
    if (library === null) this.#stream.write(closeFrame(SERVICE_RESTART, REASON));
    else library.close(SERVICE_RESTART, REASON);
    onTold();
  }
}
