import { Socket } from 'node:net';
import { errorText } from '../../common/errors.ts';
import { Channel, MAX_MESSAGE } from './channel.ts';
import type { Inherited } from './descriptor.ts';
import type { Marker } from './marker.ts';
import { readToChild, type ToChild, type ToParent, VERSION } from './messages.ts';
import { Moment } from './moment.ts';
import { decodeState, MAX_STATE } from './state.ts';

/** Limit for the first message, in characters: the state in base64, and the descriptors. */
const MAX_LINE = Math.ceil(MAX_STATE / 3) * 4 + MAX_MESSAGE;

type Inherit = Extract<ToChild, { readonly type: 'inherit' }>;

/** What a process receives from the previous one. */
export interface Parent {
  readonly link: ParentLink;
  readonly inherited: readonly Inherited[];
  readonly state: unknown;
}

/** The process that this one replaces, as seen by this one. */
export class ParentLink {
  readonly #channel: Channel<ToChild, ToParent>;
  readonly #inherit = new Moment<Inherit>();
  readonly #takeOver = new Moment<void>();
  readonly #released = new Moment<void>();
  readonly #gone = new Moment<Error | null>();
  #waiting = 0;

  private constructor(fd: number) {
    const socket = new Socket({ fd, readable: true, writable: true });
    const listener = {
      message: (message: ToChild) => this.#received(message),
      closed: (error: Error | null) => this.#closed(error),
    };
    this.#channel = new Channel(socket, readToChild, listener, MAX_LINE);
  }

  /** Rejects if the parent sends invalid messages, or exits before it has sent the first one. */
  static async open({ channel, token }: Marker): Promise<Parent> {
    const link = new ParentLink(channel);
    link.#channel.send({ type: 'hello', version: VERSION, pid: process.pid });
    const first = await Promise.race([link.#inherit.promise, link.#gone.promise]);
    try {
      const { descriptors, state } = verified(first, token);
      const parent = { link, inherited: descriptors, state: decodeState(state) };
      link.#channel.hold(false);
      return parent;
    } catch (error) {
      link.#channel.destroy();
      const { message } = error as Error;
      throw new Error(`the process that started this one for an upgrade: ${message}`, { cause: error });
    }
  }

  /** Whether the parent accepts no more connections. */
  get hasReleased(): boolean {
    return this.#released.reached;
  }

  ready(): void {
    this.#channel.send({ type: 'ready' });
  }

  tookOver(): void {
    this.#channel.send({ type: 'took_over' });
  }

  failed(error: unknown): void {
    this.#channel.send({ type: 'failed', message: errorText(error) });
  }

  /** Resolves also when the parent has exited: then this process is the only one. */
  whenAskedToTakeOver(): Promise<void> {
    return this.#alive(this.#takeOver.promise);
  }

  whenReleased(): Promise<void> {
    return this.#alive(this.#released.promise);
  }

  whenGone(signal?: AbortSignal): Promise<void> {
    return this.#alive(this.#gone.promise, signal);
  }

  /** The channel keeps this process alive while something awaits the moment. Rejects with the signal's reason. */
  async #alive(moment: Promise<unknown>, signal?: AbortSignal): Promise<void> {
    let abort: (() => void) | undefined;
    const aborted = new Promise<never>((_, reject) => {
      abort = () => reject(signal?.reason);
      signal?.addEventListener('abort', abort);
    });
    this.#waiting += 1;
    this.#channel.hold(true);
    try {
      await Promise.race([moment, aborted]);
    } finally {
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
      this.#waiting -= 1;
      if (this.#waiting === 0) this.#channel.hold(false);
    }
  }

  #received(message: ToChild): void {
    if (message.type === 'inherit') this.#inherit.reach(message);
    else if (message.type === 'take_over') this.#takeOver.reach();
    else this.#released.reach();
  }

  #closed(error: Error | null): void {
    this.#gone.reach(error);
    this.#takeOver.reach();
    this.#released.reach();
  }
}

function verified(first: Inherit | Error | null, token: string): Inherit {
  if (first === null) throw new Error('it has exited');
  if (first instanceof Error) throw first;
  if (first.version !== VERSION) throw new Error(`it uses version ${first.version}, this process ${VERSION}`);
  if (first.token !== token) throw new Error('it is not the process that the environment specifies');
  return first;
}
