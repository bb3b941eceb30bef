import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { wsLibrarySocket } from './node-internals.ts';
import { closeFrame, FrameFollower } from './websocket-frames.ts';

/** Service Restart: the client may connect again (IANA, WebSocket Close Code Number Registry). */
const SERVICE_RESTART = 1012;
const REASON = 'service restart';

/** Whether the request upgrades to WebSocket (RFC 6455, 4.2.1). Other protocols have no close frame. */
export const asksForWebSocket = ({ headers }: IncomingMessage): boolean =>
  headers.upgrade?.toLowerCase() === 'websocket' && headers['sec-websocket-key'] !== undefined;

/**
 * One connection that was upgraded to WebSocket. It follows the service's output from the first byte on, so that it can
 * insert a close frame between two frames of any library. The library `ws` inserts its own close frame, because it may
 * hold messages that it compresses and has not written yet.
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

  /** Sends close code 1012 as soon as no frame is in progress. `onTold` is called after it was sent. */
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

  /** Waits for the next turn: a library writes all pieces of a frame, and records what it wrote, within one turn. */
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
